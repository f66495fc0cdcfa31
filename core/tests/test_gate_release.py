"""Over random grants, needs, people and records: what leaves is what was opened, and the ledger has it first."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from assigntask.db import new_id
from assigntask.gate.gate import Gate, Slot
from assigntask.gate.projection import Facts
from assigntask.grants.grant import Actor, Grant
from assigntask.ledger.channel import Channel
from assigntask.ledger.ledger import Ledger, LedgerEntry
from assigntask.people import people as people_rows
from assigntask.people.facts import DepartmentFacts, Doer, OrganisationFacts, PersonFacts, Role
from assigntask.tasks.facts import AttachmentFacts, CommentFacts, ProjectFacts, TaskFacts, TaskTypeFacts
from assigntask_sdk.details import DETAILS, SCOPES, STREAMED
from assigntask_sdk.records import Checklist, ChecklistItem, Due, Label, Person, Record, Status, TaskType

if TYPE_CHECKING:
    from core.tests.conftest import World

NOW = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
PERSON = frozenset(name for name in DETAILS if name.startswith("person."))
IDENTITY = ("name", "email", "user_name", "job_title")
KINDS = ("task", "comment", "attachment", "person", "project", "organisation", "department", "task_type")


@dataclass(frozen=True)
class Somebody:
    department: str | None
    full: bool  # whether the optional fields are there
    state: str
    objected: bool
    restricted: bool
    generation: int
    own: frozenset[str]  # details given as a contact

    @property
    def withheld(self) -> bool:
        return self.objected or self.restricted or self.state == "forgotten"


@dataclass(frozen=True)
class Drawn:
    """One record to release. Numbers are places in the list of people; `project` is 0 or 1."""

    kind: str
    project: int
    who: int | None
    assignees: tuple[int, ...]
    mentions: tuple[int, ...]
    place: str | None  # a detail that opens the slot itself


@dataclass(frozen=True)
class Situation:
    people: tuple[Somebody, ...]
    scopes: frozenset[str]
    viewer: Role | None  # None: the installation itself acts
    reach: frozenset[int] | None
    needs: frozenset[str]
    records: tuple[Drawn, ...]

    @property
    def opened(self) -> frozenset[str]:
        rights = {name for name, scope in SCOPES.items() if self.viewer != "member" or not scope.admin_only}
        return frozenset(d.name for d in DETAILS.values() if d.scope in self.scopes & rights)

    @property
    def allowed(self) -> frozenset[str]:
        return self.needs & self.opened


def subsets(names: Any) -> st.SearchStrategy[frozenset[str]]:
    """All, few, or all but a few: each of them opens and shuts something."""
    everything = sorted(names)
    few = st.frozensets(st.sampled_from(everything), max_size=6)
    return st.just(frozenset(everything)) | few | few.map(lambda some: frozenset(everything) - some)


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    somebody = st.builds(
        Somebody,
        department=st.sampled_from([None, "Rigging", "Sails"]),
        full=st.booleans(),
        state=st.sampled_from(["active"] * 4 + ["left", "forgotten"]),
        objected=st.sampled_from([False] * 5 + [True]),
        restricted=st.sampled_from([False] * 7 + [True]),
        generation=st.integers(0, 2),
        own=st.just(frozenset()) | subsets(PERSON),
    )
    people = tuple(draw(st.lists(somebody, min_size=2, max_size=4)))
    number = st.integers(0, len(people) - 1)
    record = st.builds(
        Drawn,
        kind=st.sampled_from(KINDS) | st.sampled_from(["task", "comment"]),
        project=st.integers(0, 1),
        who=st.none() | number,
        assignees=st.lists(number, unique=True, max_size=4).map(tuple),
        mentions=st.just(tuple(range(len(people)))) | st.lists(number, max_size=3).map(tuple),
        place=st.sampled_from([None, None, "viewer.change", "viewer.person"]),
    )
    return Situation(
        people=people,
        scopes=draw(subsets(SCOPES)),
        viewer=draw(st.sampled_from([None, "member", "admin"])),
        reach=draw(st.sampled_from([None, None, frozenset({0, 1}), frozenset({0}), frozenset[int]()])),
        needs=draw(subsets(DETAILS)),
        records=tuple(draw(st.lists(record, min_size=3, max_size=6))),
    )


class Stage:
    """A situation made real: rows, ids, facts, and what each record should look like."""

    def __init__(self, situation: Situation, world: World) -> None:
        self.situation = situation
        self.world = world
        self.people: list[PersonFacts] = []
        self.projects: list[str] = []
        self.facts: list[Facts] = []
        self.grant: Grant

    async def set(self) -> None:
        s, world = self.situation, self.world
        await world.organisation()
        for number, who in enumerate(s.people):
            self.people.append(await self._hire(number, who))
        self.projects = [await world.project() for _ in range(2)]
        reach = None if s.reach is None else [self.projects[number] for number in sorted(s.reach)]
        installation = await world.install(s.scopes, projects=reach)
        app_id = await world.app_of(installation)
        for who, facts in zip(s.people, self.people, strict=True):
            if who.objected:
                await world.objects(facts.id, app_id)
            if who.restricted:
                await world.restricts(facts.id)
            if who.generation:
                await world.generation(facts.id, app_id, who.generation)
        actor = Actor.installation()
        if s.viewer is not None:
            viewer = await world.person(role=s.viewer)
            actor = Actor.viewer(Doer(world.organisation_id, viewer.id, viewer.role))
        self.grant = await world.grant(installation, actor)
        self.facts = [self._facts(drawn) for drawn in s.records]

    async def _hire(self, number: int, who: Somebody) -> PersonFacts:
        world = self.world
        more = {
            "user_name": f"UserQ{number}",
            "email": f"mailq{number}@example.org",
            "job_title": f"JobQ{number}",
            "time_zone": "Europe/Lisbon",
            "locale": "pt",
        }
        fields = more if who.full else {"email": None}
        facts = await world.person(name=f"NameQ{number}", department=who.department, **fields)
        if who.state == "left":
            await world.db.write(people_rows.mark_left, world.organisation_id, facts.id)
        if who.state == "forgotten":
            await world.forgets(facts.id)
        return (await world.db.read(people_rows.load, world.organisation_id, [facts.id]))[facts.id]

    def _text(self, mentions: Sequence[int]) -> str:
        return " ".join(["Hoist", *(f"<@{self.people[number].id}>" for number in mentions), f"<@{new_id()}>"])

    def _facts(self, drawn: Drawn) -> Facts:  # noqa: PLR0911 - one for each kind
        project = self.projects[drawn.project]
        who = None if drawn.who is None else self.people[drawn.who].id
        match drawn.kind:
            case "person":
                return self.people[drawn.who or 0]
            case "organisation":
                return OrganisationFacts(self.world.organisation_id, 3, "Quayside", "Europe/Madrid")
            case "department":
                return DepartmentFacts(new_id(), 2, "Sails", 4)
            case "task_type":
                return TaskTypeFacts(new_id(), 1, "Repair")
            case "project":
                return ProjectFacts(project, 2, "Harbour", "All of it", False, (Status(new_id(), "To do"),))
            case "comment":
                return CommentFacts(new_id(), 5, new_id(), project, self._text(drawn.mentions), NOW, NOW, who)
            case "attachment":
                return AttachmentFacts(new_id(), 6, new_id(), project, "plan", "https://example.org/plan", NOW, who)
        return TaskFacts(
            id=new_id(),
            version=7,
            number=12,
            project=project,
            summary="Mend the net",
            description=self._text(drawn.mentions),
            type=TaskType(new_id(), "Repair"),
            status=Status(new_id(), "Doing"),
            labels=(Label(new_id(), "urgent", "red"),),
            start=NOW.date(),
            due=Due(NOW.date(), NOW),
            created=NOW,
            updated=NOW,
            done=None,
            archived=False,
            checklists=(Checklist(new_id(), "Steps", (ChecklistItem(new_id(), "Cut", True),)),),
            assignees=tuple(self.people[number].id for number in drawn.assignees),
            creator=who,
            position=1.0,
            unchecked_by=("guard",),
        )

    def slots(self) -> dict[str, Slot]:
        own = {p.id: who.own for p, who in zip(self.people, self.situation.people, strict=True) if who.own}
        made: dict[str, Slot] = {"all": Slot(tuple(self.facts))}
        for number, (drawn, facts) in enumerate(zip(self.situation.records, self.facts, strict=True)):
            made[str(number)] = Slot(facts, drawn.place, own if drawn.kind == "person" else None)
        made["named"] = Slot({f"n{number}": facts for number, facts in enumerate(self.facts)})
        made["none"] = Slot(None)
        return made

    # What should come out

    def record(self, number: int, *, own: bool = False) -> dict[str, Any] | None:
        """The record's fields as they should be; nested people too. None: withheld or out of reach."""
        s, drawn, facts = self.situation, self.situation.records[number], self.facts[number]
        of_a_project = drawn.kind in ("task", "comment", "attachment", "project")
        if of_a_project and s.reach is not None and drawn.project not in s.reach:
            return None
        if drawn.kind == "person":
            who = drawn.who or 0
            return self.person(who, s.allowed | (s.people[who].own if own else frozenset()))
        written = drawn.kind in ("comment", "attachment")
        if written and drawn.who is not None and s.people[drawn.who].withheld:
            return None
        made: dict[str, Any] = {"id": facts.id, "version": facts.version}
        for name in s.allowed - STREAMED:  # a file leaves as a stream, never in its record
            kind, _, field = name.partition(".")
            if kind == drawn.kind:
                made[field] = self._special(name, drawn) if name in SPECIAL else getattr(facts, field)
        return made

    def _special(self, name: str, drawn: Drawn) -> Any:
        s = self.situation
        match name.partition(".")[2]:
            case "text" | "description":
                written = [self._mention(number) for number in drawn.mentions]
                return " ".join(["Hoist", *written, "@withheld"])
            case "assignees":
                shown = [self.person(n, s.allowed) for n in drawn.assignees if not s.people[n].withheld]
                return shown + ([{"withheld": True}] if any(s.people[n].withheld for n in drawn.assignees) else [])
            case "departments":
                names = [s.people[n].department for n in drawn.assignees if not s.people[n].withheld]
                here = [who.department for who in s.people if who.state == "active"]
                return {name: (names.count(name), here.count(name)) for name in names if name is not None}
        return None if drawn.who is None else self.person(drawn.who, s.allowed)

    def person(self, number: int, details: frozenset[str]) -> dict[str, Any]:
        facts = self.people[number]
        if self.situation.people[number].withheld:
            return {"withheld": True}
        made: dict[str, Any] = {"id": self.grant.pairwise(facts.id), "version": facts.version, "withheld": False}
        for name in details & PERSON:
            field = name.partition(".")[2]
            made[field] = facts.state == "active" if field == "active" else getattr(facts, field)
        return made

    def _mention(self, number: int) -> str:
        if self.situation.people[number].withheld:
            return "@withheld"
        facts = self.people[number]
        return f"@{facts.name}" if "person.name" in self.situation.allowed else f"@{self.grant.pairwise(facts.id)}"


