"""Who belongs to an organisation, and what they are in it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from sqlalchemy.engine import Connection

from assigntask.db.database import Database
from assigntask.events.events import Event, record
from assigntask.people import contacts, doers, organisations, people
from assigntask.people.contacts import ContactKind
from assigntask.people.facts import Doer, PersonFacts, Role

Clock = Callable[[], dt.datetime]

FIELDS = ("name", "user_name", "email", "job_title", "department", "role", "time_zone", "locale")


class PeopleActions:
    """For admins, and for the operator. Everybody may change their own name.

    Every method raises NotAllowed, and NotFound for somebody who is not there or was forgotten.
    """

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def add(
        self,
        doer: Doer,
        *,
        name: str,
        email: str | None = None,
        user_name: str | None = None,
        job_title: str | None = None,
        department: str | None = None,
        role: Role = "member",
        time_zone: str | None = None,
        locale: str | None = None,
    ) -> PersonFacts:
        """`department` is a name, and is made where it is missing. Raises HostError `person_exists`, Invalid."""
        fields = {
            "name": name,
            "email": email,
            "user_name": user_name,
            "job_title": job_title,
            "department": department,
            "role": role,
            "time_zone": time_zone,
            "locale": locale,
        }
        return await self._db.write(_add, doer, fields, self._clock())

    async def role(self, doer: Doer, person_id: str, role: Role) -> PersonFacts:
        """Raises HostError `last_admin`, Invalid."""
        return await self._change(doer, person_id, "role", role)

    async def department(self, doer: Doer, person_id: str, name: str | None) -> PersonFacts:
        """The department is made where it is missing; None: in none. Raises Invalid."""
        return await self._change(doer, person_id, "department", name)

    async def job_title(self, doer: Doer, person_id: str, job_title: str | None) -> PersonFacts:
        return await self._change(doer, person_id, "job_title", job_title)

    async def email(self, doer: Doer, person_id: str, email: str | None) -> PersonFacts:
        """People who came with a board have none. Raises HostError `person_exists`, Invalid."""
        return await self._change(doer, person_id, "email", email)

    async def rename(self, doer: Doer, person_id: str, name: str) -> PersonFacts:
        return await self._change(doer, person_id, "name", name)

    async def leave(self, doer: Doer, person_id: str) -> PersonFacts:
        """They keep their place in what they wrote, and can do nothing more. Raises HostError `last_admin`."""
        return await self._db.write(_leave, doer, person_id, self._clock())

    async def contact(self, doer: Doer, kind: ContactKind, person_id: str | None) -> None:
        """Whom vendors may turn to; None: nobody. Raises Invalid."""
        await self._db.write(_contact, doer, kind, person_id, self._clock())

    async def policy(self, doer: Doer, **changes: Any) -> dict[str, Any]:
        """The organisation's policy after `changes`. Raises Invalid."""
        return await self._db.write(_policy, doer, changes)

    async def _change(self, doer: Doer, person_id: str, field: str, value: Any) -> PersonFacts:
        return await self._db.write(_change, doer, person_id, field, value, self._clock())


_SETTERS: dict[str, Callable[..., PersonFacts]] = {
    "role": people.set_role,
    "department": people.set_department,
    "job_title": people.set_job_title,
    "email": people.set_email,
    "name": people.rename,
}


def _add(conn: Connection, doer: Doer, fields: dict[str, Any], now: dt.datetime) -> PersonFacts:
    doers.require_admin(doers.current(conn, doer), "add people")
    person = people.add(conn, doer.organisation_id, **fields, now=now)
    tell(conn, doer, "person.joined", person, now, changed=said_of(person))
    return person


def _change(conn: Connection, doer: Doer, person_id: str, field: str, value: Any, now: dt.datetime) -> PersonFacts:
    doer = doers.current(conn, doer)
    if field == "name":
        doers.require_self(doer, person_id, "change a name", or_admin=True)
    else:
        doers.require_admin(doer, "change what people are")
    before = people.get(conn, doer.organisation_id, person_id)
    if before.state != "forgotten" and getattr(before, field) == value:
        return before
    person = _SETTERS[field](conn, doer.organisation_id, person_id, value)
    kind = "person.renamed" if field == "name" else "person.changed"
    tell(conn, doer, kind, person, now, changed=(field,))
    return person


def _leave(conn: Connection, doer: Doer, person_id: str, now: dt.datetime) -> PersonFacts:
    doers.require_admin(doers.current(conn, doer), "say that somebody has left")
    before = people.get(conn, doer.organisation_id, person_id)
    if before.state == "left":
        return before
    person = people.mark_left(conn, doer.organisation_id, person_id)
    contacts.clear_person(conn, doer.organisation_id, person_id)
    tell(conn, doer, "person.left", person, now, changed=("active",))
    return person


def _contact(conn: Connection, doer: Doer, kind: ContactKind, person_id: str | None, now: dt.datetime) -> None:
    doers.require_admin(doers.current(conn, doer), "name contacts")
    if contacts.get(conn, doer.organisation_id, kind) == person_id:
        return
    contacts.put(conn, doer.organisation_id, kind, person_id)
    if person_id is not None:
        person = people.get(conn, doer.organisation_id, person_id)
        tell(conn, doer, "contact.named", person, now, facts={"contact": kind}, hook=None)


def _policy(conn: Connection, doer: Doer, changes: dict[str, Any]) -> dict[str, Any]:
    doers.require_admin(doers.current(conn, doer), "change the organisation's policy")
    return organisations.set_policy(conn, doer.organisation_id, changes)


def said_of(person: PersonFacts) -> tuple[str, ...]:
    """The fields of somebody new that say anything, as the catalogue names them."""
    return (*(name for name in FIELDS if getattr(person, name) is not None), "active")


def tell(
    conn: Connection,
    doer: Doer,
    kind: str,
    person: PersonFacts,
    now: dt.datetime,
    *,
    changed: tuple[str, ...] = (),
    facts: dict[str, str] | None = None,
    hook: str | None = "person_changed",
) -> None:
    event = Event(
        kind=kind,
        record_kind="person",
        record_id=person.id,
        at=now,
        version=person.version,
        changed=changed,
        facts=facts or {},
        by_person_id=doer.person_id,
        origin=doer.installation_id,
    )
    record(conn, doer.organisation_id, event, hook=hook)
