"""Forgetting a person: here at once, and asked of everybody who was given something about them."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask.db.database import Database
from assigntask.erasures import recipients as erasing
from assigntask.erasures import rows as erasures
from assigntask.errors import HostError
from assigntask.people import contacts, doers, organisations, people
from assigntask.people.facts import Doer, PersonFacts
from assigntask.stores import rows as stores

from . import withdrawal
from .ledger import Acts, Keys

log = structlog.get_logger(__name__)

Clock = Callable[[], dt.datetime]

EVER: tuple[str, ...] = ("active", "disabled", "uninstalled", "wiped")
"""Of an installation that was given something: what such an app keeps outlives what the host keeps of it."""

_WORDS = ((t.delivery, ("last_error", "answer")), (t.breaker, ("last_error",)), (t.job, ("text", "last_error")))


@dataclass(frozen=True, slots=True)
class Forgotten:
    """`recipients`: the installations, also past ones, that had been given something about the person."""

    person_id: str
    recipients: tuple[str, ...]


class Forgetting:
    """Everything but the key goes in one transaction. The key goes last: until then the ledger can tell whom it
    was about, and a process that dies in between leaves what `sweep` finishes.
    """

    def __init__(self, db: Database, ledger: Acts, keys: Keys, clock: Clock) -> None:
        self._db = db
        self._ledger = ledger
        self._keys = keys
        self._clock = clock

    async def forget(self, doer: Doer, person_id: str) -> Forgotten:
        """Asked for by the person, an admin or the operator. A second time nothing happens.

        Raises NotAllowed, NotFound, HostError `last_admin`.
        """
        return await self._forget(doer, person_id, await asyncio.to_thread(self._keys.destroyed))

    async def _forget(self, doer: Doer, person_id: str, gone: Collection[str]) -> Forgotten:
        forgotten, subject_id = await self._db.write(_forget, doer, person_id, self._ledger, gone, self._clock())
        await asyncio.to_thread(self._keys.destroy, subject_id)
        return forgotten

    async def sweep(self) -> list[str]:
        """Destroys what keys of forgotten people there still are, and forgets again whom an older copy of the
        database brought back: their key is gone already. The ids of those people.

        Vendors that were asked to erase something too long ago count as silent from now on.
        """
        await self._give_up_overdue()
        left: list[str] = []
        for person_id, subject_id in await self._db.read(_all_forgotten):
            if await asyncio.to_thread(self._keys.exists, subject_id):
                await asyncio.to_thread(self._keys.destroy, subject_id)
                left.append(person_id)
        gone = await asyncio.to_thread(self._keys.destroyed)
        for organisation_id, person_id in await self._db.read(_back, gone):
            try:
                await self._forget(doers.operator_of(organisation_id), person_id, gone)
            except HostError as error:  # the last admin: somebody else has to be made one first
                log.warning("not_forgotten_again", organisation=organisation_id, person=person_id, code=error.code)
            else:
                left.append(person_id)
        return left

    async def _give_up_overdue(self) -> None:
        now = self._clock()
        for organisation_id, erasure_id in await self._db.read(erasures.overdue, now):
            await self._db.write(erasures.give_up, organisation_id, erasure_id, now)


def _forget(
    conn: Connection, doer: Doer, person_id: str, ledger: Acts, gone: Collection[str], now: dt.datetime
) -> tuple[Forgotten, str]:
    """`gone`: subjects whose keys were destroyed already."""
    organisation_id = doer.organisation_id
    organisations.raise_epoch(conn, organisation_id)
    acting = doer if doer.person_id == person_id else doers.current(conn, doer)
    doers.require_self(acting, person_id, "have somebody forgotten", or_admin=True)
    people.hold(conn, organisation_id, person_id)  # no release about them is recorded behind our back
    person = people.get(conn, organisation_id, person_id)
    if person.state == "forgotten":
        return Forgotten(person_id, ()), person.subject_id
    # While the key is there and the person has a name: afterwards nobody could tell any more who was given what.
    recipients = _recipients(conn, ledger, person, organisation_id, gone)
    facts = {"recipients": recipients, "apps": _apps(conn, organisation_id, recipients)}
    ledger.act(conn, organisation_id, "erasure", doer=doer, facts=facts, subjects=[person])
    scrubbed = people.scrub(conn, organisation_id, person_id, now)
    # They are held before any of them is changed, in one order, as whoever tells several of them something holds them.
    asked = withdrawal.installed(conn, organisation_id, among=recipients, states=EVER)
    _clear(conn, organisation_id, person_id)
    _clear_words(conn, organisation_id, recipients)
    _ask(conn, doer, scrubbed, asked, now)
    return Forgotten(person_id, tuple(recipients)), person.subject_id


def _recipients(
    conn: Connection, ledger: Acts, person: PersonFacts, organisation_id: str, gone: Collection[str]
) -> list[str]:
    """Without the key, which is so where an older copy of the database was put back, nobody can tell who was given
    something about the person. Then everybody is asked who was given anything: an id that an app never knew says
    nothing to it.
    """
    if person.subject_id in gone:
        return erasing.ever_given(conn, organisation_id)
    return ledger.recipients(conn, organisation_id, person)


def _ask(conn: Connection, doer: Doer, person: PersonFacts, asked: withdrawal.Installed, now: dt.datetime) -> None:
    """Each of the apps, whatever became of its installation, as long as it has a hook for it."""
    organisation_id = doer.organisation_id
    known = withdrawal.generations(conn, organisation_id, person.id)
    hearing = erasing.hearing(conn, organisation_id, "person_forgotten")
    told = {app_id: [each for each in ids if each in hearing] for app_id, ids in asked.items()}
    told = {app_id: ids for app_id, ids in told.items() if ids}
    deliveries = withdrawal.tell(conn, doer, person, told, now, kind="person.forgotten")
    for app_id, ids in asked.items():
        for each in ids:
            about = erasures.Forgotten(person.id, known.get(app_id, 0))
            erasures.ask(conn, organisation_id, each, about, deliveries.get(each), now)


def _clear(conn: Connection, organisation_id: str, person_id: str) -> None:
    """What apps stored about them, their settings, whom they were a contact for, where they came from.

    Objections and restrictions stay, which are an id and a date: what was refused must not be given after all.
    """
    stores.wipe_person(conn, organisation_id, person_id)
    conn.execute(
        sa.delete(t.enrolment).where(
            t.enrolment.c.organisation_id == organisation_id, t.enrolment.c.person_id == person_id
        )
    )
    contacts.clear_person(conn, organisation_id, person_id)
    _clear_app_contacts(conn, organisation_id, person_id)
    conn.execute(
        sa.update(t.import_source)
        .where(
            t.import_source.c.organisation_id == organisation_id,
            t.import_source.c.kind == "person",
            t.import_source.c.record_id == person_id,
        )
        .values(record_id=None)
    )


def _clear_words(conn: Connection, organisation_id: str, recipients: Sequence[str]) -> None:
    """What those apps said when something failed: it may name the person."""
    for table, words in _WORDS:
        conn.execute(
            sa.update(table)
            .where(table.c.organisation_id == organisation_id, table.c.installation_id.in_(recipients))
            .values(dict.fromkeys(words))
        )
    conn.execute(
        sa.update(t.problem)
        .where(t.problem.c.organisation_id == organisation_id, t.problem.c.installation_id.in_(recipients))
        .values(text="Removed: somebody whom it may have named was forgotten.")
    )


def _clear_app_contacts(conn: Connection, organisation_id: str, person_id: str) -> None:
    query = sa.select(t.installation.c.id, t.installation.c.contacts).where(
        t.installation.c.organisation_id == organisation_id
    )
    for row in conn.execute(query.order_by(t.installation.c.id)).all():
        rest = {kind: known for kind, known in row.contacts.items() if known != person_id}
        if len(rest) < len(row.contacts):
            conn.execute(
                sa.update(t.installation)
                .where(t.installation.c.organisation_id == organisation_id, t.installation.c.id == row.id)
                .values(contacts=rest)
            )


def _apps(conn: Connection, organisation_id: str, installations: Sequence[str]) -> list[str]:
    query = sa.select(t.installation.c.app_id).where(
        t.installation.c.organisation_id == organisation_id, t.installation.c.id.in_(sorted(installations))
    )
    return sorted(set(conn.execute(query).scalars()))


def _back(conn: Connection, subject_ids: Sequence[str]) -> list[tuple[str, str]]:
    """Organisation and person, of those whose key was destroyed and who are not forgotten."""
    found: list[tuple[str, str]] = []
    for start in range(0, len(subject_ids), 1000):
        query = sa.select(t.person.c.organisation_id, t.person.c.id).where(
            t.person.c.subject_id.in_(subject_ids[start : start + 1000]), t.person.c.state != "forgotten"
        )
        found += [(row[0], row[1]) for row in conn.execute(query.order_by(t.person.c.organisation_id, t.person.c.id))]
    return found


def _all_forgotten(conn: Connection) -> list[tuple[str, str]]:
    """Of every organisation: a sweep is the host's own."""
    query = sa.select(t.person.c.organisation_id, t.person.c.id, t.person.c.subject_id).where(
        t.person.c.state == "forgotten"
    )
    return [(row.id, row.subject_id) for row in conn.execute(query.order_by(t.person.c.organisation_id, t.person.c.id))]