SPECIAL = frozenset(
    {
        "comment.text",
        "comment.author",
        "attachment.author",
        "task.description",
        "task.assignees",
        "task.departments",
        "task.creator",
    }
)


def plain(value: Any) -> Any:
    """A released record, with the people in it, as the oracle writes it."""
    if isinstance(value, Record):
        return {
            name: {count.department: (count.assignees, count.members) for count in value.__dict__[name]}
            if name == "departments"
            else plain(value.__dict__[name])
            for name in value
        }
    if isinstance(value, tuple) and any(isinstance(each, Person) for each in value):
        return [plain(each) for each in value]
    return [] if value == () else value


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(situation=situations())
async def test_what_leaves_is_what_was_opened_and_the_ledger_has_it(
    situation: Situation, world: World, gate: Gate, ledger: Ledger
) -> None:
    stage = Stage(situation, world)
    await stage.set()
    released = await gate.release(stage.grant, situation.needs, stage.slots(), channel=Channel.API)

    values = released.values
    whole = [stage.record(number) for number in range(len(stage.facts))]
    assert [plain(each) for each in values["all"]] == [plain_of(each) for each in whole if each is not None]
    assert {name: plain(each) for name, each in values["named"].items()} == {
        f"n{number}": plain_of(each) for number, each in enumerate(whole) if each is not None
    }
    assert values["none"] is None
    for number, drawn in enumerate(situation.records):
        shut = drawn.place is not None and drawn.place not in situation.allowed
        wanted = None if shut else stage.record(number, own=True)
        found = values[str(number)]
        assert (found is None) if wanted is None else (plain(found) == plain_of(wanted))

    event(f"records: {sum(each is not None for each in whole)}")
    _nothing_leaks(stage, json.dumps(_json(values)))
    entries = await ledger.given(world.organisation_id)
    assert [entry.id for entry in entries] == ([released.entry_id] if released.entry_id else [])
    _entry_covers(stage, entries, values)


