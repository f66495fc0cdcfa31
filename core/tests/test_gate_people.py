"""What an installation may know of people: withheld ones, mentions, names, and what the entry says of it."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest

from assigntask.db import Database, new_id
from assigntask.gate.gate import Gate, Slot
from assigntask.grants.grant import Actor
from assigntask.ledger.channel import Channel
from assigntask.ledger.ledger import Ledger
from assigntask.people import people as people_rows
from assigntask.people.facts import Doer, PersonFacts
from assigntask.tasks.facts import CommentFacts, TaskFacts
from assigntask_sdk.details import DETAILS, SCOPES
from assigntask_sdk.records import Record, Status

if TYPE_CHECKING:
    from core.tests.conftest import World

NOW = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
EVERYTHING = frozenset(DETAILS)


def task(*assignees: str, creator: str | None = None, summary: str = "Mend", description: str = "") -> TaskFacts:
    return TaskFacts(
        id="0195b0f0-0000-7000-8000-000000000001",
        version=1,
        number=1,
        project="0195b0f0-0000-7000-8000-000000000002",
        summary=summary,
        description=description,
        type=None,
        status=Status("0195b0f0-0000-7000-8000-000000000003", "To do"),
        labels=(),
        start=None,
        due=None,
        created=NOW,
        updated=NOW,
        done=None,
        archived=False,
        checklists=(),
        assignees=assignees,
        creator=creator,
        position=1.0,
        unchecked_by=(),
    )


def comment(author: PersonFacts | None, text: str) -> CommentFacts:
    return CommentFacts(new_id(), 1, new_id(), new_id(), text, NOW, None, author.id if author else None)


def as_json(value: Any) -> Any:
    if isinstance(value, Record):
        return value.to_json()
    return {name: as_json(each) for name, each in value.items()} if isinstance(value, dict) else value


async def test_a_withheld_person_looks_the_same_whoever_it_is_and_however_many(
    world: World, gate: Gate, database: Database
) -> None:
    installation = await world.install(SCOPES)
    objecting, restricted, forgotten = [await world.person(department=name) for name in ("Sails", "Oars", "Rigging")]
    await world.objects(objecting.id, await world.app_of(installation))
    await world.restricts(restricted.id)
    await world.forgets(forgotten.id)
    grant = await world.grant(installation)
    ids = [objecting.id, restricted.id, forgotten.id]
    people = await database.read(people_rows.load, world.organisation_id, ids)
    seen = set()
    for who in ([0], [1], [2], [0, 1], [0, 1, 2], [2, 0]):
        named = [ids[number] for number in who]
        facts = task(*named, creator=named[0], description=f"<@{named[0]}>")
        slots = {"task": Slot(facts), "by": Slot(people[named[0]], "viewer.change")}
        released = await gate.release(grant, EVERYTHING, slots, channel=Channel.API)
        assert released.values["by"].withheld
        seen.add(json.dumps(as_json(dict(released.values)), sort_keys=True))
    assert len(seen) == 1


async def test_what_withheld_people_wrote_is_absent(world: World, gate: Gate, ledger: Ledger) -> None:
    installation = await world.install(SCOPES)
    objecting, other = await world.person(), await world.person()
    await world.objects(objecting.id, await world.app_of(installation))
    comments = (comment(objecting, "no"), comment(other, "yes"), comment(None, "imported"))
    grant = await world.grant(installation)
    released = await gate.release(grant, EVERYTHING, {"comments": Slot(comments)}, channel=Channel.API)
    assert [each.text for each in released.values["comments"]] == ["yes", "imported"]
    (entry,) = await ledger.given(world.organisation_id)
    assert entry.subjects == (other.id,)


async def test_an_author_is_a_subject_also_where_only_the_time_of_writing_leaves(
    world: World, gate: Gate, ledger: Ledger
) -> None:
    author = await world.person()
    grant = await world.grant(await world.install(["comments:read"]))
    needs, slots = frozenset({"comment.created"}), {"comment": Slot(comment(author, "yes"))}
    released = await gate.release(grant, needs, slots, channel=Channel.NOTICE)
    assert "author" not in released.values["comment"]
    (entry,) = await ledger.given(world.organisation_id, person=author)
    assert entry.details == ("comment.created",)


async def test_what_an_author_typed_leaves_as_typed(world: World, gate: Gate) -> None:
    """Free text may name anyone, a withheld person too: only references are the host's to render."""
    installation = await world.install(["tasks:read"])
    somebody = await world.person(name="Ines Vale")
    await world.objects(somebody.id, await world.app_of(installation))
    typed = task(description=f"Ask Ines Vale, {somebody.id} <@{somebody.id}>", summary="Ines Vale's net")
    grant = await world.grant(installation)
    released = await gate.release(grant, EVERYTHING, {"task": Slot(typed)}, channel=Channel.API)
    assert released.values["task"].summary == "Ines Vale's net"
    assert released.values["task"].description == f"Ask Ines Vale, {somebody.id} @withheld"


