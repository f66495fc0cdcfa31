"""A host without hooks: two organisations, a few people, and a directory whose apps a test can change."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import Database
from assigntask.db import tables as t
from assigntask.installations import installations
from assigntask.installations.directory import Directory
from assigntask.installations.installations import Installation
from assigntask.installations.installing import Installing
from assigntask.installations.leaving import Leaving
from assigntask.installations.settings import Settings
from assigntask.installations.upgrading import Upgrading
from assigntask.ledger.keys import KeyRing
from assigntask.ledger.ledger import Ledger
from assigntask.ledger.subjects import SubjectKeys
from assigntask.people import organisations, people
from assigntask.people.facts import Doer, PersonFacts
from assigntask.tasks import projects
from assigntask_sdk.apps import InstalledApp
from assigntask_sdk.manifest import Manifest

START = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)

REQUIRED = {"tasks:read": "to look at due dates"}
OPTIONAL = {"people:name": "to greet people", "tasks:guard": "to refuse tasks without a due date"}
HOOKS: Mapping[str, Sequence[str]] = {
    "installed": [],
    "uninstalling": [],
    "upgraded": [],
    "person_forgotten": [],
    "person_withdrawn": [],
    "task_changed": ["task.due", "person.name"],
    "task_saving": ["task.due"],
    "task_badges": ["task.due", "task.summary"],
}


def manifest(version: str = "1.0.0", **changes: Any) -> Manifest:
    """The manifest of `due-guard`, with other values where they are given."""
    body: dict[str, Any] = {
        "sdk": 1,
        "id": "due-guard",
        "name": "Due Guard",
        "version": version,
        "vendor": {
            "name": "Acme Tools",
            "contact": "help@acme.example",
            "privacy": "https://acme.example/privacy",
            "country": "NL",
        },
        "scopes": {"required": REQUIRED, "optional": OPTIONAL},
        "contacts": {"installer": ["person.email"], "technical": ["person.name", "person.email"]},
        "hooks": HOOKS,
        "settings": {"grace_days": {"type": "number", "label": "Days of grace", "default": 0}},
        "person_settings": {"quiet": {"type": "check", "label": "Tell me nothing", "default": False}},
        "retention_days": 30,
    }
    return Manifest.model_validate({**body, **changes})


def packaged(
    of: Manifest, *, distribution: str = "acme-due-guard", content: str = "first", editable: bool = False
) -> InstalledApp:
    return InstalledApp(
        id=of.id,
        package=of.id.replace("-", "_"),
        directory=None,
        distribution=distribution,
        distribution_version=of.version,
        content_digest=f"sha256:{hashlib.sha256(content.encode()).hexdigest()}",
        editable=editable,
        manifest=of,
        error=None,
    )


TABLES = t.metadata.sorted_tables


def rows_of(conn: Connection, table: sa.Table, columns: Sequence[str] = ()) -> list[Any]:
    chosen = [table.c[name] for name in columns] or list(table.c)
    found = conn.execute(sa.select(*chosen).order_by(*table.primary_key)).all()
    return [row[0] if len(columns) == 1 else tuple(row) for row in found]


@dataclass
class House:
    db: Database
    ledger: Ledger
    keys: SubjectKeys
    now: dt.datetime = START
    apps: list[InstalledApp] = field(default_factory=list)
    people: dict[str, PersonFacts] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)  # names of organisations and projects

    def __post_init__(self) -> None:
        directory = Directory(lambda: self.apps)
        parts = (self.db, directory, self.ledger, lambda: self.now)
        self.directory = directory
        self.installing, self.upgrading, self.leaving = Installing(*parts), Upgrading(*parts), Leaving(*parts)
        self.settings = Settings(self.db, lambda: self.now)

    async def fill(self) -> None:
        def run(conn: Connection) -> None:
            for name in ("Harbour", "Quay"):
                organisation = organisations.create(conn, name, "Europe/Amsterdam", START).id
                self.ids[name] = organisation
                for project in ("Ships", "Cranes"):
                    self.ids[f"{name} {project}"] = projects.create(conn, organisation, project, now=START)
                for person, role in (("Ada", "admin"), ("Ben", "admin"), ("Cem", "member"), ("Dot", "member")):
                    self.people[f"{name} {person}"] = people.add(
                        conn,
                        organisation,
                        name=person,
                        email=f"{person.lower()}@{name.lower()}.example",
                        user_name=person.lower(),
                        department="Docks",
                        role=role,  # type: ignore[arg-type]  # a literal of the table above
                        now=START,
                    )

        await self.db.write(run)
        self.apps.append(packaged(manifest()))

    def later(self, **span: float) -> None:
        self.now += dt.timedelta(**span)

    def offer(self, of: Manifest, **packaging: Any) -> None:
        """The one app of the directory, from here on."""
        self.apps[:] = [packaged(of, **packaging)]

    def doer(self, name: str = "Ada", organisation: str = "Harbour") -> Doer:
        person = self.people[f"{organisation} {name}"]
        return Doer(self.ids[organisation], person.id, person.role)

    async def found(self, organisation: str = "Harbour") -> Installation | None:
        return await self.db.read(installations.find, self.ids[organisation], "due-guard")

    async def write(self, f: Callable[..., Any], *args: Any) -> Any:
        return await self.db.write(f, *args)

    async def rows(self, table: sa.Table, *columns: str) -> list[Any]:
        """Rows in a stable order; of one column its values."""
        return await self.db.read(rows_of, table, columns)

    async def dump(self, *, without: frozenset[str] = frozenset()) -> dict[str, list[Any]]:
        """Every row of every table."""

        def run(conn: Connection) -> dict[str, list[Any]]:
            return {table.name: rows_of(conn, table) for table in TABLES if table.name not in without}

        return await self.db.read(run)

    async def queue(self, installation_id: str) -> list[tuple[str, str]]:
        """Hook and state of its deliveries, in order."""
        d = t.delivery.c

        def run(conn: Connection) -> list[tuple[str, str]]:
            query = sa.select(d.hook, d.state).where(d.installation_id == installation_id).order_by(d.position)
            return [(row.hook, row.state) for row in conn.execute(query)]

        return await self.db.read(run)

    async def facts_of(self, kind: str) -> list[dict[str, Any]]:
        """The facts of all events of a kind, oldest first."""

        def run(conn: Connection) -> list[dict[str, Any]]:
            return list(conn.scalars(sa.select(t.event.c.facts).where(t.event.c.kind == kind).order_by(t.event.c.id)))

        return await self.db.read(run)


def open_house(db: Database, folder: Path) -> House:
    keys = KeyRing.open(folder / "keys", {})
    subjects = SubjectKeys("sqlite://", keys)
    opened = House(db, Ledger(db, keys, subjects, lambda: opened.now), subjects)
    return opened


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> Any:
    opened = open_house(database, tmp_path)
    await opened.fill()
    yield opened
    opened.keys.close()


@pytest.fixture
def due_guard() -> Callable[..., Manifest]:
    return manifest


@pytest.fixture
def opening() -> Callable[[Database, Path], House]:
    """For tests that open houses of their own."""
    return open_house
