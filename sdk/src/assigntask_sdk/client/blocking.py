"""From async to blocking: a loop in a thread of its own, and descriptors that lead an async part's methods there."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import CancelledError, Future
from functools import update_wrapper
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from .failures import ApiError
from .pages import Pages

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class Portal:
    """Runs coroutines in a loop of its own, for any number of threads at once."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="assigntask-client", daemon=True)
        self._closing = threading.Lock()
        self._closed = False
        self._thread.start()

    @property
    def closed(self) -> bool:
        return self._closed

    def call(self, made: Callable[[], Coroutine[Any, Any, R]]) -> R:
        """What the coroutine returns or raises. An interrupt meanwhile cancels it.

        Raises ApiError `client_closed`; `client_in_itself` where it is called from its own callbacks.
        """
        if threading.current_thread() is self._thread:
            message = "A SyncClient can't be used inside its own callbacks: they run where its calls are made."
            raise ApiError("client_in_itself", message)
        with self._closing:
            if self._closed:
                raise ApiError("client_closed", "This client is closed: make a new one.")
            future = asyncio.run_coroutine_threadsafe(made(), self._loop)
        return _result(future)

    def close(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Runs `last`, ends what still runs, then the thread. A second time does nothing."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
        future = asyncio.run_coroutine_threadsafe(self._ended(last), self._loop)
        try:
            _result(future)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    async def _ended(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await last()
        await self._loop.shutdown_asyncgens()
        await self._loop.shutdown_default_executor()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()


def _result(future: Future[R]) -> R:
    try:
        return future.result()
    except CancelledError:
        raise ApiError("client_closed", "This client was closed while the call ran.") from None
    except BaseException:
        future.cancel()
        raise


class BlockingPart(Generic[T]):
    """A part of a SyncClient, in front of the async part that does the work."""

    def __init__(self, part: T, portal: Portal) -> None:
        self._part = part
        self._portal = portal


class Blocking(Generic[P, R]):
    """An async method, as one that returns when it is done."""

    def __init__(self, method: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]]) -> None:
        self._method = method
        self.__doc__ = method.__doc__

    @overload
    def __get__(self, part: None, owner: type[Any]) -> Blocking[P, R]: ...
    @overload
    def __get__(self, part: BlockingPart[Any], owner: type[Any]) -> Callable[P, R]: ...
    def __get__(self, part: BlockingPart[Any] | None, owner: type[Any]) -> Blocking[P, R] | Callable[P, R]:
        if part is None:
            return self
        method, held = self._method, part

        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            return held._portal.call(lambda: method(held._part, *args, **kwargs))

        return update_wrapper(call, method)


class Iterating(Generic[P, R]):
    """A method that returns an async iterator, as one that returns an iterator."""

    def __init__(self, method: Callable[Concatenate[Any, P], AsyncIterator[R]]) -> None:
        self._method = method
        self.__doc__ = method.__doc__

    @overload
    def __get__(self, part: None, owner: type[Any]) -> Iterating[P, R]: ...
    @overload
    def __get__(self, part: BlockingPart[Any], owner: type[Any]) -> Callable[P, Iterator[R]]: ...
    def __get__(self, part: BlockingPart[Any] | None, owner: type[Any]) -> Iterating[P, R] | Callable[P, Iterator[R]]:
        if part is None:
            return self
        method, held = self._method, part

        def call(*args: P.args, **kwargs: P.kwargs) -> Iterator[R]:
            return _each(held._portal, method(held._part, *args, **kwargs))

        return update_wrapper(call, method)


def _each(portal: Portal, items: AsyncIterator[R]) -> Iterator[R]:
    """The thread is changed once for a page, not for every item."""
    end = object()

    async def following() -> Any:
        return await anext(items, end)

    try:
        while (item := portal.call(following)) is not end:
            yield item
            while isinstance(items, Pages) and items.ready:
                yield items.ready.popleft()
    finally:
        if isinstance(items, AsyncGenerator) and not portal.closed:
            portal.call(lambda: _closed(items))


async def _closed(items: AsyncGenerator[Any, None]) -> None:
    await items.aclose()
