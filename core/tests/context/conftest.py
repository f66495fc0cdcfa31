"""A small world for ctx: two organisations, each with people, two projects and an installed app."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Collection, Mapping
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from assigntask.actions.checklists import ChecklistActions
from assigntask.actions.hooks import NoHooks
from assigntask.actions.objections import Objections
from assigntask.actions.tasks import TaskActions
from assigntask.context.access import Services
from assigntask.context.factory import ContextFactory
from assigntask.db import Database, new_id
from assigntask.db import tables as t
from assigntask.gate.gate import Gate
from assigntask.grants.grant import Actor, Grant
from assigntask.grants.grants import Grants
from assigntask.hooks import problems
from assigntask.hooks.events import Events
from assigntask.ledger.keys import KeyRing
from assigntask.ledger.ledger import Ledger
from assigntask.ledger.subjects import SubjectKeys
from assigntask.people import organisations, people
from assigntask.people.facts import Doer
from assigntask.tasks import checklists, projects
from assigntask_sdk.details import SCOPES
from assigntask_sdk.records import Checklist, ChecklistItem

START = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)


class FailingLedger(Ledger):
    """Stops taking entries on demand, as a full disk would make it."""

    failing = False

    async def record(self, disclosure: Any) -> str:
        if self.failing:
            raise OSError("no space left on the device that holds secret things")
        return await super().record(disclosure)


class World:
    """Ids by name: `ids["north"]["ben"]`. `north` has the app in project `near` alone; `south` in both of its."""

    def __init__(self, db: Database, folder: Path) -> None:
        self.db = db
        self.now = START
        keys = KeyRing.open(folder / "keys", {})
        self.sealing = SubjectKeys(f"sqlite:///{folder / 'subjects.db'}", keys)
        self.ledger = FailingLedger(db, keys, self.sealing, self.clock)
        self.gate = Gate(db, self.ledger, self.clock)
        self.grants = Grants(db, keys.pairwise())
        self.actions = TaskActions(db, NoHooks(), self.clock)
        self.objections = Objections(db, self.ledger, self.clock)
        self.refreshed: list[tuple[str, str, str]] = []
        self.checklists = ChecklistActions(db, NoHooks(), self.clock)
        services = Services(
            self.db,
            self.gate,
            self.grants,
            self.actions,
            self.sealing,
            self.clock,
            self._refresh,
            self.checklists,
        )
        self.factory = ContextFactory(services, problems, Events(self.db, self.gate, self.grants))
        self.ids: dict[str, dict[str, str]] = {}

    def clock(self) -> dt.datetime:
        return self.now

    async def _refresh(self, organisation_id: str, installation_id: str, task_id: str) -> None:
        self.refreshed.append((organisation_id, installation_id, task_id))

    async def close(self) -> None:
        await self.ledger.close()
        self.sealing.close()

    async def furnish(self, name: str, *, reach: Collection[str] | None) -> None:
        ids = self.ids[name] = await self.db.write(_organisation, name, self.now)
        ids["installation"] = await self.db.write(_install, ids, reach, self.now)
        ada, ben, cy = (Doer(ids["organisation"], ids[who], "member") for who in ("ada", "ben", "cy"))
        for place in ("near", "far"):
            task = await self.actions.create(
                ada,
                project=ids[place],
                summary=f"{place} task of {name}",
                changes={"assignees": [ids["ben"], ids["cy"]], "description": f"for <@{ids['ben']}>"},
            )
            ids[f"{place} task"] = task.id
            ids[f"{place} checklist"], ids[f"{place} item"] = new_id(), new_id()
            steps = Checklist(
                ids[f"{place} checklist"], "Steps", (ChecklistItem(ids[f"{place} item"], "Clean", False),)
            )
            await self.db.write(checklists.insert, ids["organisation"], [checklists.Placed(task.id, 0.0, steps)])
            for doer, who in ((ben, "ben"), (cy, "cy")):
                comment = await self.actions.comment(doer, task.id, f"{who} writes to <@{ids['cy']}>")
                ids[f"{place} comment of {who}"] = comment.id
                attachment = await self.actions.attach(doer, task.id, f"of {who}", f"https://example.org/{who}")
                ids[f"{place} attachment of {who}"] = attachment.id

    async def grant(self, scopes: Collection[str], where: str = "north") -> None:
        """Sets what the app of an organisation is granted."""

        def unit(conn: sa.Connection) -> None:
            ids = self.ids[where]
            mine = t.installation.c.id == ids["installation"]
            conn.execute(sa.update(t.installation).where(mine).values(scopes=sorted(scopes)))
            organisations.raise_epoch(conn, ids["organisation"])

        await self.db.write(unit)

    async def state(self, state: str, where: str = "north") -> None:
        def unit(conn: sa.Connection) -> None:
            ids = self.ids[where]
            conn.execute(
                sa.update(t.installation).where(t.installation.c.id == ids["installation"]).values(state=state)
            )
            organisations.raise_epoch(conn, ids["organisation"])

        await self.db.write(unit)

    async def current(self, where: str = "north", actor: Actor | None = None, *, any_state: bool = False) -> Grant:
        ids = self.ids[where]
        actor = actor or Actor.installation()
        return await self.grants.current(ids["organisation"], ids["installation"], actor, any_state=any_state)

    async def ctx(self, where: str = "north", actor: Actor | None = None, **options: Any) -> Any:
        any_state = options.pop("any_state", False)
        options = {"deadline": self.now + dt.timedelta(seconds=5), "settings": {}, **options}
        return self.factory.make(await self.current(where, actor, any_state=any_state), **options)

    async def known_as(self, who: str, where: str = "north") -> str:
        """The id that the app of that organisation knows somebody by."""
        return (await self.current(where)).pairwise(self.ids[where][who])

    def doer(self, who: str, where: str = "north") -> Doer:
        ids = self.ids[where]
        return Doer(ids["organisation"], ids[who], "admin" if who == "ada" else "member")

    async def given(self, where: str = "north") -> list[Any]:
        """The ledger's releases, oldest first."""
        entries = await self.ledger.given(self.ids[where]["organisation"])
        return [entry for entry in entries if entry.kind == "release"]