async def test_nothing_can_be_added_to_what_was_released(world: World, gate: Gate) -> None:
    grant = await world.grant(await world.install(["tasks:read"]))
    released = await gate.release(grant, EVERYTHING, {"task": Slot(task())}, channel=Channel.API)
    with pytest.raises(TypeError):
        released.values["person"] = "somebody"  # type: ignore[index]
    with pytest.raises(AttributeError):
        released.values["task"].summary = "another"


async def test_a_mention_records_no_more_than_the_name_that_is_in_the_text(
    world: World, gate: Gate, ledger: Ledger
) -> None:
    person = await world.person(job_title="Rigger")
    grant = await world.grant(await world.install(SCOPES))
    slots = {"comment": Slot(comment(None, f"Thanks <@{person.id}>"))}
    released = await gate.release(grant, EVERYTHING, slots, channel=Channel.NOTICE)
    assert released.values["comment"].text == f"Thanks @{person.name}"
    (entry,) = await ledger.given(world.organisation_id)
    assert [name for name in entry.details if name.startswith("person.")] == ["person.name"]
    assert entry.subjects == (person.id,)


async def test_a_mention_without_the_name_is_the_id_that_only_this_app_knows(
    world: World, gate: Gate, ledger: Ledger
) -> None:
    person = await world.person()
    grant = await world.grant(await world.install(["comments:read"]))
    slots = {"comment": Slot(comment(None, f"Thanks <@{person.id}>, <@{new_id()}>"))}
    released = await gate.release(grant, EVERYTHING, slots, channel=Channel.NOTICE)
    assert released.values["comment"].text == f"Thanks @{grant.pairwise(person.id)}, @withheld"
    (entry,) = await ledger.given(world.organisation_id)
    assert entry.subjects == (person.id,)
    assert ("person", person.id, person.version) in entry.records


async def test_what_a_contact_gives_is_opened_for_that_contact_alone(world: World, gate: Gate, ledger: Ledger) -> None:
    contact, other = await world.person(), await world.person()
    grant = await world.grant(await world.install(["tasks:people"]))
    own = {contact.id: frozenset({"person.email"})}
    slots = {
        "by": Slot(contact, own=own),
        "other": Slot(other, own=own),
        "task": Slot(task(contact.id)),
    }
    released = await gate.release(grant, frozenset({"task.assignees"}), slots, channel=Channel.NOTICE)
    assert released.values["by"].email == contact.email
    assert "email" not in released.values["other"]
    assert "email" not in released.values["task"].assignees[0]
    (entry,) = await ledger.given(world.organisation_id)
    assert entry.details == ("person.email", "task.assignees")


async def test_an_entry_says_who_got_what_by_whose_right_through_which_channel(
    world: World, gate: Gate, ledger: Ledger
) -> None:
    person, viewer = await world.person(), await world.person(role="admin")
    installation = await world.install(["people:name"])
    grant = await world.grant(installation, Actor.viewer(Doer(world.organisation_id, viewer.id, viewer.role)))
    await gate.release(grant, frozenset({"person.name"}), {"person": Slot(person)}, channel=Channel.QUESTION)
    (entry,) = await ledger.given(world.organisation_id)
    assert (entry.app, entry.installation) == (grant.app_id, installation)
    assert (entry.counterparty, entry.grant, entry.assurance) == ("Quay", 1, "trusted")
    assert (entry.channel, entry.actor) == ("question", f"viewer {viewer.id}")
    assert (entry.details, entry.subjects) == (("person.name",), (person.id,))
    assert entry.records == (("person", person.id, person.version),)
    assert entry.to_json()["direction"] == "out"


@pytest.mark.parametrize("app", ["same", "other"])
async def test_two_installations_know_the_same_person_by_different_ids(world: World, gate: Gate, app: str) -> None:
    person = await world.person()
    first = await world.install(["people:name"], state="uninstalled" if app == "same" else "active")
    app_id = await world.app_of(first) if app == "same" else ""
    second = await world.install(["people:name"], app_id=app_id)
    ids = set()
    for installation in (first, second):
        grant = await world.grants.current(world.organisation_id, installation, Actor.installation(), any_state=True)
        released = await gate.release(grant, EVERYTHING, {"person": Slot(person)}, channel=Channel.API)
        ids.add(released.values["person"].id)
    assert len(ids) == 2


async def test_an_organisation_never_shows_the_people_of_another(world: World, gate: Gate, ledger: Ledger) -> None:
    stranger = await world.person(name="Ines Vale")
    await world.organisation()
    grant = await world.grant(await world.install(SCOPES))
    slots = {"task": Slot(task(stranger.id, creator=stranger.id, description=f"<@{stranger.id}>"))}
    released = await gate.release(grant, EVERYTHING, slots, channel=Channel.API)
    shown = released.values["task"]
    assert [person.withheld for person in shown.assignees] == [True]
    assert (shown.creator.withheld, shown.description) == (True, "@withheld")
    (entry,) = await ledger.given(world.organisation_id)
    assert entry.subjects == ()
