"""One person's objection to one app, and restrictions: nothing about that person goes to any app."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask.db.database import Database
from assigntask.db.ids import new_id
from assigntask.errors import HostError, NotAllowed
from assigntask.people import doers, organisations, people
from assigntask.people.facts import Doer, PersonFacts
from assigntask_sdk.details import nearest

from . import withdrawal
from .ledger import Acts

Clock = Callable[[], dt.datetime]


class Objections:
    """Objecting is the person's own decision; restricting is theirs or an admin's.

    Each returns whether it changed anything: asking for what already holds is no error. Each raises NotAllowed,
    and NotFound for somebody who is not there.
    """

    def __init__(self, db: Database, ledger: Acts, clock: Clock) -> None:
        self._db = db
        self._ledger = ledger
        self._clock = clock

    async def object(self, doer: Doer, app_id: str) -> bool:
        """Holds whether the app is installed or not, and after it was installed again.

        Raises HostError `app_unknown`.
        """
        return await self._db.write(_object, doer, app_id, self._ledger, self._clock())

    async def withdraw(self, doer: Doer, app_id: str) -> bool:
        """From now on the app knows the person by a new id."""
        return await self._db.write(_withdraw, doer, app_id, self._ledger, self._clock())

    async def restrict(self, doer: Doer, person_id: str) -> bool:
        return await self._db.write(_restrict, doer, person_id, self._ledger, self._clock())

    async def lift(self, doer: Doer, person_id: str) -> bool:
        """From now on every app knows the person by a new id."""
        return await self._db.write(_lift, doer, person_id, self._ledger, self._clock())


def objected_to(conn: Connection, organisation_id: str, person_id: str) -> list[str]:
    """The ids of the apps to which the person objects."""
    query = sa.select(t.objection.c.app_id).where(
        t.objection.c.organisation_id == organisation_id,
        t.objection.c.person_id == person_id,
        t.objection.c.withdrawn_at.is_(None),
    )
    return list(conn.execute(query.order_by(t.objection.c.app_id)).scalars())


def is_restricted(conn: Connection, organisation_id: str, person_id: str) -> bool:
    query = sa.select(t.restriction.c.id).where(
        t.restriction.c.organisation_id == organisation_id,
        t.restriction.c.person_id == person_id,
        t.restriction.c.lifted_at.is_(None),
    )
    return conn.execute(query).first() is not None


def _begin(conn: Connection, doer: Doer, person_id: str, what: str, *, or_admin: bool = False) -> PersonFacts:
    """Holds the organisation's row, so that what is read next is still so when it is acted upon."""
    organisations.lock(conn, doer.organisation_id)
    doers.require_self(doers.current(conn, doer), person_id, what, or_admin=or_admin)
    return people.get(conn, doer.organisation_id, person_id)


def _self(conn: Connection, doer: Doer, what: str) -> PersonFacts:
    return _begin(conn, doer, doer.person_id or "", what)


def _object(conn: Connection, doer: Doer, app_id: str, ledger: Acts, now: dt.datetime) -> bool:
    organisation_id = doer.organisation_id
    person = _self(conn, doer, "object to an app")
    _known_app(conn, app_id)
    if app_id in objected_to(conn, organisation_id, person.id):
        return False
    conn.execute(
        sa.insert(t.objection).values(
            id=new_id(), organisation_id=organisation_id, app_id=app_id, person_id=person.id, made_at=now
        )
    )
    organisations.raise_epoch(conn, organisation_id)
    ledger.act(conn, organisation_id, "objection", app_id=app_id, doer=doer, subjects=[person])
    if not is_restricted(conn, organisation_id, person.id):  # else it was told then
        apps = withdrawal.installed(conn, organisation_id, app_id=app_id)
        withdrawal.tell(conn, doer, person, apps, now, kind="person.withdrawn")
    return True


