"""The apps' loop: time limits, a blocked thread, calls that are run again, and nothing that outlives its call."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sys
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from assigntask.hooks.loop import AppLoop, Blocked, Closed, HeldUp, TimedOut, _Call
from assigntask.hooks.span import Span

HOST_SECRET: contextvars.ContextVar[str] = contextvars.ContextVar("host_secret", default="nothing")


@pytest.fixture
async def loop() -> AsyncIterator[AppLoop]:
    running = AppLoop(grace=0.15)
    yield running
    await running.close()


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("assigntask-apps")}


async def test_a_call_runs_in_a_thread_of_its_own_and_its_value_comes_back(loop: AppLoop) -> None:
    async def call(span: Span) -> str:
        await asyncio.sleep(0)
        return threading.current_thread().name

    assert await loop.run(call, limit=1) in threads()


async def test_what_a_call_raises_comes_through(loop: AppLoop) -> None:
    async def call(span: Span) -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        await loop.run(call, limit=1)


async def test_a_call_that_waits_too_long_times_out_and_is_cancelled(loop: AppLoop) -> None:
    cancelled = threading.Event()

    async def call(span: Span) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    with pytest.raises(TimedOut):
        await loop.run(call, limit=0.4)
    assert await asyncio.to_thread(cancelled.wait, 2)


async def test_a_call_that_waits_for_what_nobody_holds_is_not_collected(loop: AppLoop) -> None:
    async def call(span: Span) -> None:
        await asyncio.Event().wait()

    waiting = asyncio.create_task(loop.run(call, limit=0.3))
    while not waiting.done():
        gc.collect()
        await asyncio.sleep(0.01)
    assert isinstance(waiting.exception(), TimedOut)


async def test_a_call_that_ignores_being_cancelled_does_not_hold_up_the_next(loop: AppLoop) -> None:
    async def stubborn(span: Span) -> None:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if span.over:
                    continue

    async def other(span: Span) -> int:
        return 7

    with pytest.raises(TimedOut):
        await loop.run(stubborn, limit=0.4)
    assert await loop.run(other, limit=1) == 7


async def test_a_call_that_holds_the_thread_is_blamed_and_a_new_thread_starts(loop: AppLoop) -> None:
    async def blocking(span: Span) -> None:
        time.sleep(1.5)

    async def other(span: Span) -> str:
        return threading.current_thread().name

    first = await loop.run(other, limit=1)
    with pytest.raises(Blocked):
        await loop.run(blocking, limit=0.3, who="culprit")
    assert await loop.run(other, limit=1) != first


async def test_a_task_that_the_call_started_is_blamed_on_the_call(loop: AppLoop) -> None:
    async def blocking(span: Span) -> None:
        async def child() -> None:
            time.sleep(1.5)

        await asyncio.gather(child(), asyncio.sleep(0))

    with pytest.raises(Blocked):
        await loop.run(blocking, limit=0.3)


async def test_calls_of_others_on_a_blocked_thread_are_run_again_and_answer(loop: AppLoop) -> None:
    started = 0
    held = threading.Event()

    async def blocking(span: Span) -> None:
        held.set()
        time.sleep(1.5)

    async def innocent(span: Span) -> str:
        nonlocal started
        started += 1
        if started == 1:
            await asyncio.to_thread(held.wait, 2)
            await asyncio.sleep(0)
        return threading.current_thread().name

    patient = asyncio.create_task(loop.run(innocent, limit=5))
    while not started:
        await asyncio.sleep(0.001)
    culprit = asyncio.create_task(loop.run(blocking, limit=0.3))
    with pytest.raises(Blocked):
        await culprit
    assert await patient in threads()
    assert started == 2


async def test_a_call_held_up_twice_is_told_so_and_not_blamed(loop: AppLoop) -> None:
    innocent_starts: asyncio.Queue[None] = asyncio.Queue()
    host = asyncio.get_running_loop()

    async def blocking(span: Span) -> None:
        time.sleep(1.2)

    async def innocent(span: Span) -> None:
        host.call_soon_threadsafe(innocent_starts.put_nowait, None)
        await asyncio.sleep(0.25)

    async def hold() -> None:
        await innocent_starts.get()
        with pytest.raises(Blocked):
            await loop.run(blocking, limit=0.3)

    outcome, *_ = await asyncio.gather(loop.run(innocent, limit=0.6), hold(), hold(), return_exceptions=True)
    assert isinstance(outcome, HeldUp)


async def test_a_slow_step_within_its_own_limit_still_answers_after_others_moved_away(loop: AppLoop) -> None:
    """A long computation of a report is no block, even where a call with a short limit had to go elsewhere."""

    async def report(span: Span) -> str:
        time.sleep(1.0)
        return "report"

    async def badges(span: Span) -> str:
        return "badges"

    slow = asyncio.create_task(loop.run(report, limit=5))
    await asyncio.sleep(0.05)
    assert await loop.run(badges, limit=0.2) == "badges"
    assert not slow.done()
    assert await slow == "report"


async def test_code_that_never_gives_the_thread_back_is_interrupted(loop: AppLoop) -> None:
    async def spinning(span: Span) -> None:
        while True:
            pass

    before = threads()
    with pytest.raises(Blocked):
        await loop.run(spinning, limit=0.3)
    for _ in range(400):
        if threads() <= before:
            break
        await asyncio.sleep(0.01)
    assert threads() <= before


async def test_a_call_that_tries_to_end_the_process_fails_alone(loop: AppLoop) -> None:
    async def leaving(span: Span) -> None:
        sys.exit(3)

    async def leaving_in_a_child(span: Span) -> None:
        async def child() -> None:
            sys.exit(3)

        task = asyncio.create_task(child())
        await asyncio.wait([task])

    async def other(span: Span) -> int:
        return 7

    with pytest.raises(SystemExit):
        await loop.run(leaving, limit=1)
    await loop.run(leaving_in_a_child, limit=1)
    assert await loop.run(other, limit=1) == 7


async def test_a_call_that_cancels_itself_fails_instead_of_cancelling_the_host(loop: AppLoop) -> None:
    async def call(span: Span) -> None:
        raise asyncio.CancelledError

    with pytest.raises(RuntimeError, match="cancelled its own call"):
        await loop.run(call, limit=1)


async def test_what_a_call_starts_ends_with_it(loop: AppLoop) -> None:
    ended = threading.Event()

    async def call(span: Span) -> None:
        async def child() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        task = asyncio.create_task(child())
        await asyncio.sleep(0)
        assert not task.done()

    await loop.run(call, limit=1)
    assert await asyncio.to_thread(ended.wait, 2)


async def test_cancelling_the_caller_cancels_the_call(loop: AppLoop) -> None:
    begun, cancelled = threading.Event(), threading.Event()

    async def call(span: Span) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    caller = asyncio.create_task(loop.run(call, limit=30))
    assert await asyncio.to_thread(begun.wait, 2)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert await asyncio.to_thread(cancelled.wait, 2)


async def test_the_hosts_context_variables_are_not_visible_to_apps(loop: AppLoop) -> None:
    HOST_SECRET.set("a connection")

    async def call(span: Span) -> str:
        return HOST_SECRET.get()

    assert await loop.run(call, limit=1) == "nothing"


async def test_many_calls_run_beside_each_other(loop: AppLoop) -> None:
    async def call(span: Span) -> int:
        await asyncio.sleep(0.1)
        return 1

    started = time.monotonic()
    assert sum(await asyncio.gather(*(loop.run(call, limit=5) for _ in range(50)))) == 50
    assert time.monotonic() - started < 2


async def test_after_close_nothing_is_called_and_waiting_calls_end() -> None:
    loop = AppLoop(grace=0.1)
    begun = threading.Event()

    async def call(span: Span) -> None:
        begun.set()
        await asyncio.Event().wait()

    waiting = asyncio.create_task(loop.run(call, limit=30))
    assert await asyncio.to_thread(begun.wait, 2)
    await loop.close()
    with pytest.raises(Closed):
        await waiting
    with pytest.raises(Closed):
        await loop.run(call, limit=1)
    assert not threads()


async def test_close_does_not_wait_for_a_blocked_thread() -> None:
    loop = AppLoop(grace=0.05)
    begun, released = threading.Event(), threading.Event()

    async def call(span: Span) -> None:
        begun.set()
        released.wait(3)

    waiting: asyncio.Task[Any] = asyncio.create_task(loop.run(call, limit=30))
    assert await asyncio.to_thread(begun.wait, 2)
    started = time.monotonic()
    await loop.close()
    assert time.monotonic() - started < 1
    released.set()
    with pytest.raises(Closed):
        await waiting


def test_a_call_that_is_thrown_away_with_its_loop_raises_nothing() -> None:
    async def wait(span: Span) -> None:
        await asyncio.Event().wait()

    async def made() -> _Call[None]:
        return _Call(wait, "an-app")

    call = asyncio.run(made())
    lane = asyncio.new_event_loop()
    call.start(lane)
    lane.run_until_complete(asyncio.sleep(0))
    assert call._root is not None
    call._root.get_coro().close()  # what the collector does with it; in no loop
    assert not call.outcome.done()
    call._root.cancel()
    lane.run_until_complete(asyncio.wait([call._root]))
    assert call._root.exception() is not None
    lane.close()
