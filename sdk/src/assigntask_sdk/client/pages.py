"""Lists that come in pages, read one after the other as they are used up."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Generic, TypeAlias, TypeVar

T = TypeVar("T")

Progress: TypeAlias = Callable[[int], None]
"""Told after each page how many items of the list were read so far."""

Fetch: TypeAlias = "Callable[[str | None], Awaitable[tuple[Iterable[T], str | None]]]"
"""Given a cursor (None: from the start), the page's items and the next one's cursor, None where it was the last."""


class Pages(AsyncIterator[T], Generic[T]):
    """`async for` over all items. Nothing is read before the first is wanted."""

    def __init__(self, fetch: Fetch[T], progress: Progress | None = None) -> None:
        self._fetch = fetch
        self._progress = progress
        self._cursor: str | None = None
        self._more = True
        self._read = 0
        self.ready: deque[T] = deque()

    def __aiter__(self) -> Pages[T]:
        return self

    async def __anext__(self) -> T:
        while not self.ready:
            if not self._more:
                raise StopAsyncIteration
            await self._turn()
        return self.ready.popleft()

    async def _turn(self) -> None:
        items, self._cursor = await self._fetch(self._cursor)
        self._more = self._cursor is not None
        self.ready.extend(items)
        self._read += len(self.ready)
        if self._progress is not None:
            self._progress(self._read)