def plain_of(wanted: dict[str, Any]) -> dict[str, Any]:
    return {name: [] if value == () else value for name, value in wanted.items()}


def _json(values: Any) -> Any:
    if isinstance(values, Record):
        return values.to_json()
    if isinstance(values, Mapping):
        return {name: _json(value) for name, value in values.items()}
    return [_json(each) for each in values] if isinstance(values, tuple) else values


def _nothing_leaks(stage: Stage, text: str) -> None:
    s = stage.situation
    for who, facts in zip(s.people, stage.people, strict=True):
        assert facts.id not in text
        assert facts.subject_id not in text
        secrets = [(field, getattr(facts, field)) for field in IDENTITY if who.state != "forgotten"]
        for field, value in secrets:
            opened = f"person.{field}" in s.allowed | who.own and not who.withheld
            assert value is None or opened or value not in text, f"{field} of somebody leaked"
        if who.withheld:
            for generation in range(who.generation + 1):
                assert stage.grant.pairwise_of_generation(facts.id, generation) not in text


def _entry_covers(stage: Stage, entries: list[LedgerEntry], values: Any) -> None:
    ids = {stage.grant.pairwise(facts.id): facts.id for facts in stage.people}
    passed = set(_passed(values, ids))
    recorded = {(*record, detail) for entry in entries for record in entry.records for detail in ("", *entry.details)}
    assert passed <= recorded
    details = {detail for entry in entries for detail in entry.details}
    owned = frozenset[str]().union(*(who.own for who in stage.situation.people))
    assert details <= stage.situation.allowed | owned
    about = {subject for entry in entries for subject in entry.subjects}
    assert about >= {record[1] for record in passed if record[0] == "person"}
    withheld = {p.id for p, who in zip(stage.people, stage.situation.people, strict=True) if who.withheld}
    assert not about & withheld
    assert not {record[1] for entry in entries for record in entry.records} & withheld


def _passed(value: Any, ids: dict[str, str]) -> list[tuple[str, str, int, str]]:
    """(kind, id, version, detail) of all that is in the answer; detail "" stands for the record itself."""
    if isinstance(value, Record):
        if value.__dict__.get("withheld"):
            return []
        name = ids[value.id] if isinstance(value, Person) else str(value.id)
        inside = [found for field in value for found in _passed(value.__dict__[field], ids)]
        named = [f"{value.kind}.{field}" for field in value if field not in ("id", "version", "withheld")]
        return inside + [(value.kind, name, value.version, detail) for detail in ("", *named)]
    if isinstance(value, Mapping):
        return [found for each in value.values() for found in _passed(each, ids)]
    return [found for each in value for found in _passed(each, ids)] if isinstance(value, tuple) else []


def test_every_kind_of_facts_is_released_in_these_tests() -> None:
    assert {kind.kind for kind in get_args(Facts)} == set(KINDS)
