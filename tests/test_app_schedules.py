"""A host that runs calls apps when their schedules are due, and so does a sweep where none runs."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from assigntask.kit import open_host
from assigntask_sdk.apps import InstalledApp

BenchApp = Callable[[str], InstalledApp]


async def made(host: Any) -> int:
    return len([task async for task in host.ctx().tasks.list()])


@pytest.mark.timeout(60)
async def test_what_fell_due_while_the_host_was_down_is_made_up_for_when_it_starts(bench_app: BenchApp) -> None:
    async with open_host(bench_app("resuming_app")) as host:
        await host.drain()
        host.clock.advance(dt.timedelta(days=22))
        await host.platform.start()
        while await made(host) < 2:
            await asyncio.sleep(0.01)
        await host.platform.stop()
        await host.drain()
        assert await made(host) == 2  # three Mondays passed, and there was one run


async def test_a_sweep_starts_what_is_due(bench_app: BenchApp) -> None:
    async with open_host(bench_app("resuming_app")) as host:
        await host.drain()
        host.clock.advance(dt.timedelta(days=8))
        await host.platform.sweep()
        assert await made(host) == 2
