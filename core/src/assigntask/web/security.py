"""What every answer carries, and which requests are not answered at all. Pure ASGI."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS: Mapping[str, str] = {
    "content-security-policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'none'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}

# RFC 9110, section 7.2: a name or address and perhaps a port, nothing else.
_HOST = re.compile(r"(?:\[(?P<six>[0-9a-f:.]+)\]|(?P<name>[a-z0-9.-]+))(?::[0-9]{1,5})?", re.IGNORECASE)


class Security:
    """Refuses what other sites could have sent here.

    A foreign name that resolves to this machine must not read the page (DNS rebinding), and a foreign page must not
    load this one as a part of itself: looking at the page asks apps, and is recorded.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str]) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        answer: ASGIApp = self._app
        if hostname(headers.get("host", "")) not in self._hosts:
            answer = _refusal(421, "host_unknown", "This host answers only to the address that it prints at its start.")
        elif _embedded_elsewhere(headers):
            answer = _refusal(403, "cross_site", "This page can be opened, but not loaded from within another site.")

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                secure(MutableHeaders(scope=message))
            await send(message)

        await answer(scope, receive, send_with_headers)


def secure(headers: MutableHeaders) -> None:
    """A page with a form says itself where that may lead; nothing else is left to pages."""
    for name, value in HEADERS.items():
        headers.setdefault(name, value)
    headers.setdefault("cache-control", "no-store")


def hostname(host: str) -> str:
    """The name in a Host header, without the port, in small letters; "" where it can't be read."""
    found = _HOST.fullmatch(host)
    return (found["six"] or found["name"]).lower() if found is not None else ""


def _embedded_elsewhere(headers: Headers) -> bool:
    """By fetch metadata, which every current browser sends to a loopback address. Following a link is no embedding."""
    return headers.get("sec-fetch-site") in ("cross-site", "same-site") and (
        headers.get("sec-fetch-mode") != "navigate" or headers.get("sec-fetch-dest") != "document"
    )


def _refusal(status: int, code: str, words: str) -> Response:
    return PlainTextResponse(f"{words}\nCode: {code}\n", status)
