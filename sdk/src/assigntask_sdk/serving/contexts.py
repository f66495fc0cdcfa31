"""The `ctx` of one call: the API of the host that asks, opened with the call's own token."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2

from ..client import Client, Token
from ..client.ctx import WireCtx, WireLog
from ..context import Ctx
from ..records import PersonId
from ..wire import HookBody
from .store import Kept


class WireContexts:
    """`transport` carries the requests of all calls, so that connections are kept between them; `close` ends it."""

    def __init__(self, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        self._transport = transport if transport is not None else httpx2.AsyncHTTPTransport(trust_env=False)

    @asynccontextmanager
    async def __call__(self, kept: Kept, body: HookBody) -> AsyncIterator[Ctx]:
        async with Client(kept.api, Token(body.token), transport=_Lent(self._transport)) as client:
            yield WireCtx(
                client,
                viewer=PersonId(body.viewer) if body.viewer is not None else None,
                settings=body.settings,
                deadline=body.deadline,
                granted=frozenset(body.granted),
                now_offset=body.now - dt.datetime.now(dt.UTC),
                log=WireLog(app=kept.app, installation=kept.id),
            )

    async def close(self) -> None:
        await self._transport.aclose()


class _Lent(httpx2.AsyncBaseTransport):
    """Closing it closes nothing: it belongs to somebody else."""

    def __init__(self, transport: httpx2.AsyncBaseTransport) -> None:
        self._transport = transport

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return await self._transport.handle_async_request(request)
