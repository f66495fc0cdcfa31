"""Where a browser may be sent with an answer: exactly what was registered. Pure.

RFC 9700, section 2.1 (compared letter by letter), RFC 8252, section 7.3 (a program on the person's own machine
listens at any port), RFC 9207 (`iss` goes with every answer).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from assigntask.errors import HostError

LONGEST = 2000
_LOOPBACK = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]))(?::([1-9][0-9]{0,4}))?((?:/[!-~]*)?)")
_HTTPS = re.compile(r"https://[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[1-9][0-9]{0,4})?(?:/[!-~]*)?")


@dataclass(frozen=True, slots=True)
class Redirect:
    """`given`: whether the request named it. Then the token request has to name the same (RFC 6749, 4.1.3)."""

    uri: str
    given: bool


def chosen(registered: Sequence[str], given: str | None) -> Redirect:
    """Raises HostError `redirect_uri_invalid`: nobody may be sent anywhere then, not even with an error."""
    if given is None:
        if len(registered) == 1:
            return Redirect(registered[0], given=False)
        raise _invalid("It has to say which of its redirect URIs is meant.")
    if any(_same(each, given) for each in registered):
        return Redirect(given, given=True)
    raise _invalid("Its redirect_uri is none of those that the app has registered.")


def acceptable(uri: str) -> bool:
    """Whether an app may register it: https, or http to this machine by address; no user name, no fragment."""
    if len(uri) > LONGEST or "#" in uri or "\\" in uri:
        return False
    local = _LOOPBACK.fullmatch(uri)
    if local is not None:
        return _is_port(local[2])
    return _HTTPS.fullmatch(uri) is not None and _is_port((uri.split("/")[2].partition(":")[2]) or None)


def answered(uri: str, parameters: Mapping[str, str | None], issuer: str) -> str:
    """The address with an answer in its query, and with `iss`. What is None is left out."""
    fields = {name: value for name, value in parameters.items() if value is not None}
    joint = "&" if "?" in uri else "?"
    return f"{uri}{joint}{urlencode({**fields, 'iss': issuer})}"


def origin(uri: str) -> str:
    """Scheme, host and port: what people are shown, and what the page's form may lead to."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}"


def _same(registered: str, given: str) -> bool:
    if registered == given:
        return True
    known, asked = _LOOPBACK.fullmatch(registered), _LOOPBACK.fullmatch(given)
    if known is None or asked is None or not _is_port(asked[2]):
        return False
    return (known[1], known[3]) == (asked[1], asked[3])


def _is_port(text: str | None) -> bool:
    return text is None or 0 < int(text) < 65536


def _invalid(words: str) -> HostError:
    return HostError(
        "redirect_uri_invalid",
        f"This request can't be answered, and nothing was sent to the app. {words} Tell the app's vendor.",
    )
