"""`/metrics` as an ASGI application, for a listener of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog
from starlette.types import Receive, Scope, Send

from .prometheus import PrometheusMeter
from .standing import Standing

PATH = "/metrics"
KEPT_SECONDS = 5.0
"""However many monitors ask, the database is asked so rarely."""
PATIENCE_SECONDS = 5.0

log = structlog.get_logger(__name__)


class MetricsPage:
    """`read` asks the database. While that fails, the rest is there all the same."""

    def __init__(
        self,
        meter: PrometheusMeter,
        read: Callable[[], Awaitable[Standing]],
        *,
        monotonic: Callable[[], float] = time.monotonic,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._meter = meter
        self._read = read
        self._monotonic = monotonic
        self._patience = patience
        self._latest: Standing | None = None
        self._until = float("-inf")
        self._one = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1003})
        elif scope["path"] != PATH:
            await _send(send, 404, b"The metrics are at /metrics.\n")
        elif scope["method"] not in ("GET", "HEAD"):
            await _send(send, 405, b"Metrics can only be read.\n", allow=b"GET, HEAD")
        else:
            accept = dict(scope["headers"]).get(b"accept", b"").decode("latin-1")
            body, media = self._meter.page(await self._standing(), accept)
            await _send(send, 200, body, media.encode(), head=scope["method"] == "HEAD")

    async def _standing(self) -> Standing | None:
        async with self._one:
            if self._monotonic() >= self._until:
                self._latest = await self._asked()
                self._until = self._monotonic() + KEPT_SECONDS
            return self._latest

    async def _asked(self) -> Standing | None:
        try:
            async with asyncio.timeout(self._patience):
                return await self._read()
        except Exception as error:  # a monitor is told that it failed; the operator's log, how
            log.warning("standing_unread", error=type(error).__name__, code=getattr(error, "code", None))
            return None


async def _send(
    send: Send,
    status: int,
    body: bytes,
    media: bytes = b"text/plain; charset=utf-8",
    *,
    allow: bytes | None = None,
    head: bool = False,
) -> None:
    headers = [
        (b"content-type", media),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        *([(b"allow", allow)] if allow is not None else []),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else body})
