"""Around all that is answered: each request has an id, in its answer and in every line of the log; and is measured."""

from __future__ import annotations

import time

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assigntask.db.ids import new_id
from assigntask.metrics.meter import Meter
from assigntask.metrics.routes import route_of, watch

HEADER = b"x-request-id"

log = structlog.get_logger(__name__)


class Observed:
    """The id is always the host's own: one that came along could be anything, and pose as another's."""

    def __init__(self, app: ASGIApp, meter: Meter) -> None:
        self._app = app
        self._meter = meter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        request_id = new_id()
        # What raises goes on to the server, which writes it down: its line is to have the id too, so it stays bound.
        bound = structlog.contextvars.bind_contextvars(request=request_id)
        if scope["type"] == "websocket":
            await self._app(scope, receive, send)
        else:
            await self._answer(scope, receive, send, request_id.encode())
        structlog.contextvars.reset_contextvars(**bound)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, request_id: bytes) -> None:
        seen, status, started = watch(scope), 0, time.perf_counter()

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message.get("headers", ()), (HEADER, request_id)]}
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            status = status or 500  # what the server answers then
            raise
        finally:
            if status:  # else the client left before there was an answer
                seconds, route = time.perf_counter() - started, route_of(scope, seen)
                self._meter.answered(scope["method"], route, status, seconds)
                milliseconds = round(seconds * 1000, 1)
                log.debug("answered", method=scope["method"], route=route, status=status, milliseconds=milliseconds)