def _withdraw(conn: Connection, doer: Doer, app_id: str, ledger: Acts, now: dt.datetime) -> bool:
    organisation_id = doer.organisation_id
    person = _self(conn, doer, "withdraw an objection")
    withdrawn = conn.execute(
        sa.update(t.objection)
        .where(
            t.objection.c.organisation_id == organisation_id,
            t.objection.c.person_id == person.id,
            t.objection.c.app_id == app_id,
            t.objection.c.withdrawn_at.is_(None),
        )
        .values(withdrawn_at=now)
    )
    if withdrawn.rowcount == 0:
        _known_app(conn, app_id)
        return False
    organisations.raise_epoch(conn, organisation_id)
    withdrawal.next_generation(conn, organisation_id, app_id, person.id)
    ledger.act(conn, organisation_id, "objection_withdrawn", app_id=app_id, doer=doer, subjects=[person])
    return True


def _restrict(conn: Connection, doer: Doer, person_id: str, ledger: Acts, now: dt.datetime) -> bool:
    organisation_id = doer.organisation_id
    person = _begin(conn, doer, person_id, "restrict what apps get about somebody", or_admin=True)
    if is_restricted(conn, organisation_id, person_id):
        return False
    conn.execute(
        sa.insert(t.restriction).values(
            id=new_id(),
            organisation_id=organisation_id,
            person_id=person_id,
            by_person_id=doer.person_id,
            made_at=now,
        )
    )
    organisations.raise_epoch(conn, organisation_id)
    ledger.act(conn, organisation_id, "restriction", doer=doer, subjects=[person])
    told_before = objected_to(conn, organisation_id, person_id)
    apps = withdrawal.installed(conn, organisation_id)
    apps = {app_id: ids for app_id, ids in apps.items() if app_id not in told_before}
    withdrawal.tell(conn, doer, person, apps, now, kind="person.withdrawn")
    return True


def _lift(conn: Connection, doer: Doer, person_id: str, ledger: Acts, now: dt.datetime) -> bool:
    organisation_id = doer.organisation_id
    person = _begin(conn, doer, person_id, "lift a restriction", or_admin=True)
    if doer.person_id != person_id and _restricted_by(conn, organisation_id, person_id) == person_id:
        raise NotAllowed("Who restricted apps about themself lifts it themself.", needs="self")
    lifted = conn.execute(
        sa.update(t.restriction)
        .where(
            t.restriction.c.organisation_id == organisation_id,
            t.restriction.c.person_id == person_id,
            t.restriction.c.lifted_at.is_(None),
        )
        .values(lifted_at=now)
    )
    if lifted.rowcount == 0:
        return False
    organisations.raise_epoch(conn, organisation_id)
    # Uninstalled apps too: one that is restored must not find the old id again.
    ever = sa.select(t.installation.c.app_id).where(t.installation.c.organisation_id == organisation_id).distinct()
    for app_id in conn.execute(ever.order_by(t.installation.c.app_id)).scalars().all():
        withdrawal.next_generation(conn, organisation_id, app_id, person_id)
    ledger.act(conn, organisation_id, "restriction_lifted", doer=doer, subjects=[person])
    return True


def _restricted_by(conn: Connection, organisation_id: str, person_id: str) -> str | None:
    return conn.execute(
        sa.select(t.restriction.c.by_person_id).where(
            t.restriction.c.organisation_id == organisation_id,
            t.restriction.c.person_id == person_id,
            t.restriction.c.lifted_at.is_(None),
        )
    ).scalar_one_or_none()


def _known_app(conn: Connection, app_id: str) -> None:
    known = conn.execute(sa.select(t.app.c.id)).scalars().all()
    if app_id not in known:
        meant = nearest(app_id, known)
        hint = f" Did you mean {meant!r}?" if meant else ""
        raise HostError("app_unknown", f"No app {app_id!r} was ever installed here.{hint}", app=app_id, nearest=meant)
