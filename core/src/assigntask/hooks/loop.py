"""The event loop of in-process apps, in a thread of its own, replaced when an app blocks it.

A call is late when its time is up. The thread is then asked for a sign of life. If it gives none, the
call that holds it (its task, or a task it started) is to blame: the lane (thread and loop) is retired, a
new one starts with the next call, and the calls of others are run again there, once. The culprit keeps
its lane until its own time is up.

What is run by an app through `loop.call_soon` has no task and can't be told apart; then nobody is blamed
and the late call counts as timed out. Code that keeps the interpreter's lock without ever giving it back
(a runaway regular expression) stops the host as well: apps in this process are trusted.
"""

from __future__ import annotations

import asyncio
import ctypes
import itertools
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import Context, ContextVar
from typing import Any, Generic, TypeVar, cast
from weakref import WeakSet

import structlog

from .span import Span

T = TypeVar("T")
Make = Callable[[Span], Coroutine[Any, Any, T]]

GRACE = 0.5
"""Seconds that the thread has for a sign of life."""
SIGN = 0.05
"""Seconds within which a free thread gives it; if it takes longer, somebody held the thread."""
ATTEMPTS = 2

log = structlog.get_logger(__name__)


class LoopError(Exception):
    """The call has no answer. `TimedOut`, `Blocked` and `HeldUp` say why."""


class TimedOut(LoopError):
    """Its time was up; the thread was free."""


class Blocked(LoopError):
    """Its time was up and it held the thread."""


class HeldUp(LoopError):
    """Others held the thread, twice."""


class Closed(LoopError):
    """The apps' loop is closed."""


class _Moved(Exception):
    """To be run again on another lane."""


class _Interrupted(BaseException):
    """Raised inside a thread that nobody waits for any more."""


_CALL: ContextVar[_Call[Any] | None] = ContextVar("call", default=None)


class _AppTask(asyncio.Task[T]):
    call: _Call[Any] | None = None


def _app_task(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> asyncio.Future[Any]:
    task = _AppTask(coro, loop=loop, **options)
    context: Context | None = options.get("context")
    task.call = context.get(_CALL) if context is not None else _CALL.get()
    if task.call is not None:
        task.call.tasks.add(task)
    return task


class _Call(Generic[T]):
    """One attempt. `tasks` belongs to the lane's thread, the rest to the host's loop."""

    def __init__(self, make: Make[T], who: str) -> None:
        self._make = make
        self._host = asyncio.get_running_loop()
        self.who = who
        self.span = Span()
        self.tasks: WeakSet[asyncio.Task[Any]] = WeakSet()
        # A loop alone does not keep a task that waits from being collected.
        self._root: asyncio.Task[None] | None = None
        self.outcome: asyncio.Future[tuple[T | None, BaseException | None]] = self._host.create_future()

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        if self.span.over:
            return
        context = Context()  # nothing of the host's own context variables is visible to the app
        context.run(_CALL.set, self)
        self._root = loop.create_task(self._run(), context=context)

    async def _run(self) -> None:
        value: T | None = None
        failure: BaseException | None = None
        try:
            value = await self._make(self.span)
        except BaseException as error:  # SystemExit too: it must not end the apps' thread
            if isinstance(error, GeneratorExit) and self._left_behind():
                raise
            failure = error
        self.cancel(but=asyncio.current_task())
        with suppress(RuntimeError):  # the host's loop is closed
            self._host.call_soon_threadsafe(self.settle, value, failure)

    def _left_behind(self) -> bool:
        """Whether this is thrown away together with a loop that was given up: nobody waits for it any more."""
        try:
            return self._root is None or asyncio.get_running_loop() is not self._root.get_loop()
        except RuntimeError:
            return True

    def cancel(self, but: asyncio.Task[Any] | None = None) -> None:
        """Nothing that an app starts outlives its call."""
        for task in tuple(self.tasks):
            if task is not but and not task.done():
                task.cancel()

    def settle(self, value: T | None, failure: BaseException | None) -> None:
        if not self.outcome.done():
            self.outcome.set_result((value, failure))

    def result(self) -> T:
        value, failure = self.outcome.result()
        if isinstance(failure, asyncio.CancelledError):
            raise RuntimeError("the app cancelled its own call") from failure
        if failure is not None:
            raise failure
        return cast(T, value)


class _Lane:
    """A thread with a loop. `calls` and `retired` belong to the host's loop."""

    def __init__(self, name: str) -> None:
        self.calls: set[_Call[Any]] = set()
        self.retired = False
        self._stopping = False
        self._loop = asyncio.new_event_loop()
        self._loop.set_task_factory(_app_task)
        self._loop.set_exception_handler(_unhandled)
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    def submit(self, function: Callable[..., None], *arguments: Any) -> bool:
        """False when the lane has ended."""
        try:
            self._loop.call_soon_threadsafe(function, *arguments, context=Context())
        except RuntimeError:
            return False
        return True

    def start(self, call: _Call[Any]) -> bool:
        return self.submit(call.start, self._loop)

    def running(self) -> _Call[Any] | None:
        """Whose code holds the thread at this moment."""
        task = asyncio.current_task(self._loop)
        return task.call if isinstance(task, _AppTask) else None

    async def answers(self, within: float) -> bool:
        """Whether the thread gives a sign of life within so many seconds."""
        host = asyncio.get_running_loop()
        sign: asyncio.Future[None] = host.create_future()

        def give() -> None:
            with suppress(RuntimeError):
                host.call_soon_threadsafe(_give, sign)

        if not self.submit(give):
            return False
        await asyncio.wait((sign,), timeout=within)
        return sign.done()

    def stop(self) -> None:
        self.submit(self._stop)

    def join(self, within: float) -> None:
        self._thread.join(within)

    def interrupt(self) -> None:
        """Ends code that would otherwise hold a core for ever. What waits inside C ends when it returns."""
        if self._thread.ident is not None and self._thread.is_alive():
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(self._thread.ident), ctypes.py_object(_Interrupted)
            )

    def _stop(self) -> None:
        self._stopping = True
        self._loop.stop()

    def _serve(self) -> None:
        while not self._stopping:
            try:
                self._loop.run_forever()
            except BaseException as error:  # a task that an app left behind ended the loop, not the lane
                log.warning("apps_loop_interrupted", error=type(error).__name__)
        try:
            left = asyncio.all_tasks(self._loop)
            for task in left:
                task.cancel()
            if left:
                self._loop.run_until_complete(asyncio.wait(left, timeout=1))
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        except BaseException as error:  # whatever it was, the thread ends here
            log.warning("apps_loop_interrupted", error=type(error).__name__)
        finally:
            self._loop.close()


