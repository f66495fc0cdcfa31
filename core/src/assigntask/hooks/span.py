"""One attempt at calling an app: what may cross between the apps' loop and the host's while it lasts."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from assigntask_sdk.errors import Gone

T = TypeVar("T")

BATCH = 100
"""Items fetched with one crossing. Pages of lists and scans are multiples of it, so none is read early."""


class Span:
    """Made in the host's loop, used from the apps' loop; after `end` nothing crosses any more."""

    def __init__(self) -> None:
        self._host = asyncio.get_running_loop()
        self._context = contextvars.copy_context()
        self._lock = threading.Lock()
        self._pending: set[concurrent.futures.Future[Any]] = set()
        self._over = False

    @property
    def over(self) -> bool:
        return self._over

    def check(self) -> None:
        """Raises Gone when the call has ended."""
        if self._over:
            raise Gone("This call has ended, so ctx can't be used any more: await what you start before you return.")

    def end(self) -> None:
        """Cancels what is still running in the host for this call. To be called in the host's loop."""
        with self._lock:
            self._over = True
            pending, self._pending = self._pending, set()
        for future in pending:
            future.cancel()

    async def cross(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Runs the coroutine in the host's loop, in the caller's context, and waits for it here.

        Cancelling this cancels that. Raises Gone when the call has ended.
        """
        with self._lock:
            self.check()
            if self._host.is_closed():
                raise Gone("The host is shutting down.")
            future = self._context.copy().run(asyncio.run_coroutine_threadsafe, make(), self._host)
            self._pending.add(future)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            future.cancel()
            raise
        finally:
            with self._lock:
                self._pending.discard(future)

    async def iterate(self, make: Callable[[], AsyncIterator[T]], *, batch: int = BATCH) -> AsyncIterator[T]:
        """The items of an iterator that lives in the host's loop, `batch` with one crossing."""

        async def begin() -> AsyncIterator[T]:
            return aiter(make())

        source = await self.cross(begin)
        try:
            while True:
                items, end = await self.cross(lambda: _pull(source, batch))
                for item in items:
                    self.check()
                    yield item
                if isinstance(end, StopAsyncIteration):
                    return
                if end is not None:
                    raise end
        finally:
            self._close(source)

    def _close(self, source: AsyncIterator[Any]) -> None:
        """Lets the host's iterator go, without waiting: the app may already be cancelled."""
        if hasattr(source, "aclose") and not self._host.is_closed():
            asyncio.run_coroutine_threadsafe(_close(source), self._host)


async def _pull(source: AsyncIterator[T], batch: int) -> tuple[list[T], Exception | None]:
    """Up to `batch` items, and how it ended: StopAsyncIteration, another error, or None where more may come."""
    items: list[T] = []
    try:
        while len(items) < batch:
            items.append(await anext(source))
    except Exception as error:  # given to the app behind the items that came before it
        return items, error
    return items, None


async def _close(source: Any) -> None:
    with suppress(RuntimeError):  # it is just being cancelled, which closes it too
        await source.aclose()
