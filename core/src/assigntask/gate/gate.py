"""`Gate.release`: the one door."""

from __future__ import annotations

import datetime as dt
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assigntask.db.database import Database
from assigntask.gate import released as door
from assigntask.gate.memory import Memory
from assigntask.gate.projection import NOTHING, Facts, People, Projection, Seen, named_people, plan_for
from assigntask.gate.released import Released
from assigntask.grants.grant import Grant
from assigntask.ledger.channel import Channel
from assigntask.ledger.entry import Disclosure, Recipient, Subject
from assigntask.ledger.ledger import Ledger
from assigntask.people import people as people_rows
from assigntask.people.facts import PersonFacts

Clock = Callable[[], dt.datetime]

NOBODY = People({}, {})
KEPT_ORGANISATIONS = 200


@dataclass(frozen=True, slots=True)
class Slot:
    """One place of what is to be sent: facts, or several, or several by name.

    `detail`: what opens the slot at all ("viewer.change"); without it the slot stays None. `own`: person id →
    details of that person that are opened beside the grant, because they agreed to be a contact.
    """

    facts: Facts | Sequence[Facts] | Mapping[str, Facts] | None
    detail: str | None = None
    own: Mapping[str, frozenset[str]] | None = None
    draft: bool = False  # not saved yet: the version does not tell what was passed, so it is recorded every time

    def each(self) -> Iterable[Facts]:
        if self.facts is None:
            return ()
        if isinstance(self.facts, Mapping):
            return self.facts.values()
        return self.facts if isinstance(self.facts, Sequence) else (self.facts,)


class Gate:
    def __init__(self, db: Database, ledger: Ledger, clock: Clock, *, memory: Memory | None = None) -> None:
        self._db = db
        self._ledger = ledger
        self._clock = clock
        self._memory = memory or Memory()
        self._people: OrderedDict[str, tuple[int, dict[str, PersonFacts], dict[str, int]]] = OrderedDict()

    async def release(
        self, grant: Grant, needs: frozenset[str], slots: Mapping[str, Slot], *, channel: Channel
    ) -> Released:
        """The records that this grant opens, with no more than `needs`; recorded and durable when this returns.

        Records that are out of reach or whole withheld are left out (None, or absent from a sequence).
        """
        details = grant.opens(needs)
        projection = Projection(grant, details, await self._people_for(grant, details, slots))
        values = {name: _fill(projection, grant, slot, needs) for name, slot in slots.items()}
        seen = projection.seen
        entry_id = None
        if seen.records:
            day = self._clock().toordinal()
            draft = any(slot.draft for slot in slots.values())
            if draft or not self._memory.holds(grant.installation_id, day, seen.records):
                entry_id = await self._ledger.record(disclosure(grant, seen, channel))
                if not draft:
                    self._memory.add(grant.installation_id, day, seen.records)
        return Released(values, details, entry_id, grant.installation_id, channel, door=door._DOOR)

    async def _people_for(self, grant: Grant, details: frozenset[str], slots: Mapping[str, Slot]) -> People:
        wanted: set[str] = set()
        for slot in slots.values():
            for facts in slot.each():
                if plan_for(facts.kind, details).names_people:
                    wanted |= named_people(facts)
        if not wanted:
            return NOBODY
        kept = self._people.get(grant.organisation_id)
        if kept is None or kept[0] != grant.epoch:
            sizes = await self._db.read(people_rows.department_sizes, grant.organisation_id)
            kept = self._people[grant.organisation_id] = (grant.epoch, {}, dict(sizes))
            while len(self._people) > KEPT_ORGANISATIONS:
                self._people.popitem(last=False)
        missing = wanted - kept[1].keys()
        if missing:
            kept[1].update(await self._db.read(people_rows.load, grant.organisation_id, sorted(missing)))
        return People(kept[1], kept[2])


def _fill(projection: Projection, grant: Grant, slot: Slot, needs: frozenset[str]) -> Any:
    if slot.facts is None or (
        slot.detail is not None and (slot.detail not in needs or slot.detail not in grant.details)
    ):
        return None
    told = NOTHING if slot.detail is None else frozenset((slot.detail,))

    def record(facts: Facts) -> Any:
        if not _reached(grant, facts):
            return None
        own = slot.own.get(facts.id, NOTHING) if slot.own else NOTHING
        return projection.record(facts, own, told)

    if isinstance(slot.facts, Mapping):
        filled = {name: record(facts) for name, facts in slot.facts.items()}
        return {name: value for name, value in filled.items() if value is not None}
    if isinstance(slot.facts, Sequence):
        return tuple(value for facts in slot.facts if (value := record(facts)) is not None)
    return record(slot.facts)


def _reached(grant: Grant, facts: Facts) -> bool:
    if grant.projects is None:
        return True
    project_id = facts.id if facts.kind == "project" else getattr(facts, "project", None)
    return project_id is None or project_id in grant.projects


def disclosure(grant: Grant, seen: Seen, channel: Channel) -> Disclosure:
    actor = grant.actor
    actor_subject = None
    if grant.actor_subject_id is not None and actor.person_id is not None and not grant.withholds(actor.person_id):
        actor_subject = Subject(grant.actor_subject_id, grant.generation(actor.person_id))
    return Disclosure(
        organisation_id=grant.organisation_id,
        recipient=Recipient(grant.installation_id, grant.app_id, grant.vendor, grant.version, grant.assurance),
        channel=channel,
        actor=actor.kind,
        actor_subject=actor_subject,
        details=frozenset(seen.details),
        records=list(dict.fromkeys(record for record, _ in seen.records)),
        subjects=list(seen.subjects.values()),
        values=list(seen.values.values()),
    )
