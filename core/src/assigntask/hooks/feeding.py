"""Bytes from an app's own iterator in its loop to a call in the host's: one piece at a time, so that none pile up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine
from typing import TypeVar

from .span import Span

T = TypeVar("T")


class Feed:
    """Lives in the host's loop: `put` waits until whoever reads has taken what was put before."""

    def __init__(self) -> None:
        self._pieces: asyncio.Queue[tuple[bytes, bool]] = asyncio.Queue(1)

    async def put(self, piece: bytes) -> None:
        await self._pieces.put((piece, False))

    async def end(self) -> None:
        await self._pieces.put((b"", True))

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            piece, last = await self._pieces.get()
            if last:
                return
            yield piece


async def fed(
    span: Span, content: AsyncIterable[bytes], call: Callable[[AsyncIterable[bytes]], Coroutine[None, None, T]]
) -> T:
    """What `call` answers in the host's loop, given what `content` gives in this one.

    What `content` raises ends the call, and comes out here. A call that ends early leaves the rest unread.
    """
    feed = Feed()
    calling = asyncio.ensure_future(span.cross(lambda: call(feed)))
    try:
        async for piece in content:
            if not await _put(span, calling, feed.put(piece)):
                break
        else:
            await _put(span, calling, feed.end())
        return await calling
    finally:
        if not calling.done():
            calling.cancel()


async def _put(span: Span, calling: asyncio.Future[T], put: Coroutine[None, None, None]) -> bool:
    """Whether the call still reads."""
    sending = asyncio.ensure_future(span.cross(lambda: put))
    try:
        await asyncio.wait((sending, calling), return_when=asyncio.FIRST_COMPLETED)
        if calling.done():
            return False
        sending.result()
        return True
    finally:
        if not sending.done():
            sending.cancel()
