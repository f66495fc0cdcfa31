"""The embedded loop of wake-ups."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from assigntask.jobs.engine import Wakeup
from assigntask.jobs.loop import Loop


async def until(condition: asyncio.Event) -> None:
    async with asyncio.timeout(5):
        await condition.wait()


async def test_what_was_due_before_the_start_runs_at_once() -> None:
    ran = asyncio.Event()

    async def work() -> None:
        ran.set()

    async with Loop([Wakeup("work", 3600, work)]):
        await until(ran)


async def test_it_runs_again_after_its_interval() -> None:
    runs, third = 0, asyncio.Event()

    async def work() -> None:
        nonlocal runs
        runs += 1
        if runs == 3:
            third.set()

    async with Loop([Wakeup("work", 0.01, work)]):
        await until(third)


async def test_waking_runs_it_at_once_and_once() -> None:
    runs, first, second = 0, asyncio.Event(), asyncio.Event()

    async def work() -> None:
        nonlocal runs
        runs += 1
        (first if runs == 1 else second).set()

    async with Loop([Wakeup("work", 3600, work)]) as loop:
        await until(first)
        for _ in range(5):
            loop.wake("work")
        await until(second)
        await asyncio.sleep(0)
    assert runs == 2


async def test_a_wake_during_a_run_is_not_lost_and_runs_do_not_overlap() -> None:
    running = most = runs = 0
    go, begun, twice = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        nonlocal running, most, runs
        running += 1
        most = max(most, running)
        begun.set()
        await go.wait()
        running -= 1
        runs += 1
        if runs == 2:
            twice.set()

    async with Loop([Wakeup("work", 3600, work)]) as loop:
        await until(begun)
        loop.wake("work")
        go.set()
        await until(twice)
    assert most == 1


async def test_an_error_ends_that_run_alone_and_is_logged_without_its_words() -> None:
    runs, again, other = 0, asyncio.Event(), asyncio.Event()

    async def failing() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise ValueError("ada@example.org")
        if runs == 2:
            raise asyncio.CancelledError  # something that it waited for was cancelled
        again.set()

    async def fine() -> None:
        other.set()

    with capture_logs() as logged:
        async with Loop([Wakeup("failing", 0.01, failing), Wakeup("fine", 3600, fine)]):
            await until(again)
            await until(other)
    assert [entry["error"] for entry in logged] == ["ValueError", "CancelledError"]
    assert "ada@example.org" not in str(logged)


async def test_stopping_lets_what_runs_finish() -> None:
    begun, finished = asyncio.Event(), False

    async def work() -> None:
        nonlocal finished
        begun.set()
        await asyncio.sleep(0.05)
        finished = True

    async with Loop([Wakeup("work", 3600, work)]):
        await until(begun)
    assert finished


async def test_stopping_does_not_wait_for_ever() -> None:
    begun = asyncio.Event()

    async def work() -> None:
        begun.set()
        await asyncio.Event().wait()

    loop = Loop([Wakeup("work", 3600, work)], stop_within=0.05)
    await loop.start()
    await until(begun)
    async with asyncio.timeout(5):
        await loop.stop()


async def test_two_wake_ups_of_one_name_are_refused() -> None:
    async def work() -> None: ...

    with pytest.raises(ValueError, match="same name"):
        Loop([Wakeup("work", 1, work), Wakeup("work", 2, work)])
