"""`Gate.release`: the one door."""

from __future__ import annotations

import datetime as dt
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from assigntask.db.database import Database
from assigntask.gate import released as door
from assigntask.gate.memory import Memory
from assigntask.gate.projection import NOTHING, Facts, People, Projection, Seen, plans_for
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
class _Known:
    """The people of one organisation who were named so far, at one epoch. `people` shows what is in `by_id`."""

    epoch: int
    by_id: dict[str, PersonFacts]
    people: People


@dataclass(frozen=True, slots=True)
class Slot:
    """One place of what is to be sent: facts, or several, or several by name.

    `detail`: what opens the slot at all ("viewer.change"); without it the slot stays None. `own`: person id →
    details of that person that are opened beside the grant, because they agreed to be a contact. `needs`: of what
    the release asks for, this place takes these alone; None: all.
    """

    facts: Facts | Sequence[Facts] | Mapping[str, Facts] | None
    detail: str | None = None
    own: Mapping[str, frozenset[str]] | None = None
    draft: bool = False  # not saved yet: the version does not tell what was passed, so it is recorded every time
    needs: frozenset[str] | None = None

    def each(self) -> Iterable[Facts]:
        facts = self.facts
        if isinstance(facts, Facts):
            return (facts,)
        if facts is None:
            return ()
        return facts.values() if isinstance(facts, Mapping) else facts


class Gate:
    def __init__(self, db: Database, ledger: Ledger, clock: Clock, *, memory: Memory | None = None) -> None:
        self._db = db
        self._ledger = ledger
        self._clock = clock
        self._memory = memory or Memory()
        self._people: OrderedDict[str, _Known] = OrderedDict()

    async def release(
        self, grant: Grant, needs: frozenset[str], slots: Mapping[str, Slot], *, channel: Channel
    ) -> Released:
        """The records that this grant opens, with no more than `needs`; recorded and durable when this returns.

        Records that are out of reach or whole withheld are left out (None, or absent from a sequence).
        """
        details = grant.opens(needs)
        wanted = _named(details, slots)
        people = NOBODY
        if wanted:
            known = self._people.get(grant.organisation_id)
            if known is None or known.epoch != grant.epoch or not known.by_id.keys() >= wanted:
                known = await self._learn(grant, wanted)
            people = known.people
        projection = Projection(grant, details, people)
        values: dict[str, Any] = {}
        draft = False
        narrower: dict[frozenset[str], Projection] = {}
        for name, slot in slots.items():
            if slot.needs is None:
                values[name] = _fill(projection, grant, slot, needs)
            else:
                own = needs & slot.needs
                if own not in narrower:
                    narrower[own] = Projection(grant, grant.opens(own), people, projection.seen)
                values[name] = _fill(narrower[own], grant, slot, own)
            draft = draft or slot.draft
        noted = projection.seen.noted
        entry_id = None
        if noted:
            day = self._clock().toordinal()
            if draft or not self._memory.holds(grant.installation_id, day, noted):
                entry_id = await self._ledger.record(disclosure(grant, projection.seen, channel))
                if not draft:
                    self._memory.add(grant.installation_id, day, noted)
        return Released(MappingProxyType(values), details, entry_id, grant.installation_id, channel, door=door._DOOR)

    async def _learn(self, grant: Grant, wanted: Set[str]) -> _Known:
        known = self._people.get(grant.organisation_id)
        if known is None or known.epoch != grant.epoch:
            sizes = await self._db.read(people_rows.department_sizes, grant.organisation_id)
            by_id: dict[str, PersonFacts] = {}
            known = self._people[grant.organisation_id] = _Known(grant.epoch, by_id, People(by_id, dict(sizes)))
            while len(self._people) > KEPT_ORGANISATIONS:
                self._people.popitem(last=False)
        missing = wanted - known.by_id.keys()
        if missing:
            known.by_id.update(await self._db.read(people_rows.load, grant.organisation_id, sorted(missing)))
        return known


def _named(details: frozenset[str], slots: Mapping[str, Slot]) -> Set[str]:
    """The ids of all who have to be known to make the records."""
    plans = plans_for(details)
    wanted: set[str] = set()
    for slot in slots.values():
        for facts in slot.each():
            for named in plans[facts.kind].named:
                wanted.update(named(facts))
    return wanted


def _fill(projection: Projection, grant: Grant, slot: Slot, needs: frozenset[str]) -> Any:
    facts, told = slot.facts, NOTHING
    if slot.detail is not None:
        if slot.detail not in needs or slot.detail not in grant.details:
            return None
        told = frozenset((slot.detail,))
    if isinstance(facts, Facts):
        return _record(projection, grant, slot, facts, told)
    if facts is None:
        return None
    if isinstance(facts, Mapping):
        filled = {name: _record(projection, grant, slot, each, told) for name, each in facts.items()}
        return {name: value for name, value in filled.items() if value is not None}
    found = (_record(projection, grant, slot, each, told) for each in facts)
    return tuple(value for value in found if value is not None)


def _record(projection: Projection, grant: Grant, slot: Slot, facts: Facts, told: frozenset[str]) -> Any:
    if grant.projects is not None and not _reached(grant.projects, facts):
        return None
    own = slot.own.get(facts.id, NOTHING) if slot.own else NOTHING
    return projection.record(facts, own, told)


def _reached(projects: frozenset[str], facts: Facts) -> bool:
    project_id = facts.id if facts.kind == "project" else getattr(facts, "project", None)
    return project_id is None or project_id in projects


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
        details=seen.details(),
        records=seen.records(),
        subjects=seen.subjects(),
        values=seen.values(),
    )
