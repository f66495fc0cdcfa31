"""The authorization server's routes, but for those that a person's browser sees."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from assigntask.db.errors import DatabaseBusy, DatabaseUnreachable
from assigntask.oauth import metadata
from assigntask.oauth.exchange import Answer, TokenRequest
from assigntask.oauth.parameters import MAX_BYTES, BadRequest, is_form, parameters
from assigntask.oauth.server import NOWHERE, OAuthServer

Handler = Callable[[TokenRequest], Awaitable[Answer]]

SECONDS = 10.0
"""How long a form is waited for: anybody may begin to send one."""

NO_STORE = (
    (b"content-type", b"application/json"),
    (b"cache-control", b"no-store"),
    (b"pragma", b"no-cache"),
    (b"x-content-type-options", b"nosniff"),
)
_PUBLIC = {"cache-control": "public, max-age=300", "x-content-type-options": "nosniff"}
_JSON = json.JSONEncoder(separators=(",", ":"))
_KEPT_HEADERS = frozenset({b"authorization", b"dpop", b"content-type"})
_BUSY = Answer(
    503,
    {"error": "temporarily_unavailable", "error_description": "The host is busy. Try again in a moment."},
    (("retry-after", "1"),),
)


class FormEndpoint:
    """An ASGI application: a form is posted, and what `handler` answers is sent. Nothing of it may be cached."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await _in_time(receive)
            if body is None:  # the client has gone
                return
            answer = await self._handler(read(scope, body))
        except BadRequest as error:
            answer = Answer.of(error)
        except (DatabaseBusy, DatabaseUnreachable):
            answer = _BUSY
        await _send(send, answer)


def endpoints(server: OAuthServer) -> list[BaseRoute]:
    """Token, revocation, introspection, keys and metadata."""

    async def keys(_: Request) -> Response:
        return JSONResponse(dict(server.key_set()), headers=_PUBLIC)

    def said(document: Callable[[str], dict[str, Any]]) -> Response:
        if not server.url:
            return JSONResponse({"error": "temporarily_unavailable", "error_description": NOWHERE}, 503)
        return JSONResponse(document(server.url), headers=_PUBLIC)

    async def authorization_server(_: Request) -> Response:
        return said(metadata.authorization_server)

    async def protected_resource(_: Request) -> Response:
        return said(metadata.protected_resource)

    return [
        Route(metadata.TOKEN, FormEndpoint(server.token), methods=["POST"]),
        Route(metadata.REVOKE, FormEndpoint(server.revoke), methods=["POST"]),
        Route(metadata.INTROSPECT, FormEndpoint(server.introspect), methods=["POST"]),
        Route(metadata.KEYS, keys),
        Route(metadata.SERVER_PATH, authorization_server),
        Route(metadata.RESOURCE_PATH, protected_resource),
        Route(metadata.RESOURCE_PATH + metadata.API_PATH, protected_resource),
    ]


def read(scope: Scope, body: bytes) -> TokenRequest:
    """What was posted. Raises BadRequest for what is no form, or has parameters in the address."""
    headers = _headers(scope)
    if scope.get("query_string"):
        raise BadRequest("invalid_request", "Parameters go into the body, not into the address, which is logged.")
    if not is_form(headers.get("content-type")):
        raise BadRequest("invalid_request", "The body is a form: Content-Type is application/x-www-form-urlencoded.")
    return TokenRequest(parameters(body), headers.get("authorization"), headers.get("dpop"))


def _headers(scope: Scope) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        if name not in _KEPT_HEADERS:
            continue
        if name.decode() in found:
            raise BadRequest("invalid_request", f"The header {name.decode()} is there twice. Send it once.")
        found[name.decode()] = value.decode("latin-1")
    return found


async def _in_time(receive: Receive) -> bytes | None:
    """As `_body`. Raises BadRequest for one that does not come, too."""
    try:
        async with asyncio.timeout(SECONDS):
            return await _body(receive)
    except TimeoutError:
        raise BadRequest("invalid_request", "The form did not come in time. Send it again.", status=408) from None


async def _body(receive: Receive) -> bytes | None:
    """None when the client has gone. Raises BadRequest for more than a form may have."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > MAX_BYTES:
            raise BadRequest("invalid_request", f"The body is longer than {MAX_BYTES // 1024} KiB.", status=413)
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


async def _send(send: Send, answer: Answer) -> None:
    said: Mapping[str, Any] = answer.body or {}
    body = b"" if answer.body is None else _JSON.encode(said).encode()
    extra = [(name.encode(), value.encode()) for name, value in answer.headers]
    headers = [*NO_STORE, (b"content-length", str(len(body)).encode()), *extra]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
