"""The embedded loop: calls each wake-up now and then, and at once when asked to."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Collection, Sequence
from types import TracebackType
from typing import Self

import structlog

from .engine import STOP_WITHIN, Line, Wakeup

JITTER = 0.1

log = structlog.get_logger(__name__)


class Loop:
    """The engine of a host that is one process.

    Runs each wake-up one at a time; different ones beside each other. An error ends only that run.
    """

    def __init__(self, wakeups: Sequence[Wakeup], *, stop_within: float = STOP_WITHIN) -> None:
        self._wakeups = {wakeup.name: wakeup for wakeup in wakeups}
        if len(self._wakeups) != len(wakeups):
            raise ValueError("two wake-ups have the same name")
        self._due = {name: asyncio.Event() for name in self._wakeups}
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False
        self._stop_within = stop_within

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Every wake-up runs once at once: what was due before a restart is due now."""
        if not self._tasks:
            for wakeup in self._wakeups.values():
                self._due[wakeup.name].set()
                self._tasks.append(asyncio.create_task(self._serve(wakeup), name=f"wakeup-{wakeup.name}"))

    def wake(self, name: str, lines: Collection[Line] = ()) -> None:
        """Runs it as soon as it is free, once, however often it was asked. To be called in the event loop.

        `lines` say nothing new here: what is due is found by looking.
        """
        self._due[name].set()

    async def stop(self) -> None:
        """Starts nothing more; what runs may finish within `stop_within` seconds and is cancelled then."""
        self._stopping = True
        for due in self._due.values():
            due.set()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=self._stop_within)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        self._tasks.clear()

    async def _serve(self, wakeup: Wakeup) -> None:
        due = self._due[wakeup.name]
        while True:
            await _wait(due, wakeup.every * random.uniform(1 - JITTER, 1 + JITTER))  # noqa: S311 - spreads load
            due.clear()
            if self._stopping:
                return
            try:
                await wakeup.run()
            except (Exception, asyncio.CancelledError) as error:  # the next run may go well
                if _cancelled():
                    raise
                code = getattr(error, "code", None)
                log.warning("wakeup_failed", wakeup=wakeup.name, error=type(error).__name__, code=code)


def _cancelled() -> bool:
    """Whether this task itself is to end, not only something it waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _wait(due: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await due.wait()
    except TimeoutError:
        return
