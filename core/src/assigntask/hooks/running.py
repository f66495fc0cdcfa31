"""Lines that are told beside each other, each by a task of its own, so that a slow one keeps no other waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from assigntask.jobs.engine import Line

log = structlog.get_logger(__name__)


class Running:
    """`drain` tells a part of what waits in a line, and whether something may be left. `at_once`: lines in a call.

    Whichever line waits for its turn gets it in the order of asking. Belongs to one event loop.
    """

    def __init__(self, drain: Callable[[Line], Awaitable[bool]], at_once: int) -> None:
        self._drain = drain
        self._at_once = at_once
        self._gap = asyncio.Semaphore(at_once)
        self._asked: set[Line] = set()
        self._tasks: dict[Line, asyncio.Task[None]] = {}
        self.closing = False

    def start(self, line: Line) -> None:
        """Has it drained from here on, once more where it is being drained already: it may have looked just before."""
        if self.closing:
            return
        self._asked.add(line)
        if line not in self._tasks:
            self._tasks[line] = asyncio.create_task(self._run(line), name=f"line-{line[1]}")

    def offer(self, line: Line) -> bool:
        """As `start`, unless as many are told as may be at once: False then, for another process may have room."""
        if line not in self._tasks and len(self._tasks) >= self._at_once:
            return False
        self.start(line)
        return True

    async def run(self, line: Line) -> None:
        """As `start`, and where it is not being drained already, waits for the end of it. Cancelled, it ends it."""
        known = line in self._tasks
        self.start(line)
        if not known and line in self._tasks:
            await self._tasks[line]

    async def close(self, seconds: float) -> None:
        """Starts nothing more. What runs may end within so many seconds, and is cancelled then."""
        self.closing = True
        running = list(self._tasks.values())
        if running:
            _, late = await asyncio.wait(running, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _run(self, line: Line) -> None:
        try:
            while line in self._asked and not self.closing:
                async with self._gap:
                    self._asked.discard(line)
                    if await self._drain(line):
                        self._asked.add(line)
        except Exception as error:  # the line is found again when somebody next looks what is due
            code = getattr(error, "code", None)
            log.warning("line_failed", installation=line[1], error=type(error).__name__, code=code)
        finally:
            self._asked.discard(line)
            del self._tasks[line]
