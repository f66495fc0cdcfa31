"""What a form carries besides the person's answers: signed, so that it comes from a page of ours, for this browser.

Together with where the browser says the form came from, this keeps other sites from sending forms in somebody's name.
"""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request

from assigntask.errors import HostError
from assigntask.ledger.keys import KeyRing
from assigntask.oauth.parameters import MAX_BYTES, BadRequest, is_form, parameters

FIELD = "form"
LIFETIME = dt.timedelta(hours=12)
"""A page that was left open longer has to be loaded again."""

SECONDS = 10.0
"""How long a form is waited for: anybody may begin to send one."""

KEY_USE = "forms"
_VERSION = 1


class Forms:
    """`holder` in its methods: the digest that names the session for which a form was made."""

    def __init__(self, keys: KeyRing, clock: Callable[[], dt.datetime]) -> None:
        self._keys = keys
        self._clock = clock

    def sealed(self, action: str, holder: str, body: Mapping[str, Any] | None = None) -> str:
        """Text for a hidden field. `body` is JSON; whoever holds the page can read it, and not change it."""
        said = [_VERSION, action, holder, int(self._clock().timestamp()), body or {}]
        text = base64.urlsafe_b64encode(json.dumps(said, separators=(",", ":")).encode()).decode()
        return f"{text}.{_signature(self._keys.derived(KEY_USE)[0], text)}"

    def opened(self, sealed: str, action: str, holder: str) -> Mapping[str, Any]:
        """The body. Raises HostError `form_invalid`, for one of another action, session or key, or that is too old."""
        text, _, signature = sealed.partition(".")
        keys = self._keys.derived(KEY_USE)
        if not signature.isascii() or not any(hmac.compare_digest(_signature(key, text), signature) for key in keys):
            raise invalid()
        version, made_for, held_by, at, body = json.loads(base64.urlsafe_b64decode(text))
        made_at = dt.datetime.fromtimestamp(at, dt.UTC)
        if (version, made_for, held_by) != (_VERSION, action, holder) or self._clock() - made_at > LIFETIME:
            raise invalid()
        found: Mapping[str, Any] = body
        return found


async def fields(request: Request, url: str) -> Mapping[str, str]:
    """The form's fields, each once. `url`: the host's own address, "" where it has none but where it listens.

    Raises HostError `cross_site` for a form of another site, `form_invalid` for what is no form, too long or too slow.
    """
    if not from_own_page(request.headers, url):
        raise HostError("cross_site", "This form was not sent from a page of this host, so nothing was done.")
    if not is_form(request.headers.get("content-type")):
        raise invalid()
    try:
        async with asyncio.timeout(SECONDS):
            return parameters(await _body(request))
    except (BadRequest, TimeoutError):
        raise invalid() from None


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BYTES:
            raise invalid()
    return body


def from_own_page(headers: Headers, url: str) -> bool:
    """By fetch metadata and `Origin`: a browser sends one of them with every form. Both have to agree."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is None and origin is None:
        return False
    own = {headers.get("host", "").lower(), urlsplit(url).netloc.lower()} - {""}
    return site in (None, "same-origin") and (origin is None or urlsplit(origin).netloc.lower() in own)


def invalid() -> HostError:
    return HostError("form_invalid", "This form is too old, or is not one of this page. Load the page again.")


def _signature(key: bytes, text: str) -> str:
    return hmac.digest(key, text.encode(), "sha256").hex()