def _organisation(conn: sa.Connection, name: str, now: dt.datetime) -> dict[str, str]:
    organisation = organisations.create(conn, name, "UTC", now).id
    ids = {"organisation": organisation}
    more: Mapping[str, Mapping[str, Any]] = {
        "ada": {"role": "admin", "department": "Works"},
        "ben": {"department": "Works", "job_title": "Builder"},
        "cy": {"department": "Office"},
    }
    for who, rest in more.items():
        email = f"{who}@{name}.example"
        ids[who] = people.add(
            conn, organisation, name=who.title(), email=email, user_name=who, now=now, **{"role": "member", **rest}
        ).id
    for place in ("near", "far"):
        ids[place] = projects.create(conn, organisation, f"{place} project", now=now)
    projects.add_label(conn, organisation, ids["near"], "urgent", colour="red")
    projects.ensure_type(conn, organisation, "Bug")
    return ids


def _install(conn: sa.Connection, ids: Mapping[str, str], reach: Collection[str] | None, now: dt.datetime) -> str:
    installation, app = new_id(), "an-app"
    if conn.execute(sa.select(t.app.c.id).where(t.app.c.id == app)).first() is None:
        conn.execute(sa.insert(t.app).values(id=app, vendor_name="Vendor", distribution=app, first_seen_at=now))
    plain: dict[str, Any] = {"declined": [], "contacts": {}, "settings": {}, "ordinal": 1, "version": "1.0.0"}
    conn.execute(
        sa.insert(t.installation).values(
            **plain,
            id=installation,
            organisation_id=ids["organisation"],
            app_id=app,
            state="active",
            scopes=sorted(SCOPES),
            manifest_digest="sha256:0",
            all_projects=reach is None,
            credential=new_id(),
            created_at=now,
            changed_at=now,
        )
    )
    for place in reach or ():
        conn.execute(
            sa.insert(t.installation_project).values(
                organisation_id=ids["organisation"], installation_id=installation, project_id=ids[place]
            )
        )
    organisations.raise_epoch(conn, ids["organisation"])
    return installation


@pytest.fixture
async def world(database: Database, tmp_path: Path) -> AsyncIterator[World]:
    made = World(database, tmp_path)
    await made.furnish("north", reach=["near"])
    await made.furnish("south", reach=None)
    yield made
    await made.close()
