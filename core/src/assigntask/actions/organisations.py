"""Founding an organisation: by the operator, with its first admin, in one unit."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sqlalchemy.engine import Connection

from assigntask.db.database import Database
from assigntask.errors import HostError
from assigntask.people import doers, organisations, people
from assigntask.people.facts import OrganisationFacts, PersonFacts
from assigntask.people.text import checked_email, email_key
from assigntask.tasks.import_sources import Sources

from .people import said_of, tell

Clock = Callable[[], dt.datetime]

SOURCE = "founding"


@dataclass(frozen=True, slots=True)
class Founded:
    """`admin` is None where nobody was named, or where `kept_out` says why the one named is left as they are."""

    organisation: OrganisationFacts
    made: bool
    admin: PersonFacts | None
    changed: bool
    kept_out: Literal["forgotten", "left"] | None = None


class Founding:
    """`key` is the importers': what it names is known again, and tells nothing to whoever lacks it."""

    def __init__(self, db: Database, key: bytes, clock: Clock) -> None:
        self._db = db
        self._key = key
        self._clock = clock

    async def organisation(self, name: str, *, time_zone: str = "UTC") -> OrganisationFacts:
        """The organisation of that name, made where it is missing; who its admin is comes later. Raises Invalid."""
        return (await self._db.write(_organisation, name, time_zone, self._clock()))[0]

    async def ensure(
        self, name: str, *, time_zone: str = "UTC", email: str | None = None, admin_name: str | None = None
    ) -> Founded:
        """The organisation of that name with this admin; both are made where they are missing.

        What was decided about the admin since the first time holds: somebody who is a member now stays one, and
        nobody who was forgotten comes back. Raises HostError `admin_needed`, Invalid.
        """
        return await self._db.write(_ensure, name, time_zone, email, admin_name, self._key, self._clock())


def _ensure(
    conn: Connection,
    name: str,
    time_zone: str,
    email: str | None,
    admin_name: str | None,
    key: bytes,
    now: dt.datetime,
) -> Founded:
    organisation, made = _organisation(conn, name, time_zone, now)
    if email is None:
        if not any(each.role == "admin" and each.state == "active" for each in people.listed(conn, organisation.id)):
            raise HostError(
                "admin_needed", f"{organisation.name} has no admin yet: name one by e-mail address.", name=name
            )
        return Founded(organisation, made, None, made)
    organisations.lock(conn, organisation.id)
    sources = Sources(organisation.id, SOURCE, key)
    outside = email_key(checked_email(email))
    before = sources.known(conn, "person", [outside])
    if outside in before:
        person_id = before[outside]
        person = None if person_id is None else people.get(conn, organisation.id, person_id)
        if person is None or person.state == "forgotten":
            return Founded(organisation, made, None, made, "forgotten")
        return Founded(organisation, made, person, made)
    admin, changed = _admin(conn, organisation.id, email, admin_name, now)
    if admin.state != "active":
        return Founded(organisation, made, None, made, "left")
    sources.remember(conn, "person", {outside: admin.id})
    return Founded(organisation, made, admin, made or changed)


def _organisation(conn: Connection, name: str, time_zone: str, now: dt.datetime) -> tuple[OrganisationFacts, bool]:
    """With whether it was made."""
    known = {each.name: each for each in organisations.listed(conn)}
    found = known.get(name.strip())
    return (found, False) if found is not None else (organisations.create(conn, name, time_zone, now), True)


def _admin(
    conn: Connection, organisation_id: str, email: str, name: str | None, now: dt.datetime
) -> tuple[PersonFacts, bool]:
    """The person, and whether they were made, or made an admin, just now."""
    wanted = email_key(email.strip())
    everybody = people.listed(conn, organisation_id)
    found = next((each for each in everybody if each.email and email_key(each.email) == wanted), None)
    if found is None:
        name = name or email.strip().partition("@")[0]
        found = people.add(conn, organisation_id, name=name, email=email, role="admin", now=now)
        tell(conn, doers.operator_of(organisation_id), "person.joined", found, now, changed=said_of(found))
        return found, True
    if found.state != "active" or found.role == "admin":
        return found, False
    found = people.set_role(conn, organisation_id, found.id, "admin")
    tell(conn, doers.operator_of(organisation_id), "person.changed", found, now, changed=("role",))
    return found, True
