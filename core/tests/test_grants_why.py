"""`why` says what the gate does: over random situations, both give the same answer."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assigntask.db import Database, new_id
from assigntask.errors import HostError
from assigntask.gate.gate import Gate, Slot
from assigntask.grants.grant import Actor
from assigntask.grants.why import why
from assigntask.ledger.channel import Channel
from assigntask.people import people as people_rows
from assigntask.people.facts import DepartmentFacts, Doer, OrganisationFacts, PersonFacts
from assigntask.tasks.facts import AttachmentFacts, CommentFacts, ProjectFacts, TaskFacts, TaskTypeFacts
from assigntask_sdk.details import DETAILS, SCOPES, STREAMED
from assigntask_sdk.records import Record, Status

if TYPE_CHECKING:
    from core.tests.conftest import World

NOW = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
PERSON = sorted(name for name in DETAILS if name.startswith("person."))
ALL = frozenset(DETAILS)


@dataclass(frozen=True)
class Case:
    scopes: frozenset[str]
    declined: frozenset[str]
    hooks: frozenset[str]
    contact: frozenset[str]  # what the person gives as a contact
    state: str
    objected: bool
    restricted: bool
    person: str  # active, left, forgotten
    role: str
    only: str  # nobody, self, other


seldom = st.sampled_from([False, False, False, True])
cases = st.builds(
    Case,
    scopes=st.just(frozenset(SCOPES)) | st.frozensets(st.sampled_from(sorted(SCOPES))),
    declined=st.frozensets(st.sampled_from(sorted(SCOPES)), max_size=3),
    hooks=st.frozensets(st.sampled_from(sorted(DETAILS))),
    contact=st.just(frozenset()) | st.frozensets(st.sampled_from(PERSON)),
    state=st.sampled_from(["active", "active", "active", "disabled", "requested", "uninstalled", "wiped"]),
    objected=seldom,
    restricted=seldom,
    person=st.sampled_from(["active", "active", "left", "forgotten"]),
    role=st.sampled_from(["member", "admin"]),
    only=st.sampled_from(["nobody", "nobody", "self", "other"]),
)


def slots_about(person: PersonFacts, own: frozenset[str]) -> dict[str, Slot]:
    """One record of each kind in which the person has every part that a person can have."""
    task = TaskFacts(
        id=new_id(),
        version=1,
        number=1,
        project=new_id(),
        summary="Mend",
        description="",
        type=None,
        status=Status(new_id(), "To do"),
        labels=(),
        start=None,
        due=None,
        created=NOW,
        updated=NOW,
        done=None,
        archived=False,
        checklists=(),
        assignees=(person.id,),
        creator=person.id,
        position=1.0,
        unchecked_by=(),
    )
    return {
        "person": Slot(person, own={person.id: own}),
        "viewer.person": Slot(person, "viewer.person"),
        "viewer.change": Slot(person, "viewer.change"),
        "task": Slot(task),
        "comment": Slot(CommentFacts(new_id(), 1, task.id, task.project, "Aye", NOW, None, person.id)),
        "attachment": Slot(
            AttachmentFacts(new_id(), 1, task.id, task.project, "plan", "https://a.example", NOW, person.id)
        ),
        "attachment.content": Slot(
            AttachmentFacts(new_id(), 1, task.id, task.project, "plan", None, NOW, person.id), "attachment.content"
        ),
        "task_type": Slot(TaskTypeFacts(new_id(), 1, "Repair")),
        "project": Slot(ProjectFacts(task.project, 1, "Harbour", "", False, ())),
        "organisation": Slot(OrganisationFacts(new_id(), 1, "Quay", "UTC")),
        "department": Slot(DepartmentFacts(new_id(), 1, "Sails", 1)),
    }


def shows(values: dict[str, Record | None], name: str) -> bool:
    """Whether the detail, about the person, is in what was released."""
    if name.startswith("viewer."):
        record = values[name]
        return record is not None and "id" in record
    if name in STREAMED:
        return values[name] is not None
    kind, _, field = name.partition(".")
    record = values[kind]
    if record is None or field not in record:
        return False
    if name == "task.assignees":
        return all("id" in each for each in record.assignees)
    if name == "task.departments":
        return bool(record.departments)
    return name not in ("task.creator", "comment.author", "attachment.author") or "id" in getattr(record, field)


async def released(world: World, gate: Gate, installation: str, slots: dict[str, Slot]) -> dict[str, Record | None]:
    try:
        grant = await world.grant(installation)
    except HostError as error:
        assert error.code == "installation_inactive"
        return dict.fromkeys(slots)
    return dict((await gate.release(grant, ALL, slots, channel=Channel.API)).values)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=cases)
async def test_why_says_what_the_gate_does(case: Case, world: World, gate: Gate, database: Database) -> None:
    organisation_id = await world.organisation()
    person = await world.person(department="Sails", role=case.role)
    other = await world.person(role="admin")
    only = {"nobody": None, "self": person.id, "other": other.id}[case.only]
    installation = await world.install(
        case.scopes - case.declined,
        declined=case.declined,
        state=case.state,
        hooks={"task_panel": sorted(case.hooks)},
        contact_details={"technical": sorted(case.contact)},
        contacts={"technical": person.id},
        only=only,
    )
    app_id = await world.app_of(installation)
    if case.objected:
        await world.objects(person.id, app_id)
    if case.restricted:
        await world.restricts(person.id)
    if case.person == "left":
        await database.write(people_rows.mark_left, organisation_id, person.id)
    if case.person == "forgotten":
        await world.forgets(person.id)
    now = await database.read(people_rows.get, organisation_id, person.id)

    values = await released(world, gate, installation, slots_about(now, case.contact))

    def decided(conn: object) -> dict[str, bool]:
        rules = {name: why(conn, organisation_id, app_id, now, name) for name in DETAILS}  # type: ignore[arg-type]
        return {name: rule.shared for name, rule in rules.items()}

    assert await database.read(decided) == {name: shows(values, name) for name in DETAILS}


async def test_an_app_that_is_not_installed_is_told_nothing(world: World, database: Database) -> None:
    person = await world.person()
    rule = await database.read(why, world.organisation_id, "harbour-log", person, "person.email")
    assert (rule.code, rule.words) == ("not_installed", "harbour-log is not installed.")


async def test_the_last_installation_counts_and_a_declined_one_does_not(world: World, database: Database) -> None:
    person = await world.person()
    first = await world.install(["people:email"], state="uninstalled")
    app_id = await world.app_of(first)
    ask = (world.organisation_id, app_id, person, "person.email")
    assert (await database.read(why, *ask)).code == "not_active"
    await world.install(["people:email"], app_id=app_id)
    assert (await database.read(why, *ask)).code == "granted_on_request"
    await world.install([], app_id=app_id, state="declined")
    assert (await database.read(why, *ask)).code == "granted_on_request"


async def test_another_organisations_installation_says_nothing_here(world: World, database: Database) -> None:
    app_id = await world.app_of(await world.install(["people:email"]))
    await world.organisation()
    person = await world.person()
    rule = await database.read(why, world.organisation_id, app_id, person, "person.email")
    assert rule.code == "not_installed"


async def test_what_a_member_installed_for_themselves_gets_no_more_than_a_member_sees(
    world: World, database: Database
) -> None:
    """Their role was another one when they agreed."""
    owner = await world.person()
    installation = await world.install(["people:email", "people:name"], only=owner.id)
    app_id = await world.app_of(installation)
    said = [
        (await database.read(why, world.organisation_id, app_id, owner, name)).code
        for name in ("person.email", "person.name")
    ]
    assert said == ["no_right", "granted_on_request"]


async def test_an_unknown_detail_is_refused_with_the_nearest_name(world: World, database: Database) -> None:
    person = await world.person()
    with pytest.raises(HostError, match=r"Did you mean 'person.email'\?") as refused:
        await database.read(why, world.organisation_id, "harbour-log", person, "person.mail")
    assert refused.value.code == "detail_unknown"


async def test_acting_for_a_member_opens_no_more_than_a_member_sees(world: World, gate: Gate) -> None:
    person, member, admin = await world.person(), await world.person(), await world.person(role="admin")
    installation = await world.install(["people:email"])
    seen = []
    for who in (member, admin):
        for actor in (Actor.viewer, Actor.person):
            grant = await world.grant(installation, actor(Doer(world.organisation_id, who.id, who.role)))
            slots = {"person": Slot(person)}
            values = (await gate.release(grant, ALL, slots, channel=Channel.QUESTION)).values
            seen.append("email" in values["person"])
    assert seen == [False, False, True, True]
