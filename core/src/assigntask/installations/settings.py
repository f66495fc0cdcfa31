"""What an organisation, and each person in it, set for an app."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask.db.database import Database
from assigntask.errors import HostError
from assigntask.installations import admission, authority, installations
from assigntask.installations.installations import Installation
from assigntask.installations.installing import Clock
from assigntask.people import organisations
from assigntask.people.facts import Doer
from assigntask_sdk.details import nearest
from assigntask_sdk.errors import Invalid
from assigntask_sdk.manifest import Manifest, Setting


@dataclass(frozen=True, slots=True)
class Settings:
    db: Database
    clock: Clock

    async def set(self, doer: Doer, app_id: str, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Changes those that are named; None goes back to the default. All of them, as the app will see them.

        Raises NotAllowed, Invalid, HostError `not_installed`.
        """
        return await self.db.write(set_for_all, doer, app_id, values, self.clock())

    async def set_own(self, doer: Doer, app_id: str, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """As `set`, for the person who asks and nobody else."""
        return await self.db.write(set_for_one, doer, app_id, values, self.clock())

    async def get(self, doer: Doer, app_id: str) -> Mapping[str, Any]:
        """With defaults filled in."""
        return await self.db.read(_of_all, doer, app_id)

    async def get_own(self, doer: Doer, app_id: str) -> Mapping[str, Any]:
        return await self.db.read(_of_one, doer, app_id)


def merged(known: Mapping[str, Setting], stored: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """What is to be stored. Raises Invalid with every name or value that can't be taken."""
    wrong: dict[str, str] = {}
    for name, value in values.items():
        setting = known.get(name)
        if setting is None:
            meant = nearest(name, known)
            hint = f"did you mean {meant}?" if meant else f"there are: {', '.join(sorted(known)) or 'none'}"
            wrong[name] = f"there is no such setting; {hint}"
        elif value is not None and (why := setting.why_not(value)) is not None:
            wrong[name] = why
    if wrong:
        raise Invalid(wrong)
    together = {**stored, **values}
    return {name: value for name, value in together.items() if value is not None and name in known}


def set_for_all(conn: Connection, doer: Doer, app_id: str, values: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    organisations.raise_epoch(conn, doer.organisation_id)
    installation, manifest = _live(conn, doer, app_id)
    authority.manager(conn, doer, installation, "change an app's settings")
    stored = merged(manifest.settings, installation.settings, values)
    installations.change(conn, installation, settings=stored, changed_at=now)
    return manifest.settings_with(stored)


def set_for_one(conn: Connection, doer: Doer, app_id: str, values: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    organisations.raise_epoch(conn, doer.organisation_id)
    installation, manifest = _live(conn, doer, app_id)
    person = authority.acting(conn, doer, "set this for themselves")
    enrolled = _enrolment(conn, installation, person.id)
    stored = merged(manifest.person_settings, enrolled or {}, values)
    if enrolled is None:
        conn.execute(
            t.enrolment.insert().values(
                organisation_id=doer.organisation_id,
                installation_id=installation.id,
                person_id=person.id,
                settings=stored,
                created_at=now,
            )
        )
    else:
        conn.execute(t.enrolment.update().where(*_which(installation, person.id)).values(settings=stored))
    return manifest.person_settings_with(stored)


def _of_all(conn: Connection, doer: Doer, app_id: str) -> dict[str, Any]:
    installation, manifest = _live(conn, doer, app_id)
    return manifest.settings_with(installation.settings)


def _of_one(conn: Connection, doer: Doer, app_id: str) -> dict[str, Any]:
    installation, manifest = _live(conn, doer, app_id)
    person = authority.acting(conn, doer, "see what they set")
    return manifest.person_settings_with(_enrolment(conn, installation, person.id) or {})


def _live(conn: Connection, doer: Doer, app_id: str) -> tuple[Installation, Manifest]:
    found = installations.find(conn, doer.organisation_id, app_id, ("active", "disabled"))
    if found is None:
        raise HostError("not_installed", f"{app_id} is not installed in this organisation.", app=app_id)
    return found, admission.manifest_of(conn, app_id, found.version)


def _enrolment(conn: Connection, installation: Installation, person_id: str) -> Mapping[str, Any] | None:
    found: Mapping[str, Any] | None = conn.scalar(
        sa.select(t.enrolment.c.settings).where(*_which(installation, person_id))
    )
    return found


def _which(installation: Installation, person_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        t.enrolment.c.organisation_id == installation.organisation_id,
        t.enrolment.c.installation_id == installation.id,
        t.enrolment.c.person_id == person_id,
    )