def _give(sign: asyncio.Future[None]) -> None:
    if not sign.done():
        sign.set_result(None)


def _unhandled(loop: asyncio.AbstractEventLoop, facts: dict[str, Any]) -> None:
    """The default handler writes values of an app's variables into the log."""
    error, task = facts.get("exception"), facts.get("task") or facts.get("future")
    call = task.call if isinstance(task, _AppTask) else None
    log.warning("app_task_failed", app=call.who if call else None, error=type(error).__name__ if error else None)


class AppLoop:
    """`run` may be called from any event loop of the host; threads start with the first call."""

    def __init__(self, *, grace: float = GRACE) -> None:
        self._grace = grace
        self._lane: _Lane | None = None
        self._lanes: WeakSet[_Lane] = WeakSet()
        self._numbers = itertools.count(1)
        self._closed = False

    async def run(self, make: Make[T], *, limit: float, who: str = "") -> T:
        """Runs the coroutine on the apps' loop, for at most `limit` seconds.

        `who` names the app in the log. Raises TimedOut, Blocked, HeldUp, Closed, or what the coroutine raised.
        """
        for _ in range(ATTEMPTS):
            with suppress(_Moved):
                return await self._attempt(make, limit, who)
        raise HeldUp(f"other apps held the thread {ATTEMPTS} times")

    async def close(self) -> None:
        """Cancels all calls and waits a moment for the threads; one that is blocked is left behind."""
        self._closed = True
        self._lane = None
        for lane in tuple(self._lanes):
            lane.retired = True
            for call in tuple(lane.calls):
                call.settle(None, Closed("the host is shutting down"))
            lane.stop()
        await asyncio.gather(*(asyncio.to_thread(lane.join, 4 * self._grace) for lane in self._lanes))
        for lane in tuple(self._lanes):
            lane.interrupt()

    def _current(self) -> _Lane:
        if self._closed:
            raise Closed("the apps' loop is closed")
        if self._lane is None:
            self._lane = _Lane(f"assigntask-apps-{next(self._numbers)}")
            self._lanes.add(self._lane)
        return self._lane

    async def _attempt(self, make: Make[T], limit: float, who: str) -> T:
        lane = self._current()
        call = _Call(make, who)
        lane.calls.add(call)
        try:
            if not lane.start(call):
                self._retire(lane, None)
                raise _Moved
            await asyncio.wait((call.outcome,), timeout=limit)
            if not call.outcome.done():
                await self._late(lane, call)
            return call.result()
        finally:
            lane.calls.discard(call)
            if not call.outcome.done() or call.outcome.result()[1] is not None:
                lane.submit(call.cancel)
            call.span.end()
            if lane.retired and not lane.calls:
                lane.stop()

    async def _late(self, lane: _Lane, call: _Call[Any]) -> None:
        """Finds out why there is no answer, and raises it."""
        suspect = lane.running()
        asked = time.monotonic()
        free = await lane.answers(self._grace)
        if call.outcome.done() and isinstance(call.outcome.result()[1], _Moved | Closed):
            return
        if free:
            if suspect in (None, call) or time.monotonic() - asked < SIGN:
                raise TimedOut
            raise _Moved
        culprit = lane.running()
        self._retire(lane, culprit)
        if culprit is None:
            raise TimedOut
        if culprit is call or culprit.span.over:
            lane.interrupt()
        if culprit is call:
            raise Blocked
        raise _Moved

    def _retire(self, lane: _Lane, culprit: _Call[Any] | None) -> None:
        if lane.retired:
            return
        log.warning("apps_loop_replaced", held_by=culprit.who if culprit else None)
        lane.retired = True
        if self._lane is lane:
            self._lane = None
        for call in lane.calls - {culprit} if culprit else set(lane.calls):
            call.settle(None, _Moved())
