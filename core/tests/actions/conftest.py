"""One organisation with a project and a few people, and another beside it, on either database."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.actions.checklists import ChecklistActions
from assigntask.actions.forgetting import Forgetting
from assigntask.actions.hooks import Guard, GuardUnanswered
from assigntask.actions.imports import Imports
from assigntask.actions.objections import Objections
from assigntask.actions.people import PeopleActions
from assigntask.actions.tasks import TaskActions
from assigntask.db import Database
from assigntask.db import tables as t
from assigntask.db.ids import new_id
from assigntask.ledger.keys import KeyRing
from assigntask.ledger.ledger import Ledger
from assigntask.ledger.subjects import SubjectKeys
from assigntask.people import organisations, people
from assigntask.people.facts import Doer, PersonFacts
from assigntask.tasks import projects
from assigntask.tasks.projects import Choices

START = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)


@dataclass
class FakeGuard:
    """An app that answers what the test says, and keeps what it was asked."""

    app_id: str
    answer: Callable[..., Any] = lambda after, before, changed: None
    on_failure: Literal["allow", "refuse"] = "allow"
    asked: list[Any] = field(default_factory=list)

    @property
    def app_name(self) -> str:
        return self.app_id.title()

    async def ask(self, doer: Doer, after: Any, before: Any, changed: Sequence[str], source: str) -> Any:
        self.asked.append((after, before, tuple(changed), source))
        found = self.answer(after, before, changed)
        if isinstance(found, GuardUnanswered):
            raise found
        return await found if hasattr(found, "__await__") else found


class Hooks:
    def __init__(self) -> None:
        self.listed: list[Guard] = []

    async def guards(self, organisation_id: str) -> Sequence[Guard]:
        return self.listed


@dataclass
class Tenant:
    """An organisation with its people as they were at the start."""

    id: str
    ada: PersonFacts  # the admin
    bob: PersonFacts
    project: str
    choices: Choices

    @property
    def admin(self) -> Doer:
        return Doer(self.id, self.ada.id, "admin")

    @property
    def member(self) -> Doer:
        return Doer(self.id, self.bob.id, "member")

    def app(self, installation_id: str, person_id: str | None = None) -> Doer:
        return Doer(self.id, person_id, None, installation_id=installation_id)

    def status(self, name: str) -> str:
        return next(status.id for status in self.choices.statuses.values() if status.name == name)


class House:
    def __init__(self, db: Database, ledger: Ledger, keys: SubjectKeys) -> None:
        self.db = db
        self.ledger = ledger
        self.keys = keys
        self.hooks = Hooks()
        self.now = START
        self.tasks = TaskActions(db, self.hooks, self.clock)
        self.checklists = ChecklistActions(db, self.hooks, self.clock)
        self.people = PeopleActions(db, self.clock)
        self.objections = Objections(db, ledger, self.clock)
        self.forgetting = Forgetting(db, ledger, keys, self.clock)
        self.imports = Imports(db, b"k" * 32, self.clock)
        self.one: Tenant
        self.other: Tenant

    def clock(self) -> dt.datetime:
        return self.now

    async def install(
        self,
        tenant: Tenant,
        app_id: str,
        hooks: Mapping[str, Sequence[str]] | None = None,
        *,
        state: str = "active",
        projects: Collection[str] | None = None,
        contacts: Mapping[str, str] | None = None,
        erases: bool = True,
    ) -> str:
        """The installation's id. `hooks`: hook → details, as the table of subscriptions has them. `erases`: whether the
        app can be asked to forget somebody.
        """
        return await self.db.write(_install, tenant.id, app_id, hooks or {}, state, projects, contacts or {}, erases)

    async def rows(self, table: sa.Table, **where: Any) -> list[dict[str, Any]]:
        def read(conn: Connection) -> list[dict[str, Any]]:
            query = sa.select(table).where(*(table.c[name] == value for name, value in where.items()))
            return [dict(row._mapping) for row in conn.execute(query.order_by(*table.primary_key.columns))]

        return await self.db.read(read)

    async def deliveries(self, installation_id: str, hook: str | None = None) -> list[dict[str, Any]]:
        """In the order of the line, each with its event under "event"."""
        events = {row["id"]: row for row in await self.rows(t.event)}
        found = await self.rows(t.delivery, installation_id=installation_id)
        return [
            {**row, "event": events[row["event_id"]]}
            for row in sorted(found, key=lambda row: row["position"])
            if hook in (None, row["hook"])
        ]

    async def dump(self, *leave_out: str) -> dict[str, list[str]]:
        """Everything, table by table."""
        kept = [table for table in t.metadata.sorted_tables if table.name not in leave_out]
        return {table.name: sorted(map(repr, await self.rows(table))) for table in kept}


def _install(
    conn: Connection,
    organisation_id: str,
    app_id: str,
    hooks: Mapping[str, Sequence[str]],
    state: str,
    within: Collection[str] | None,
    contacts: Mapping[str, str],
    erases: bool,
) -> str:
    if conn.execute(sa.select(t.app.c.id).where(t.app.c.id == app_id)).first() is None:
        app = {"id": app_id, "vendor_name": "Acme", "distribution": app_id, "first_seen_at": START}
        conn.execute(sa.insert(t.app).values(**app))
        manifest = {"hooks": {"person_forgotten": []} if erases else {}}
        version = {"app_id": app_id, "version": "1.0.0", "manifest_digest": "", "manifest": manifest}
        admitted = {"content_digest": "", "editable": False, "admitted_at": START}
        conn.execute(sa.insert(t.app_version).values(**version, **admitted))
    count = conn.execute(sa.select(sa.func.count()).select_from(t.installation)).scalar_one()
    installation_id = new_id()
    conn.execute(
        sa.insert(t.installation).values(
            id=installation_id,
            organisation_id=organisation_id,
            app_id=app_id,
            state=state,
            version="1.0.0",
            manifest_digest="",
            scopes=[],
            declined=[],
            all_projects=within is None,
            contacts=dict(contacts),
            settings={},
            credential=new_id(),
            ordinal=count,
            created_at=START,
            changed_at=START,
        )
    )
    for project_id in within or ():
        reach = {"organisation_id": organisation_id, "installation_id": installation_id, "project_id": project_id}
        conn.execute(sa.insert(t.installation_project).values(**reach))
    for hook, details in hooks.items():
        conn.execute(
            sa.insert(t.subscription).values(
                organisation_id=organisation_id,
                hook=hook,
                ordinal=count,
                installation_id=installation_id,
                details=list(details),
            )
        )
    return installation_id


def _tenant(conn: Connection, name: str) -> Tenant:
    organisation = organisations.create(conn, name, "Europe/Madrid", START)
    add = partial(people.add, conn, organisation.id, now=START)
    ada = add(name="Ada", email="ada@example.org", user_name="ada", role="admin")
    bob = add(name="Bob", email="bob@example.org", user_name="bob", department="Sales")
    project = projects.create(conn, organisation.id, "Bicycles", now=START)
    projects.add_label(conn, organisation.id, project, "Urgent", colour="red")
    projects.add_label(conn, organisation.id, project, "Later", colour=None)
    projects.ensure_type(conn, organisation.id, "Bug")
    return Tenant(organisation.id, ada, bob, project, projects.choices(conn, organisation.id, project))


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> AsyncIterator[House]:
    ring = KeyRing.open(tmp_path / "keys", {})
    keys = SubjectKeys("sqlite://", ring)
    made = House(database, Ledger(database, ring, keys, lambda: made.now), keys)
    made.one = await database.write(_tenant, "One")
    made.other = await database.write(_tenant, "Other")
    yield made
    keys.close()


@pytest.fixture
def guard() -> type[FakeGuard]:
    return FakeGuard
