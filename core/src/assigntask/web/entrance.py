"""Who is at the door: the session that a browser's cookie opens, or nobody."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from assigntask.actions.signing_in import SigningIn
from assigntask.errors import HostError
from assigntask.oauth.authorizing import Authorizing
from assigntask.people.sessions import IDLE, Session

from .forms import Forms
from .security import HEADERS, hostname

SIGN_OUT = "sign-out"

_OF_PROXIES = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
"""Who sends one of them may come from anywhere, also under this machine's own name."""


@dataclass(frozen=True, slots=True)
class Entrance:
    """`url`: the host's own address of this moment, "" where it has none but where it listens."""

    signing_in: SigningIn
    authorizing: Authorizing
    forms: Forms
    url: Callable[[], str]
    refresh_days: int

    async def who(self, request: Request) -> Session | None:
        return await self.signing_in.current(request.cookies.get(cookie_name(self.url())))

    async def viewer(self, request: Request) -> Session | None:
        """The session; None for whoever sits at this machine, who needs none. Raises HostError `sign_in_needed`."""
        session = await self.who(request)
        through_proxy = any(name in request.headers for name in _OF_PROXIES)
        if session is None and (through_proxy or not at_this_machine(self.url(), request.headers.get("host", ""))):
            raise sign_in_needed()
        return session

    def let_in(self, response: Response, value: str) -> None:
        """The cookie is this host's alone, scripts can't read it, and other sites' forms don't bring it along."""
        url = self.url()
        response.set_cookie(
            cookie_name(url),
            value,
            max_age=int(IDLE.total_seconds()),
            path="/",
            secure=_is_https(url),
            httponly=True,
            samesite="lax",
        )

    def let_out(self, response: Response) -> None:
        url = self.url()
        response.delete_cookie(cookie_name(url), path="/", secure=_is_https(url), httponly=True, samesite="lax")


def cookie_name(url: str) -> str:
    """With `__Host-`, browsers take a cookie only over https, from this host, for all of it: RFC 6265bis, 4.1.3.2."""
    return "__Host-assigntask" if _is_https(url) else "assigntask"


def at_this_machine(url: str, host: str) -> bool:
    """Whether this host is only for whoever sits at its machine: by its own address, and by the request's Host."""
    own = urlsplit(url).hostname or ""
    return (not url or _is_loopback(own)) and _is_loopback(hostname(host))


def with_form(response: Response, *leads_to: str) -> Response:
    """Lets the page's form be sent: to this host, which may send the browser on to these origins.

    The form's origin is told to this host alone, which checks it.
    """
    sources = " ".join(("'self'", *map(_source, leads_to)))
    usual = HEADERS["content-security-policy"]
    response.headers["content-security-policy"] = usual.replace("form-action 'none'", f"form-action {sources}")
    response.headers["referrer-policy"] = "same-origin"
    return response


def sign_in_needed() -> HostError:
    return HostError(
        "sign_in_needed",
        "Nobody is signed in at this browser. Ask whoever runs this host for a link: "
        "`assigntask people sign-in-link PERSON` makes it.",
    )


def _source(origin: str) -> str:
    """An origin as a source of a policy, where no address of version 6 can be written."""
    return "http:" if origin.startswith("http://[") else origin


def _is_https(url: str) -> bool:
    return url.startswith("https://")


def _is_loopback(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
