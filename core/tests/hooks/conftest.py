"""A whole host but for its pages: one organisation, real apps from `tests/apps`, a clock that tests move."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.actions.checklists import ChecklistActions
from assigntask.actions.forgetting import Forgetting
from assigntask.actions.objections import Objections
from assigntask.actions.tasks import TaskActions
from assigntask.context.access import Services
from assigntask.context.factory import ContextFactory
from assigntask.context.storage import InstallationStore
from assigntask.db import Database
from assigntask.db import tables as t
from assigntask.gate.gate import Gate
from assigntask.grants.grant import Actor, Grant
from assigntask.grants.grants import Grants
from assigntask.hooks import problems
from assigntask.hooks.events import Events
from assigntask.hooks.loop import AppLoop
from assigntask.hooks.notices import Notices
from assigntask.hooks.proxy import Proxies
from assigntask.hooks.questions import Questions
from assigntask.hooks.registry import Registry
from assigntask.installations.directory import Directory
from assigntask.installations.installing import Installing
from assigntask.installations.leaving import Leaving
from assigntask.installations.upgrading import Upgrading
from assigntask.ledger.keys import KeyRing
from assigntask.ledger.ledger import Ledger
from assigntask.ledger.subjects import SubjectKeys
from assigntask.people import organisations, people
from assigntask.people.facts import Doer
from assigntask.tasks import projects, tasks
from assigntask.tasks.facts import TaskFacts
from assigntask_sdk.apps import find_app
from assigntask_sdk.records import Due

APPS = Path(__file__).parent.parent / "apps"
START = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
TODAY = START.date()


class World:
    """`ids` by name: people, projects, apps' installations."""

    def __init__(self, db: Database, folder: Path, *, limits: Mapping[str, float], strict: bool = False) -> None:
        self.db, self.now = db, START
        self.apps: dict[str, Any] = {}
        self.ids: dict[str, str] = {}
        keys = KeyRing.open(folder / "keys", {})
        self.sealing = SubjectKeys(f"sqlite:///{folder / 'subjects.db'}", keys)
        self.ledger = Ledger(db, keys, self.sealing, self.clock)
        self.gate = Gate(db, self.ledger, self.clock)
        self.grants = Grants(db, keys.pairwise())
        self.loop = AppLoop(grace=0.15)
        self.registry = Registry(lambda app_id: self.apps[app_id])
        self.proxies = Proxies(db, self.loop, self.registry, self.clock, limits=limits)
        self.questions = Questions(db, self.gate, self.grants, self.proxies, self.clock, strict=strict)
        self.actions = TaskActions(db, self.questions, self.clock)
        services = Services(
            db,
            self.gate,
            self.grants,
            self.actions,
            self.sealing,
            self.clock,
            self.questions.refresh,
            ChecklistActions(db, self.questions, self.clock),
        )
        self.contexts = ContextFactory(services, problems, Events(db, self.gate, self.grants))
        self.proxies.connect(self.contexts)
        self.notices = Notices(db, self.gate, self.grants, self.proxies, self.ledger, self.clock)
        self.objections = Objections(db, self.ledger, self.clock)
        self.forgetting = Forgetting(db, self.ledger, self.sealing, self.clock)
        directory = Directory(lambda: list(self.apps.values()))
        parts = (db, directory, self.ledger, self.clock)
        self.installing, self.leaving, self.upgrading = Installing(*parts), Leaving(*parts), Upgrading(*parts)

    def clock(self) -> dt.datetime:
        return self.now

    def later(self, **span: float) -> None:
        self.now += dt.timedelta(**span)

    async def close(self) -> None:
        await self.loop.close()
        await self.ledger.close()
        self.sealing.close()

    async def furnish(self) -> None:
        def unit(conn: Connection) -> None:
            here = self.ids["here"] = organisations.create(conn, "Harbour", "UTC", START).id
            for name in ("near", "far"):
                self.ids[name] = projects.create(conn, here, name, now=START)
            for name, role in (("ada", "admin"), ("ben", "member"), ("cem", "member")):
                email = f"{name}@harbour.example"
                self.ids[name] = people.add(
                    conn,
                    here,
                    name=name.title(),
                    email=email,
                    user_name=name,
                    role=role,
                    now=START,  # type: ignore[arg-type]
                ).id

        await self.db.write(unit)

    def doer(self, name: str = "ada") -> Doer:
        return Doer(self.ids["here"], self.ids[name], "admin" if name == "ada" else "member")

    def offer(self, name: str, folder: Path = APPS) -> Any:
        app = find_app(folder / name)
        self.apps[app.id] = app
        return app

    async def install(self, name: str, **options: Any) -> str:
        """The installation's id."""
        app = self.offer(name)
        installed = await self.installing.install(self.doer(), app.id, **options)
        self.ids[name] = installed.id
        return str(installed.id)

    async def grant(self, name: str, actor: Actor | None = None) -> Grant:
        actor = actor or Actor.installation()
        return await self.grants.current(self.ids["here"], self.ids[name], actor, any_state=True)

    async def task(self, summary: str, *, by: str = "ada", project: str = "near", **changes: Any) -> TaskFacts:
        changes.setdefault("due", Due(TODAY))
        return await self.actions.create(
            self.doer(by),
            project=self.ids[project],
            summary=summary,
            changes=changes,  # type: ignore[arg-type]
        )

    async def edit(self, task: TaskFacts, *, by: str = "ada", **changes: Any) -> TaskFacts:
        return await self.actions.edit(self.doer(by), task.id, changes)  # type: ignore[arg-type]

    async def project(self, name: str = "near") -> Any:
        return await self.db.read(projects.get, self.ids["here"], self.ids[name])

    async def read(self, task: TaskFacts) -> TaskFacts:
        found = await self.db.read(tasks.get, self.ids["here"], task.id)
        assert found is not None
        return found

    async def heard(self, name: str = "listening_app") -> list[Any]:
        """What the listening app wrote down: kind and words, in order."""
        where = {"organisation_id": self.ids["here"], "installation_id": self.ids[name]}
        store = InstallationStore(self.db, self.sealing, **where)
        return [[entry.value[0], entry.value[2]] async for _, entry in store.scan("heard/")]  # type: ignore[index]

    async def lines(self, name: str = "listening_app") -> list[tuple[str, str]]:
        """Hook and state of every delivery, in order."""

        def unit(conn: Connection) -> list[tuple[str, str]]:
            query = sa.select(t.delivery.c.hook, t.delivery.c.state).where(
                t.delivery.c.organisation_id == self.ids["here"], t.delivery.c.installation_id == self.ids[name]
            )
            return [(row.hook, row.state) for row in conn.execute(query.order_by(t.delivery.c.position))]

        return await self.db.read(unit)

    async def problems(self, name: str) -> dict[str, Any]:
        found = await self.db.read(problems.listed, self.ids["here"], self.ids[name])
        return {problem.key: problem for problem in found}

    async def released(self, name: str, channels: Collection[str]) -> list[frozenset[str]]:
        """The details of each release to an app on these channels, oldest first."""
        given = await self.ledger.given(self.ids["here"])
        mine = [one for one in given if one.kind == "release" and one.installation == self.ids[name]]
        return [frozenset(one.details) for one in mine if one.channel in channels]


@pytest.fixture(autouse=True)
def imports() -> Iterator[None]:
    """Nothing that a test imports stays."""
    modules, path = set(sys.modules), list(sys.path)
    yield
    for name in set(sys.modules) - modules:
        if "_app" in name:
            del sys.modules[name]
    sys.path[:] = path


@pytest.fixture
def limits() -> dict[str, float]:
    """Generous: only tests of what is late shorten them."""
    return {"task_saving": 10, "task_badges": 10, "board_panel": 10, "task_panel": 10}


@pytest.fixture
async def world(database: Database, tmp_path: Path, limits: dict[str, float]) -> AsyncIterator[World]:
    made = World(database, tmp_path, limits=limits)
    await made.furnish()
    yield made
    await made.close()
