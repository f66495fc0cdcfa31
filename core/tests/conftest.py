"""A clock that tests move, the keys, and ledger, grants and gate on a database of the test's own."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import Database, new_id
from assigntask.db import tables as t
from assigntask.gate.gate import Gate
from assigntask.grants.grant import Actor, Grant
from assigntask.grants.grants import Grants
from assigntask.ledger.keys import KeyRing
from assigntask.ledger.ledger import Ledger
from assigntask.ledger.subjects import SubjectKeys
from assigntask.people import organisations
from assigntask.people import people as people_rows
from assigntask.people.facts import PersonFacts

START = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)


class MovableClock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> dt.datetime:
        return self.now

    def advance(self, **by: float) -> None:
        self.now += dt.timedelta(**by)


class World:
    """Organisations, people and installations, written straight into the tables."""

    def __init__(self, db: Database, grants: Grants) -> None:
        self.db = db
        self.grants = grants
        self.organisation_id = ""
        self._numbers = itertools.count(1)

    async def organisation(self) -> str:
        """A new one, in which all that follows happens."""
        facts = await self.db.write(organisations.create, new_id(), "Europe/Madrid", START)
        self.organisation_id = facts.id
        return facts.id

    async def person(self, **fields: Any) -> PersonFacts:
        number = next(self._numbers)
        given = {"name": f"Somebody {number}", "email": f"somebody{number}@example.org", "now": START, **fields}
        return await self.db.write(people_rows.add, self.organisation_id, **given)

    async def project(self) -> str:
        project_id = new_id()
        values = {"id": project_id, "name": "Harbour", "created_at": START}
        await self.insert(t.project, values)
        return project_id

    async def install(
        self,
        scopes: Collection[str],
        *,
        app_id: str = "",
        state: str = "active",
        declined: Collection[str] = (),
        projects: Collection[str] | None = None,
        contacts: Mapping[str, str] | None = None,
        contact_details: Mapping[str, Sequence[str]] | None = None,
        hooks: Mapping[str, Sequence[str]] | None = None,
        only: str | None = None,
    ) -> str:
        """An installation's id. `app_id`: a new app where it is left out."""
        installation_id = new_id()
        number = next(self._numbers)
        if not app_id:
            app_id = f"app-{new_id()}"
            manifest = {"name": "Harbour Log", "hooks": dict(hooks or {}), "contacts": dict(contact_details or {})}
            vendor = {"id": app_id, "vendor_name": "Quay", "distribution": "quay", "first_seen_at": START}
            version = {"app_id": app_id, "version": "1.0.0", "manifest_digest": "m", "manifest": manifest}
            admitted = {"content_digest": "c", "editable": False, "admitted_at": START}
            await self.db.write(lambda conn: conn.execute(sa.insert(t.app).values(**vendor)))
            await self.db.write(lambda conn: conn.execute(sa.insert(t.app_version).values(**version, **admitted)))
        values = {
            "id": installation_id,
            "app_id": app_id,
            "state": state,
            "version": "1.0.0",
            "manifest_digest": "m",
            "scopes": sorted(scopes),
            "declined": sorted(declined),
            "all_projects": projects is None,
            "contacts": dict(contacts or {}),
            "only_person_id": only,
            "settings": {},
            "credential": new_id(),
            "ordinal": number,
            "created_at": START,
            "changed_at": START,
        }
        await self.insert(t.installation, values)
        for project_id in projects or ():
            await self.insert(t.installation_project, {"installation_id": installation_id, "project_id": project_id})
        return installation_id

    async def app_of(self, installation_id: str) -> str:
        query = sa.select(t.installation.c.app_id).where(
            t.installation.c.organisation_id == self.organisation_id, t.installation.c.id == installation_id
        )
        return str(await self.db.read(lambda conn: conn.execute(query).scalar_one()))

    async def objects(self, person_id: str, app_id: str, *, disputed: bool = False) -> None:
        row = {"id": new_id(), "app_id": app_id, "person_id": person_id, "made_at": START, "disputed": disputed}
        await self.insert(t.objection, row)

    async def restricts(self, person_id: str) -> None:
        await self.insert(t.restriction, {"id": new_id(), "person_id": person_id, "made_at": START})

    async def forgets(self, person_id: str) -> None:
        await self.db.write(people_rows.scrub, self.organisation_id, person_id, START)

    async def generation(self, person_id: str, app_id: str, generation: int) -> None:
        await self.insert(t.pairwise_generation, {"app_id": app_id, "person_id": person_id, "generation": generation})

    async def insert(self, table: sa.Table, values: Mapping[str, Any]) -> None:
        """One row of this organisation, as every change of rights does it: with the epoch raised."""

        def write(conn: Connection) -> None:
            conn.execute(sa.insert(table).values(organisation_id=self.organisation_id, **values))
            organisations.raise_epoch(conn, self.organisation_id)

        await self.db.write(write)

    async def grant(self, installation_id: str, actor: Actor | None = None) -> Grant:
        return await self.grants.current(self.organisation_id, installation_id, actor or Actor.installation())


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def keys(tmp_path: Path) -> KeyRing:
    return KeyRing.open(tmp_path / "keys", {})


@pytest.fixture
def subject_keys(tmp_path: Path, keys: KeyRing) -> Iterator[SubjectKeys]:
    opened = SubjectKeys(f"sqlite:///{tmp_path / 'subjects.db'}", keys)
    yield opened
    opened.close()


@pytest.fixture
async def ledger(
    database: Database, keys: KeyRing, subject_keys: SubjectKeys, clock: MovableClock
) -> AsyncIterator[Ledger]:
    opened = Ledger(database, keys, subject_keys, clock)
    yield opened
    await opened.close()


@pytest.fixture
def grants(database: Database, keys: KeyRing) -> Grants:
    return Grants(database, keys.pairwise())


@pytest.fixture
def gate(database: Database, ledger: Ledger, clock: MovableClock) -> Gate:
    return Gate(database, ledger, clock)


@pytest.fixture
async def world(database: Database, grants: Grants) -> World:
    made = World(database, grants)
    await made.organisation()
    return made
