"""The service over HTTP."""

from __future__ import annotations

import asyncio

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..wire import BODY_BYTES, INSTALL_PATH, MANIFEST_PATH, hook_path
from .reply import Refusal, Reply
from .service import Service, too_large

SECONDS = 30.0
"""How long a body is waited for: it is read before anybody knows whose it is."""

_REFUSED = {
    404: ("path_unknown", "There is nothing here: an app's service takes installs and hooks."),
    405: ("method_not_allowed", "Use the method that the SDK's wire says."),
}


def site(service: Service) -> Starlette:
    """GET /app.toml and /health, POST /install and /hooks/{hook}."""

    async def manifest(request: Request) -> Response:
        return Response(service.manifest_bytes, media_type="application/toml")

    async def health(request: Request) -> Response:
        return JSONResponse({"status": "ok", "app": service.app.id, "version": service.manifest.version})

    async def post(request: Request) -> Response:
        try:
            body = await _body(request)
        except ClientDisconnect:
            return Response(status_code=400)
        except Refusal as refusal:
            return _response(refusal.reply())
        return _response(await service.post(request.url.path, request.headers, body))

    return Starlette(
        routes=[
            Route(MANIFEST_PATH, manifest),
            Route("/health", health),
            Route(INSTALL_PATH, post, methods=["POST"]),
            Route(hook_path("{hook}"), post, methods=["POST"]),
        ],
        exception_handlers={HTTPException: _refused},
    )


async def _body(request: Request) -> bytes:
    """Raises Refusal `body_too_large`, before the rest is read, and `body_too_slow`."""
    length = request.headers.get("content-length", "0")
    if length.isascii() and length.isdigit() and int(length) > BODY_BYTES:
        raise too_large()
    body = bytearray()
    try:
        async with asyncio.timeout(SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > BODY_BYTES:
                    raise too_large()
    except TimeoutError:
        raise Refusal(408, "body_too_slow", f"The body did not come within {SECONDS:g} seconds.") from None
    return bytes(body)


async def _refused(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    code, message = _REFUSED.get(status, ("refused", "This request can't be answered."))
    return _response(Refusal(status, code, message).reply())


def _response(reply: Reply) -> Response:
    background = BackgroundTask(reply.after) if reply.after is not None else None
    media_type = reply.media_type if reply.body else None
    return Response(reply.body, reply.status, media_type=media_type, background=background)
