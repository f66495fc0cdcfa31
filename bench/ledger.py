"""How many first-time releases a second get through, each durable before it is answered."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from bench.apps import write_app
from bench.bare import Floor
from bench.measure import Turn, compared, interleaved, tell
from bench.place import furnished, settings_for
from bench.postgresql import postgresql
from bench.releases import Releases, Task
from bench.worker import Worker

from assigntask.app import Platform
from assigntask.settings import Settings

TURN = 0.6
SECONDS = 8.0
WITH_PEOPLE, WITHOUT = "with people", "without people"
PROCESSES = 4
TASKS = 16
TASKS_EACH = 8
"""In each of the processes: a stock PostgreSQL takes 100 connections, and both sides need theirs."""


async def run(folder: Path) -> None:
    """SQLite, then PostgreSQL with one process, then with several that write for one organisation."""
    app = write_app(folder / "apps", "reader")
    on_disk = settings_for(folder / "ledger")
    async with furnished(on_disk, [app]) as place:
        [installation] = await place.install([app])
        task = Task(place.organisation_id, installation, place.tasks[0])
        await _alone(place.platform, on_disk, task, "sqlite", shared=True)
    with postgresql() as url:
        served = settings_for(folder / "served", url)
        async with furnished(served, [app]) as place:
            [installation] = await place.install([app])
            task = Task(place.organisation_id, installation, place.tasks[0])
            await _alone(place.platform, served, task, "postgresql, 1 process")
        await _together(served, folder / "apps", task)


async def _alone(platform: Platform, settings: Settings, task: Task, where: str, *, shared: bool = False) -> None:
    """One process. `shared`: also against one connection that has the database to itself."""
    for people in (WITH_PEOPLE, WITHOUT):
        releases = await Releases.open(platform, task, people=people == WITH_PEOPLE)
        size = await releases.size()
        floors = {"own": Floor(settings.database, size, TASKS)}
        if shared:
            floors["shared"] = Floor(settings.database, size, TASKS, shared=True)
        sides: dict[str, Turn] = {"ours": _turn_of(releases, TASKS)}
        for name, floor in floors.items():
            floor.create()
            sides[name] = _turn_of_floor(floor)
        found = await interleaved(sides, seconds=SECONDS)
        name = f"ledger first, {where} × {TASKS} tasks, {people}"
        for kind in floors:
            measure = f"{name}, one connection" if kind == "shared" else name
            tell(compared(measure, found["ours"], found[kind], rate=True), found["ours"], found[kind])


async def _together(settings: Settings, apps: Path, task: Task) -> None:
    """Several processes, one organisation, one installation."""
    async with AsyncExitStack() as stack:
        workers = [
            await stack.enter_async_context(Worker.started(settings, apps, task, number, TASKS_EACH))
            for number in range(PROCESSES)
        ]

        async def sum_of(wanted: str) -> float:
            return sum(await asyncio.gather(*(worker.rate(wanted, TURN) for worker in workers)))

        async def ours() -> float:
            return await sum_of("releases")

        async def peer() -> float:
            return await sum_of("floor")

        found = await interleaved({"ours": ours, "peer": peer}, seconds=SECONDS)
    name = f"ledger first, postgresql, {PROCESSES} processes × {TASKS_EACH} tasks, 1 organisation, {WITH_PEOPLE}"
    tell(compared(name, found["ours"], found["peer"], rate=True), found["ours"], found["peer"])


def _turn_of(releases: Releases, writers: int) -> Turn:
    async def turn() -> float:
        return await releases.rate(writers, TURN)

    return turn


def _turn_of_floor(floor: Floor) -> Turn:
    async def turn() -> float:
        return await asyncio.to_thread(floor.rate, TURN)

    return turn
