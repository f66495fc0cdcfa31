"""Several processes on one PostgreSQL database: one that ends, dies or freezes while it tells something."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.engine import Connection

from assigntask.app import Platform
from assigntask.db import tables as t
from assigntask.installations.directory import Directory
from assigntask.jobs.work_tables import schema_name
from assigntask.people import organisations, people
from assigntask.people.facts import Doer
from assigntask.settings import Settings
from assigntask.tasks import projects
from assigntask_sdk.apps import find_app

HERE = Path(__file__).parent
PATIENCE = 40.0
HEARTBEAT = 0.3

pytestmark = pytest.mark.timeout(120)


class Worker:
    """One of the processes, by the name under which its app notes what it hears."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._logged: list[str] = []

    @classmethod
    async def open(cls, name: str, url: str, folder: Path, **given: float) -> Worker:
        usual = {"lease": 150.0, "stop_within": 0.2, "heartbeat": HEARTBEAT}
        argument = json.dumps({**usual, **given, "database": url, "folder": str(folder)})
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(HERE / "worker.py"),
            argument,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "HOLDING_FOLDER": str(folder), "HOLDING_NAME": name},
        )
        return cls(process)

    async def hear(self, event: str) -> None:
        """Until it logs that, or at once where it did: what runs beside each other is logged in either order."""
        assert self._process.stdout is not None
        if event in self._logged:
            return
        async with asyncio.timeout(PATIENCE):
            while line := await self._process.stdout.readline():
                self._logged.append(json.loads(line)["event"])
                if self._logged[-1] == event:
                    return
        raise AssertionError(f"it ended without {event}")

    async def start(self) -> None:
        assert self._process.stdin is not None
        await self.hear("opened")
        self._process.stdin.write(b"\n")
        await self.hear("started")

    def send(self, how: signal.Signals) -> None:
        self._process.send_signal(how)

    async def ended(self) -> int:
        async with asyncio.timeout(PATIENCE):
            return await self._process.wait()

    async def close(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.communicate()


class Place:
    """The host as the test itself sees it: it changes a task and looks at rows, and never tells an app anything."""

    def __init__(self, platform: Platform, url: str, folder: Path, stack: AsyncExitStack) -> None:
        self.platform, self._url, self._folder, self._stack = platform, url, folder, stack
        self.admin = Doer("", "", "admin")
        self.project = ""

    async def furnish(self) -> None:
        def unit(conn: Connection) -> Doer:
            now = self.platform.clock()
            here = organisations.create(conn, "Harbour", "UTC", now).id
            self.project = projects.create(conn, here, "Near", now=now)
            ada = people.add(conn, here, name="Ada", email="ada@harbour.example", role="admin", now=now)
            return Doer(here, ada.id, "admin")

        self.admin = await self.platform.db.write(unit)
        await self.platform.installing.install(self.admin, "holding-app")

    async def worker(self, name: str, **given: float) -> Worker:
        """It is there, but does not work yet."""
        worker = await Worker.open(name, self._url, self._folder, **given)
        self._stack.push_async_callback(worker.close)
        return worker

    async def task(self, summary: str) -> None:
        await self.platform.tasks.create(self.admin, project=self.project, summary=summary, changes={})

    def let(self, name: str) -> None:
        (self._folder / f"go {name}").touch()

    def heard(self) -> list[str]:
        path = self._folder / "heard"
        return path.read_text().splitlines() if path.exists() else []

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await asyncio.sleep(0.02)

    async def until_stalled(self) -> None:
        """No process that works has given a sign of life for long."""
        async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as conn:
            silent = sql.SQL("SELECT max(last_heartbeat) < now() - {} * interval '1 s' FROM {}").format(
                3.5 * HEARTBEAT, sql.Identifier(schema_name(), "procrastinate_workers")
            )
            async with asyncio.timeout(PATIENCE):
                while await (await conn.execute(silent)).fetchone() != (True,):
                    await asyncio.sleep(0.05)

    async def deliveries(self) -> list[Any]:
        d = t.delivery.c
        query = sa.select(d.state, d.attempts, d.done_at, d.leased_until).where(
            d.organisation_id == self.admin.organisation_id, d.hook == "task_changed"
        )
        return await self.platform.db.read(lambda conn: list(conn.execute(query.order_by(d.position))))

    async def delivered(self, count: int) -> list[Any]:
        found = await self.deliveries()
        async with asyncio.timeout(PATIENCE):
            while [row.state for row in found] != ["delivered"] * count:
                await asyncio.sleep(0.05)
                found = await self.deliveries()
        return found


@pytest.fixture
async def place(postgresql_url: str, tmp_path: Path) -> AsyncIterator[Place]:
    async with made(postgresql_url, tmp_path) as place:
        yield place


@asynccontextmanager
async def made(url: str, folder: Path) -> AsyncIterator[Place]:
    settings = Settings(url, folder / "keys", f"sqlite:///{folder / 'keys' / 'subjects.db'}", url="http://127.0.0.1:9")
    directory = Directory(lambda: [find_app(HERE / "apps" / "holding_app")])
    async with Platform.open(settings, directory=directory) as platform, AsyncExitStack() as stack:
        place = Place(platform, url, folder, stack)
        await place.furnish()
        yield place


async def test_one_that_is_stopped_politely_leaves_nothing_to_its_lease(place: Place) -> None:
    first, second = await place.worker("A"), await place.worker("B")
    await first.start()
    await place.task("one")
    await place.until(lambda: place.heard() == ["A begins one"])
    first.send(signal.SIGTERM)
    assert await first.ended() == 0
    [row] = await place.deliveries()
    assert (row.state, row.leased_until) == ("waiting", None)
    place.let("B")
    await second.start()
    await place.delivered(1)
    assert place.heard()[-2:] == ["B begins one", "B ends one"]
    second.send(signal.SIGTERM)
    assert await second.ended() == 0


async def test_what_one_told_that_was_killed_is_told_by_another_when_its_lease_is_over(place: Place) -> None:
    first, second = await place.worker("A", lease=1.0), await place.worker("B")
    await first.start()
    await place.task("one")
    await place.until(lambda: place.heard() == ["A begins one"])
    await place.task("two")
    first.send(signal.SIGKILL)
    place.let("B")
    await second.start()
    one, two = await place.delivered(2)
    assert (one.attempts, two.attempts) == (2, 1)
    assert place.heard() == ["A begins one", "B begins one", "B ends one", "B begins two", "B ends two"]


async def test_one_that_was_frozen_settles_nothing_that_another_has_told_and_works_on(place: Place) -> None:
    first, second = await place.worker("A", lease=1.0), await place.worker("B")
    await first.start()
    await place.task("one")
    await place.until(lambda: place.heard() == ["A begins one"])
    first.send(signal.SIGSTOP)
    await place.until_stalled()
    place.let("B")
    await second.start()  # and takes the first one for dead
    [told] = await place.delivered(1)
    assert told.attempts == 2
    place.let("A")
    first.send(signal.SIGCONT)
    await first.hear("delivery_overtaken")
    assert await place.deliveries() == [told]
    second.send(signal.SIGTERM)
    assert await second.ended() == 0
    await first.hear("work_interrupted")  # it is nobody any more, and begins anew
    await place.task("two")
    await place.delivered(2)
    assert place.heard()[-2:] == ["A begins two", "A ends two"]
