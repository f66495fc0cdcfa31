"""Another process that releases, and is told when."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Self

from bench.apps import write_app
from bench.bare import Floor
from bench.releases import Releases, Task

from assigntask.app import Platform
from assigntask.installations.directory import Directory
from assigntask.settings import Settings


class Worker:
    """Another process with a host of its own on the same database."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe

    @classmethod
    @asynccontextmanager
    async def started(
        cls, settings: Settings, apps: Path, task: Task, number: int, writers: int
    ) -> AsyncIterator[Self]:
        """It is ready when this is entered."""
        spawning = multiprocessing.get_context("spawn")
        ours, theirs = spawning.Pipe()
        process = spawning.Process(target=_serve, args=(theirs, settings, apps, task, number, writers), daemon=True)
        process.start()
        theirs.close()  # so that its end is noticed
        try:
            await asyncio.to_thread(ours.recv)
            yield cls(ours)
        finally:
            ours.close()
            await asyncio.to_thread(process.join, 30)

    async def rate(self, wanted: str, seconds: float) -> float:
        """Per second; `wanted`: "releases" or "floor"."""
        self._pipe.send((wanted, seconds))
        return float(await asyncio.to_thread(self._pipe.recv))


def _serve(pipe: Pipe, settings: Settings, apps: Path, task: Task, number: int, writers: int) -> None:
    asyncio.run(_answer(pipe, settings, apps, task, number, writers))


async def _answer(pipe: Pipe, settings: Settings, apps: Path, task: Task, number: int, writers: int) -> None:
    app = write_app(apps, "reader")
    async with Platform.open(settings, directory=Directory(lambda: [app])) as platform:
        releases = await Releases.open(platform, task, people=True, number=number)
        floor = Floor(settings.database, await releases.size(), writers)
        floor.create()
        await releases.rate(writers, 0.1)  # warm
        pipe.send("ready")
        while True:
            try:
                wanted, seconds = await asyncio.to_thread(pipe.recv)
            except EOFError:
                return
            rate = releases.rate(writers, seconds) if wanted == "releases" else asyncio.to_thread(floor.rate, seconds)
            pipe.send(await rate)
