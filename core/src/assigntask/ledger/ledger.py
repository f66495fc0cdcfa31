"""The append-only record. A release waits for its row here before anything leaves."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask.db.database import Database
from assigntask.db.ids import new_id
from assigntask.errors import HostError
from assigntask.ledger import rows, sealing
from assigntask.ledger.entry import Act, Disclosure, Fact, Row, Subject, act_row, disclosure_row
from assigntask.ledger.keys import KeyRing
from assigntask.ledger.subjects import SubjectKeys, subject_ref
from assigntask.ledger.verification import Verification, verify
from assigntask.people.facts import Doer, PersonFacts
from assigntask_sdk.errors import TryLater

Clock = Callable[[], dt.datetime]

BATCH = 500  # entries that share one commit, at most


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """An entry as people read it. `subjects` are person ids where their key is there, else opaque references."""

    id: str
    index: int | None
    at: dt.datetime
    kind: str
    channel: str | None
    app: str | None
    installation: str | None
    counterparty: str | None
    grant: int | None
    assurance: str | None
    actor: str
    details: tuple[str, ...]
    records: tuple[tuple[str, str, int], ...]
    subjects: tuple[str, ...]
    facts: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "index": self.index,
            "at": self.at.isoformat().replace("+00:00", "Z"),
            "kind": self.kind,
            "direction": "out" if self.kind == "release" else None,
            "channel": self.channel,
            "app": self.app,
            "installation": self.installation,
            "counterparty": self.counterparty,
            "grant": self.grant,
            "assurance": self.assurance,
            "actor": self.actor,
            "details": list(self.details),
            "records": [list(record) for record in self.records],
            "subjects": list(self.subjects),
            "facts": dict(self.facts),
        }


@dataclass(frozen=True, slots=True)
class _Waiting:
    row: Row
    subject_ids: Collection[str]
    written: asyncio.Future[None]


class Ledger:
    def __init__(self, db: Database, keys: KeyRing, subject_keys: SubjectKeys, clock: Clock) -> None:
        self._db = db
        self._keys = keys
        self._subject_keys = subject_keys
        self._clock = clock
        self._waiting: list[_Waiting] = []
        self._flights: set[asyncio.Task[None]] = set()
        self._most_flights = 1 if db.dialect == "sqlite" else 4

    # Writing

    async def record(self, disclosure: Disclosure) -> str:
        """The entry's id, once the entry is durable. Releases in flight at once share commits.

        Raises TryLater where somebody in it was forgotten in the meantime; DatabaseError.
        """
        at = self._clock()
        wanted = _named(disclosure)
        keys = self._subject_keys.cached(wanted)
        if keys is None:
            keys = await asyncio.to_thread(self._subject_keys.ensure, wanted)
        _require_keys(disclosure, keys)
        row = disclosure_row(disclosure, id=new_id(), at=at, keys=keys)
        written = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(row, wanted, written))
        if len(self._flights) < self._most_flights:
            flight = asyncio.create_task(self._fly())
            self._flights.add(flight)
        await written
        return row.id

    async def _fly(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
                await self._write(batch)
        finally:
            # Not in a callback: whoever was answered a moment ago may record again before callbacks run.
            if (flight := asyncio.current_task()) is not None:
                self._flights.discard(flight)

    async def _write(self, batch: Sequence[_Waiting]) -> None:
        try:
            left_out = await self._db.write(
                rows.insert_unless_forgotten, [(each.row, each.subject_ids) for each in batch]
            )
        except Exception as error:  # belongs to each of those who wait
            for each in batch:
                if not each.written.done():
                    each.written.set_exception(error)
            return
        for each in batch:
            if each.written.done():
                continue
            if each.row.id in left_out:
                each.written.set_exception(_forgotten_meanwhile())
            else:
                each.written.set_result(None)

    def disclose(self, conn: Connection, disclosure: Disclosure) -> str:
        """As `record`, inside a write unit: for what is released by the very act that the unit does."""
        keys = self._subject_keys.ensure(_named(disclosure))
        _require_keys(disclosure, keys)
        row = disclosure_row(disclosure, id=new_id(), at=self._clock(), keys=keys)
        rows.insert(conn, [row])
        return row.id

    def act(
        self,
        conn: Connection,
        organisation_id: str,
        kind: str,
        *,
        app_id: str | None = None,
        installation_id: str | None = None,
        doer: Doer | None = None,
        facts: Mapping[str, Fact] | None = None,
        subjects: Sequence[PersonFacts] = (),
    ) -> str:
        """Records, inside the write unit that does it, something that was done. Facts hold nobody's details."""
        by = self._subject_of(conn, doer)
        about = [Subject(person.subject_id) for person in subjects]
        act = Act(
            organisation_id,
            kind,
            facts or {},
            app_id=app_id,
            installation_id=installation_id,
            by=by,
            operator=bool(doer and doer.operator),
            subjects=about,
        )
        wanted = {subject.subject_id for subject in (*about, *((by,) if by else ()))}
        row = act_row(act, id=new_id(), at=self._clock(), keys=self._subject_keys.ensure(wanted))
        rows.insert(conn, [row])
        return row.id

    def _subject_of(self, conn: Connection, doer: Doer | None) -> Subject | None:
        if doer is None or doer.person_id is None:
            return None
        found = conn.execute(
            sa.select(t.person.c.subject_id).where(
                t.person.c.organisation_id == doer.organisation_id, t.person.c.id == doer.person_id
            )
        ).scalar()
        return Subject(found) if found else None

    # Reading

    async def given(
        self,
        organisation_id: str,
        *,
        app_id: str | None = None,
        person: PersonFacts | None = None,
        limit: int | None = None,
    ) -> list[LedgerEntry]:
        """Oldest first. `person`: only entries about them, over all installations there ever were.

        `limit`: the newest so many.
        """
        return await self._db.read(self._given, organisation_id, app_id, person, limit)

    def _given(
        self, conn: Connection, organisation_id: str, app_id: str | None, person: PersonFacts | None, limit: int | None
    ) -> list[LedgerEntry]:
        refs = self._refs(conn, organisation_id, [(person.id, person.subject_id)]) if person else None
        found = rows.find(conn, organisation_id, app_id=app_id, refs=refs, limit=limit)
        named = self._refs(conn, organisation_id, _subjects(conn, organisation_id))
        return [_entry(stored, named) for stored in found]

    def recipients(self, conn: Connection, organisation_id: str, person: PersonFacts) -> list[str]:
        """Ids of the installations, in whatever state, that were ever given something about the person."""
        refs = self._refs(conn, organisation_id, [(person.id, person.subject_id)])
        return rows.recipients(conn, organisation_id, refs) if refs else []

    def _refs(self, conn: Connection, organisation_id: str, people: Collection[tuple[str, str]]) -> dict[str, str]:
        """subject_ref → person id, for every installation and generation that there ever was."""
        keys = self._subject_keys.existing(subject_id for _, subject_id in people)
        installations = conn.execute(
            sa.select(t.installation.c.id, t.installation.c.app_id).where(
                t.installation.c.organisation_id == organisation_id
            )
        ).all()
        generations = {
            (row.app_id, row.person_id): row.generation
            for row in conn.execute(
                sa.select(t.pairwise_generation).where(t.pairwise_generation.c.organisation_id == organisation_id)
            )
        }
        refs: dict[str, str] = {}
        for person_id, subject_id in people:
            key = keys.get(subject_id)
            if key is None:
                continue
            refs[subject_ref(key, "", 0)] = person_id
            for installation_id, app_id in installations:
                for generation in range(generations.get((app_id, person_id), 0) + 1):
                    refs[subject_ref(key, installation_id, generation)] = person_id
        return refs

    # Sealing

    async def seal(self, organisation_id: str | None = None) -> int:
        """Gives waiting entries their place in the tree and signs a checkpoint; how many were sealed.

        Raises HostError `ledger_damaged` where the stored tree can't be continued; the others are sealed first.
        """
        organisations = [organisation_id] if organisation_id else await self._db.read(sealing.waiting_organisations)
        total = 0
        damaged: HostError | None = None
        for each in organisations:
            key = self._keys.signing_key(sealing.origin_of(each))
            try:
                while sealed := await self._db.write(sealing.seal, each, key, self._clock()):
                    total += sealed
            except HostError as error:  # one organisation's damage must not keep the others waiting
                damaged = damaged or error
        if damaged is not None:
            raise damaged
        return total

    async def checkpoint(self, organisation_id: str) -> str:
        """The newest signed checkpoint, with everything sealed before it is taken. Keep it elsewhere."""
        await self.seal(organisation_id)
        last = await self._db.read(sealing.last_checkpoint, organisation_id)
        if last is None:
            raise HostError("ledger_empty", "The ledger has no entries yet, so there is nothing to sign.")
        return last[1]

    async def verify(self, organisation_id: str, since: str | None = None) -> Verification:
        """Recomputes everything that is sealed. `since`: a checkpoint kept elsewhere."""
        verifiers = self._keys.verifiers(sealing.origin_of(organisation_id))

        def run(conn: Connection) -> Verification:
            if conn.dialect.name == "postgresql":  # entries sealed meanwhile must not look like a contradiction
                conn.execute(sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            people = _subjects(conn, organisation_id)
            keys = self._subject_keys.existing(subject_id for _, subject_id in people)
            subjects = dict(people)
            refs = self._refs(conn, organisation_id, people)
            key_of_ref = {ref: keys[subjects[person_id]] for ref, person_id in refs.items()}
            return verify(conn, organisation_id, verifiers, since=since, key_of_ref=key_of_ref)

        return await self._db.read(run)

    async def close(self) -> None:
        for flight in list(self._flights):
            with suppress(Exception):
                await flight


def _named(disclosure: Disclosure) -> set[str]:
    """The subjects whose keys the entry needs."""
    found = {subject.subject_id for subject in disclosure.subjects}
    found |= {seen.subject.subject_id for seen in disclosure.records if seen.subject}
    if disclosure.actor_subject:
        found.add(disclosure.actor_subject.subject_id)
    return found


def _require_keys(disclosure: Disclosure, keys: Mapping[str, bytes]) -> None:
    """Somebody forgotten since their facts were read can't be recorded, so nothing about them may leave."""
    if _named(disclosure) - keys.keys():
        raise _forgotten_meanwhile()


def _forgotten_meanwhile() -> TryLater:
    return TryLater("Somebody was forgotten at this very moment; ask again.")


def _subjects(conn: Connection, organisation_id: str) -> list[tuple[str, str]]:
    query = sa.select(t.person.c.id, t.person.c.subject_id).where(t.person.c.organisation_id == organisation_id)
    return [(row[0], row[1]) for row in conn.execute(query)]


def _entry(stored: rows.Stored, named: Mapping[str, str]) -> LedgerEntry:
    body = stored.body()
    by = body.get("by")
    actor = body.get("actor_subject") or body.get("by_subject") or ""
    person = named.get(actor)
    return LedgerEntry(
        id=stored.id,
        index=stored.leaf_index,
        at=stored.at,
        kind=stored.kind,
        channel=stored.channel,
        app=stored.app_id,
        installation=stored.installation_id,
        counterparty=body.get("counterparty"),
        grant=body.get("grant"),
        assurance=body.get("assurance"),
        actor=_actor(str(body.get("actor") or by or ""), person),
        details=tuple(body.get("details", ())),
        records=tuple((kind, named.get(name, name), version) for kind, name, version in body.get("records", ())),
        subjects=tuple(sorted({named.get(ref, ref) for ref in body["subjects"]})),
        facts=body.get("facts", {}),
    )


def _actor(kind: str, person_id: str | None) -> str:
    if person_id is None:
        return kind
    return f"operator, on behalf of {person_id}" if kind == "operator" else f"{kind} {person_id}"
