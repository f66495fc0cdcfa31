"""Facts to records: only what is opened, with people as this installation may know them. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from assigntask.grants.grant import Grant
from assigntask.ledger.entry import RecordSeen, Subject, Value
from assigntask.people.facts import DepartmentFacts, OrganisationFacts, PersonFacts
from assigntask.tasks.facts import AttachmentFacts, CommentFacts, ProjectFacts, TaskFacts, TaskTypeFacts
from assigntask.tasks.mentions import REFERENCE
from assigntask_sdk.details import DETAILS, STREAMED, About, DetailClass
from assigntask_sdk.records import RECORDS, DepartmentCount, Person, Record

Facts = (
    OrganisationFacts
    | DepartmentFacts
    | TaskTypeFacts
    | ProjectFacts
    | TaskFacts
    | CommentFacts
    | AttachmentFacts
    | PersonFacts
)

NOTHING: frozenset[str] = frozenset()
WITHHELD = Person({"withheld": True})

Whom = tuple[str, int]
"""Subject id and generation: what a Subject is made of once something has to be recorded, which is seldom."""

Noted = tuple[str, str, int, Whom | None, frozenset[str]]
"""A record that is about to pass: kind, id, version, the person whose record it is, the details."""

NAME = frozenset({"person.name"})
DEPARTMENTS = frozenset({"task.departments"})
_WRITTEN = (CommentFacts, AttachmentFacts)
IDENTIFYING = frozenset(d.name for d in DETAILS.values() if d.klass is DetailClass.IDENTIFYING)


class Seen:
    """What one release is about to pass, as the ledger will say it."""

    __slots__ = ("noted", "people", "whom")

    def __init__(self) -> None:
        self.noted: list[Noted] = []
        self.whom: dict[str, Whom] = {}  # by person id
        self.people: list[tuple[PersonFacts, frozenset[str]]] = []

    def details(self) -> frozenset[str]:
        return NOTHING.union(*(details for *_, details in self.noted))

    def records(self) -> list[RecordSeen]:
        """Each once, though it may have been passed in several places."""
        return [
            RecordSeen(kind, record_id, version, Subject(*whom) if whom else None)
            for kind, record_id, version, whom in dict.fromkeys(noted[:4] for noted in self.noted)
        ]

    def subjects(self) -> list[Subject]:
        return [Subject(*whom) for whom in self.whom.values()]

    def values(self) -> list[Value]:
        """The identifying ones, that the entry commits to."""
        found: dict[tuple[str, str], Value] = {}
        for facts, details in self.people:
            for name in sorted(details & IDENTIFYING):
                value = getattr(facts, DETAILS[name].field)
                if value is not None:
                    found[facts.id, name] = Value(Subject(*self.whom[facts.id]), name, str(value))
        return list(found.values())


@dataclass(frozen=True, slots=True)
class People:
    """Those who are named by the facts, and how many active people each department has."""

    by_id: Mapping[str, PersonFacts]
    department_sizes: Mapping[str, int]


class Projection:
    """One release: turns facts into records and keeps what it passed in `seen`.

    Where parts of one release are opened differently, each has its own projection, and all have the same `seen`.
    """

    def __init__(self, grant: Grant, details: frozenset[str], people: People, seen: Seen | None = None) -> None:
        self._grant = grant
        self._withheld = grant.withheld
        self._details = details
        self._plans = plans_for(details)
        self._people = people
        self._made: dict[str, Person] = {}
        self.seen = seen or Seen()

    def record(self, facts: Facts, own: frozenset[str] = NOTHING, told: frozenset[str] = NOTHING) -> Record | None:
        """None where the whole record is withheld: what a withheld person wrote is absent.

        `own`: details of this very person that are opened beside the grant (a contact's). `told`: details that
        the record tells by its place alone ("viewer.change").
        """
        if isinstance(facts, PersonFacts):
            return self.person(facts, own, told)
        plan = self._plans[facts.kind]
        if isinstance(facts, _WRITTEN):
            if facts.author is not None and self._grant.withholds(facts.author):
                return None
            if plan.about_author:
                self._note_author(facts.author)
        values = plan.read(facts)
        for name, read in plan.special:
            values[name] = read(facts, self)
        details = plan.details | told if told else plan.details
        self.seen.noted.append((facts.kind, facts.id, facts.version, None, details))
        return plan.record(values)

    def person(self, facts: PersonFacts, own: frozenset[str] = NOTHING, told: frozenset[str] = NOTHING) -> Person:
        if own or told:
            return WITHHELD if self._withholds(facts) else self._shown(facts, self._details | own, told)
        known = self._made.get(facts.id)
        if known is None:
            known = WITHHELD if self._withholds(facts) else self._shown(facts, self._details)
            self._made[facts.id] = known
        return known

    def _withholds(self, facts: PersonFacts) -> bool:
        return facts.state == "forgotten" or facts.id in self._withheld

    def _shown(self, facts: PersonFacts, details: frozenset[str], told: frozenset[str] = NOTHING) -> Person:
        plan = self._plans["person"] if details is self._details else plan_for("person", details)
        values = plan.read(facts)
        values["id"] = self._grant.pairwise(facts.id)
        values["withheld"] = False
        for field_name, read in plan.special:
            values[field_name] = read(facts, self)
        passed = plan.details | told if told else plan.details
        self.seen.noted.append(("person", facts.id, facts.version, self._whom(facts), passed))
        self.seen.people.append((facts, plan.details))
        return Person(values)

    def _whom(self, facts: PersonFacts) -> Whom:
        known = self.seen.whom.get(facts.id)
        if known is None:
            known = self.seen.whom[facts.id] = (facts.subject_id, self._grant.generation(facts.id))
        return known

    def person_by_id(self, person_id: str | None) -> Person | None:
        if person_id is None:
            return None
        known = self._made.get(person_id)
        if known is not None:
            return known
        facts = self._people.by_id.get(person_id)
        return WITHHELD if facts is None else self.person(facts)

    def people_by_id(self, person_ids: tuple[str, ...]) -> tuple[Person, ...]:
        """One marker stands for all who are withheld, so that it tells neither who nor how many."""
        shown: list[Person] = []
        for person_id in person_ids:
            person = self.person_by_id(person_id)
            if person is not None and person is not WITHHELD:
                shown.append(person)
        return tuple(shown) if len(shown) == len(person_ids) else (*shown, WITHHELD)

    def text(self, text: str) -> str:
        """Mentions become the name, where it is opened, else the id that only this installation knows."""
        return REFERENCE.sub(self._mention, text) if "<@" in text else text

    def departments(self, person_ids: tuple[str, ...]) -> tuple[DepartmentCount, ...]:
        """Counts of assignees; those who are withheld are not counted."""
        counts: dict[str, int] = {}
        for person_id in person_ids:
            facts = self._people.by_id.get(person_id)
            if facts is None or self._withholds(facts):
                continue
            # The count comes from the person's record: when that changes, the task's revision stays.
            self.seen.noted.append(("person", facts.id, facts.version, self._whom(facts), DEPARTMENTS))
            if facts.department is not None:
                counts[facts.department] = counts.get(facts.department, 0) + 1
        sizes = self._people.department_sizes
        return tuple([DepartmentCount(name, count, sizes.get(name, 0)) for name, count in sorted(counts.items())])

    def _mention(self, match: re.Match[str]) -> str:
        facts = self._people.by_id.get(match[1])
        if facts is None or self._withholds(facts):
            return "@withheld"
        person = self._shown(facts, self._details & NAME)  # whatever else is opened is not in the text
        return f"@{person.name}" if "name" in person else f"@{person.id}"

    def _note_author(self, author: str | None) -> None:
        """A detail about its author is about them even where their id stays behind."""
        known = self._people.by_id.get(author) if author else None
        if known is not None:
            self._whom(known)


Read = Callable[[Any, Projection], Any]

SPECIAL: Mapping[str, Read] = {
    "comment.text": lambda facts, projection: projection.text(facts.text),
    "task.description": lambda facts, projection: projection.text(facts.description),
    "task.assignees": lambda facts, projection: projection.people_by_id(facts.assignees),
    "task.departments": lambda facts, projection: projection.departments(facts.assignees),
    "task.creator": lambda facts, projection: projection.person_by_id(facts.creator),
    "comment.author": lambda facts, projection: projection.person_by_id(facts.author),
    "attachment.author": lambda facts, projection: projection.person_by_id(facts.author),
    "person.active": lambda facts, _projection: facts.state == "active",
}
"""Details that are not simply a fact of the same name."""


def _mentioned(text: str) -> Iterable[str]:
    return REFERENCE.findall(text) if "<@" in text else ()


def _author(facts: Any) -> Iterable[str]:
    return (facts.author,) if facts.author else ()


def _assignees(facts: Any) -> Iterable[str]:
    assignees: Iterable[str] = facts.assignees
    return assignees


Named = Callable[[Any], Iterable[str]]

NAMED: Mapping[str, Named] = {
    "comment.text": lambda facts: _mentioned(facts.text),
    "task.description": lambda facts: _mentioned(facts.description),
    "task.assignees": _assignees,
    "task.departments": _assignees,
    "task.creator": lambda facts: (facts.creator,) if facts.creator else (),
}
"""The ids of the people whom a detail needs to be known; what is about an author needs the author."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How to make one kind of record with these details. `read` gives id, version and the plain ones."""

    record: type[Record]
    details: frozenset[str]
    read: Callable[[Any], dict[str, Any]]
    special: tuple[tuple[str, Read], ...]
    named: tuple[Named, ...]
    about_author: bool


def reader(*fields: str) -> Callable[[Any], dict[str, Any]]:
    """What `{name: getattr(facts, name) for name in fields}` does, written out: every release does it."""
    written = ", ".join(f"{name!r}: facts.{name}" for name in fields)
    read: Callable[[Any], dict[str, Any]] = eval(f"lambda facts: {{{written}}}", {})  # noqa: S307 - the catalogue's own names
    return read


class Plans(dict[str, Plan]):
    """By kind of record, for one set of details."""

    def __init__(self, details: frozenset[str]) -> None:
        super().__init__()
        self._details = details

    def __missing__(self, kind: str) -> Plan:
        opened = self._details - STREAMED
        wanted = [DETAILS[name] for name in DETAILS if name in opened and name.startswith(f"{kind}.")]
        plain = [detail.field for detail in wanted if detail.name not in SPECIAL]
        about_author = any(detail.about is About.AUTHOR for detail in wanted)
        named = [NAMED[detail.name] for detail in wanted if detail.name in NAMED]
        if about_author and kind != "task":
            named.append(_author)
        plan = self[kind] = Plan(
            record=RECORDS[kind],
            details=frozenset(detail.name for detail in wanted),
            read=reader("id", "version", *plain),
            special=tuple((detail.field, SPECIAL[detail.name]) for detail in wanted if detail.name in SPECIAL),
            named=tuple(dict.fromkeys(named)),
            about_author=about_author,
        )
        return plan


@lru_cache(maxsize=4096)
def plans_for(details: frozenset[str]) -> Plans:
    return Plans(details)


def plan_for(kind: str, details: frozenset[str]) -> Plan:
    return plans_for(details)[kind]
