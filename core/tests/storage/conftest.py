"""One place to store things in: an organisation with a person, a task and an installed app."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from assigntask.context.storage import InstallationStore
from assigntask.db import Database, new_id
from assigntask.db import tables as t
from assigntask.ledger.keys import KeyRing
from assigntask.ledger.subjects import SubjectKeys

NOW = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Place:
    """One organisation with a person, a task and an installed app."""

    organisation: str
    installation: str
    person: str
    subject: str
    task: str


def furnish(conn: sa.Connection, name: str) -> Place:
    organisation, person, subject, project = new_id(), new_id(), new_id(), new_id()
    status, task, installation = new_id(), new_id(), new_id()
    ours = {"organisation_id": organisation}
    conn.execute(
        sa.insert(t.organisation).values(id=organisation, name=name, time_zone="UTC", policy={}, created_at=NOW)
    )
    conn.execute(sa.insert(t.person).values(**ours, id=person, subject_id=subject, name="Ada", created_at=NOW))
    conn.execute(sa.insert(t.project).values(**ours, id=project, name="Bridge", created_at=NOW))
    conn.execute(sa.insert(t.status).values(**ours, id=status, project_id=project, name="Doing", position=1.0))
    conn.execute(
        sa.insert(t.task).values(
            **ours,
            id=task,
            project_id=project,
            number=1,
            summary="Draw it",
            status_id=status,
            unchecked_by=[],
            created_at=NOW,
            updated_at=NOW,
        )
    )
    conn.execute(
        sa.insert(t.app).values(id=f"app-{name}", vendor_name="Vendor", distribution="an-app", first_seen_at=NOW)
    )
    conn.execute(
        sa.insert(t.installation).values(
            **ours,
            id=installation,
            app_id=f"app-{name}",
            state="active",
            version="1.0.0",
            manifest_digest="sha256:0",
            scopes=[],
            declined=[],
            contacts={},
            settings={},
            credential=new_id(),
            ordinal=1,
            created_at=NOW,
            changed_at=NOW,
        )
    )
    return Place(organisation, installation, person, subject, task)


class Shelf:
    """The stores of one place, and what the database says of them."""

    def __init__(self, db: Database, sealing: SubjectKeys, place: Place) -> None:
        self.db, self.sealing, self.place = db, sealing, place
        self.store = self.open()

    def open(self, **options: Any) -> InstallationStore:
        place = self.place
        return InstallationStore(
            self.db, self.sealing, organisation_id=place.organisation, installation_id=place.installation, **options
        )

    async def elsewhere(self, name: str) -> Shelf:
        """The same in an organisation of its own."""
        return Shelf(self.db, self.sealing, await self.db.write(furnish, name))

    async def used(self) -> int:
        """Bytes, as they are counted."""

        def read(conn: sa.Connection) -> int:
            mine = t.store_usage.c.installation_id == self.place.installation
            return int(conn.execute(sa.select(t.store_usage.c.bytes).where(mine)).scalar_one())

        return await self.db.read(read)

    async def counted(self) -> int:
        """Bytes, as they are."""

        def read(conn: sa.Connection) -> int:
            statement = sa.select(sa.func.coalesce(sa.func.sum(t.store.c.size), 0))
            return int(conn.execute(statement.where(t.store.c.installation_id == self.place.installation)).scalar_one())

        return await self.db.read(read)

    async def raw(self, kind: str) -> list[bytes]:
        """The values of one kind of owner as they stand in the table."""

        def read(conn: sa.Connection) -> list[bytes]:
            return list(conn.execute(sa.select(t.store.c.value).where(t.store.c.owner_kind == kind)).scalars())

        return await self.db.read(read)


@pytest.fixture
def sealing(tmp_path: Path) -> Iterator[SubjectKeys]:
    keys = SubjectKeys(f"sqlite:///{tmp_path / 'subjects.db'}", KeyRing.open(tmp_path / "keys", {}))
    yield keys
    keys.close()


@pytest.fixture
async def shelf(database: Database, sealing: SubjectKeys) -> Shelf:
    return Shelf(database, sealing, await database.write(furnish, "north"))


@pytest.fixture
def store(shelf: Shelf) -> InstallationStore:
    return shelf.store
