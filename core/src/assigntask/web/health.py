"""`/health/live` and `/health/ready`: for whoever starts, stops and balances processes. They need no name or token."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

LIVE, READY = "/health/live", "/health/ready"
_HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}


def routes(trouble: Callable[[], Awaitable[Sequence[str]]]) -> list[BaseRoute]:
    """`trouble`: the codes of what keeps this process from serving; none where it can. Anybody may read them."""

    async def live(_: Request) -> Response:
        return _said(200, {"status": "live"})

    async def ready(_: Request) -> Response:
        codes = await trouble()
        return _said(503, {"status": "not_ready", "codes": list(codes)}) if codes else _said(200, {"status": "ready"})

    return [Route(LIVE, live), Route(READY, ready)]


def _said(status: int, body: dict[str, Any]) -> Response:
    return JSONResponse(body, status, headers=_HEADERS)
