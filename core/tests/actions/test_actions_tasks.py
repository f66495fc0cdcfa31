"""Creating and changing tasks: rights, keys, conflicts, mentions, what is told to whom."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from assigntask.db import tables as t
from assigntask.errors import HostError, NotAllowed
from assigntask.people.doers import operator_of
from assigntask.people.facts import Doer
from assigntask.tasks import comments
from assigntask_sdk.errors import Conflict, Gone, Invalid, NotFound
from assigntask_sdk.records import Due

DUE = Due(dt.date(2026, 4, 1))


async def test_a_task_starts_on_the_left_with_a_number_of_its_own(house: Any) -> None:
    first = await house.tasks.create(house.one.member, project=house.one.project, summary=" Oil the chain ")
    second = await house.tasks.create(house.one.member, project=house.one.project, summary="Pump the tyres")
    assert (first.number, second.number) == (1, 2)
    assert (first.summary, first.status.name, first.version, first.creator) == (
        "Oil the chain",
        "To do",
        1,
        house.one.bob.id,
    )
    assert first.position < second.position
    there = await house.tasks.create(house.other.member, project=house.other.project, summary="Another")
    assert there.number == 1


async def test_an_edit_sets_the_fields_that_it_names_and_no_others(house: Any) -> None:
    one = house.one
    task = await house.tasks.create(one.member, project=one.project, summary="Oil", changes={"due": DUE})
    label = next(iter(one.choices.labels))
    kind = next(iter(one.choices.types))
    house.now += dt.timedelta(hours=1)
    changes = {"labels": [label], "type": kind, "assignees": [one.ada.id, one.bob.id], "start": dt.date(2026, 3, 9)}
    edited = await house.tasks.edit(one.member, task.id, changes)
    assert edited.version == 2
    assert [one_label.id for one_label in edited.labels] == [label]
    assert edited.type is not None
    assert edited.type.name == "Bug"
    assert edited.assignees == (one.ada.id, one.bob.id)
    assert (edited.due, edited.summary, edited.updated) == (DUE, "Oil", house.now)
    emptied = await house.tasks.edit(one.member, task.id, {"due": None, "assignees": [], "labels": [], "type": None})
    assert (emptied.due, emptied.assignees, emptied.labels, emptied.type) == (None, (), (), None)


async def test_an_edit_that_changes_nothing_leaves_everything_as_it_is(house: Any, guard: Any) -> None:
    one = house.one
    task = await house.tasks.create(one.member, project=one.project, summary="Oil", changes={"due": DUE})
    asked = guard("due-guard")
    house.hooks.listed = [asked]
    before = await house.dump()
    same = await house.tasks.edit(one.member, task.id, {"summary": "Oil", "due": DUE, "archived": False})
    assert same == task
    assert asked.asked == []
    assert await house.dump() == before


async def test_reaching_a_status_of_what_is_done_says_since_when(house: Any) -> None:
    one = house.one
    task = await house.tasks.create(one.member, project=one.project, summary="Oil")
    house.now += dt.timedelta(hours=1)
    done = await house.tasks.edit(one.member, task.id, {"status": one.status("Done")})
    assert done.done == house.now
    reopened = await house.tasks.edit(one.member, task.id, {"status": one.status("Doing")})
    assert reopened.done is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"summary": "  "}, "summary"),
        ({"summary": "x" * 1001}, "summary"),
        ({"description": "a\x00b"}, "description"),
        ({"status": "nowhere"}, "status"),
        ({"type": "nothing"}, "type"),
        ({"labels": ["none"]}, "labels"),
        ({"labels": "none"}, "labels"),
        ({"assignees": ["nobody"]}, "assignees"),
        ({"due": "tomorrow"}, "due"),
        ({"start": dt.datetime(2026, 1, 1, tzinfo=dt.UTC)}, "start"),
        ({"archived": "yes"}, "archived"),
        ({"dew": DUE}, "dew"),
    ],
)
async def test_a_value_that_cannot_be_taken_is_named_and_nothing_is_stored(
    house: Any, changes: Any, field: str
) -> None:
    one = house.one
    task = await house.tasks.create(one.member, project=one.project, summary="Oil")
    before = await house.dump()
    with pytest.raises(Invalid) as refused:
        await house.tasks.edit(one.member, task.id, {"start": dt.date(2026, 1, 1), **changes})
    assert list(refused.value.fields) == [field]
    assert await house.dump() == before


async def test_all_fields_that_are_wrong_are_named_at_once(house: Any) -> None:
    with pytest.raises(Invalid) as refused:
        await house.tasks.create(
            house.one.member, project=house.one.project, summary="", changes={"status": "x", "type": "y"}
        )
    assert set(refused.value.fields) == {"summary", "status", "type"}


async def test_an_edit_of_a_version_that_has_passed_is_a_conflict(house: Any) -> None:
    one = house.one
    task = await house.tasks.create(one.member, project=one.project, summary="Oil")
    await house.tasks.edit(one.member, task.id, {"summary": "Grease"}, if_version=1)
    with pytest.raises(Conflict, match="version 2"):
        await house.tasks.edit(one.member, task.id, {"summary": "Wax"}, if_version=1)


async def test_edits_at_once_of_different_fields_all_arrive(house: Any) -> None:
    one = house.one
    task = await house.tasks.create(one.member, project=one.project, summary="Oil")
    await asyncio.gather(
        house.tasks.edit(one.member, task.id, {"summary": "Grease"}),
        house.tasks.edit(one.member, task.id, {"description": "Only the chain"}),
        house.tasks.edit(one.admin, task.id, {"due": DUE}),
    )
    last = await house.tasks.edit(one.admin, task.id, {"summary": "Grease"})
    assert (last.summary, last.description, last.due, last.version) == ("Grease", "Only the chain", DUE, 4)


async def test_of_two_edits_of_one_version_one_wins(house: Any) -> None:
    one = house.one
    task = await house.tasks.create(one.member, project=one.project, summary="Oil")
    outcomes = await asyncio.gather(
        *(house.tasks.edit(one.member, task.id, {"summary": f"Oil {n}"}, if_version=1) for n in range(5)),
        return_exceptions=True,
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Conflict"] * 4 + ["TaskFacts"]


async def test_a_save_is_given_up_after_others_were_faster_three_times(house: Any, guard: Any) -> None:
    one = house.one
    task = await house.tasks.create(one.member, project=one.project, summary="Oil")
    quick = type(house.tasks)(house.db, type(house.hooks)(), house.clock)

    async def overtake() -> None:
        await quick.edit(one.member, task.id, {"description": f"{len(asked.asked)}"})

    asked = guard("slow", lambda after, before, changed: overtake())
    house.hooks.listed = [asked]
    with pytest.raises(Conflict):
        await house.tasks.edit(one.member, task.id, {"summary": "Grease"})
    assert [before.version for _, before, _, _ in asked.asked] == [1, 2, 3]
    assert (await house.rows(t.task, id=task.id))[0]["summary"] == "Oil"


async def test_a_keyed_create_is_done_once_however_often_it_is_asked_for_at_once(house: Any) -> None:
    one = house.one
    made = await asyncio.gather(
        *(house.tasks.create(one.member, project=one.project, summary="Oil", key="k1") for _ in range(8))
    )
    assert len({task.id for task in made}) == 1
    again = await house.tasks.create(one.member, project=one.project, summary="Something else", key="k1")
    assert again.summary == "Oil"
    assert len(await house.rows(t.task)) == 1
    assert len(await house.rows(t.event)) == 1
    following = await house.tasks.create(one.member, project=one.project, summary="Pump")
    assert following.number == 2


async def test_keys_of_different_people_and_organisations_do_not_meet(house: Any) -> None:
    for doer, project in (
        (house.one.member, house.one.project),
        (house.one.admin, house.one.project),
        (house.other.member, house.other.project),
    ):
        await house.tasks.create(doer, project=project, summary="Oil", key="k1")
    assert len(await house.rows(t.task)) == 3


async def test_keyed_comments_and_attachments_are_made_once(house: Any) -> None:
    one = house.one
    task = await house.tasks.create(one.member, project=one.project, summary="Oil")
    written = await asyncio.gather(*(house.tasks.comment(one.member, task.id, "Done?", key="c") for _ in range(4)))
    linked = await asyncio.gather(
        *(house.tasks.attach(one.member, task.id, "Plan", "https://example.org/p", key="c") for _ in range(4))
    )
    assert len({comment.id for comment in written}) == len({attachment.id for attachment in linked}) == 1
    await house.tasks.detach(one.member, linked[0].id)
    with pytest.raises(Gone):
        await house.tasks.attach(one.member, task.id, "Plan", "https://example.org/p", key="c")


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "ftp://example.org/x", "https://", "example.org", "https://exa mple.org", "//x.y"]
)
async def test_an_attachment_leads_to_a_web_address(house: Any, url: str) -> None:
    task = await house.tasks.create(house.one.member, project=house.one.project, summary="Oil")
    with pytest.raises(Invalid) as refused:
        await house.tasks.attach(house.one.member, task.id, "Plan", url)
    assert list(refused.value.fields) == ["url"]


async def test_mentions_are_stored_as_references(house: Any) -> None:
    one = house.one
    text = "@Bob, write to ada@example.org. Ask @ada.Thanks, @nobody"
    task = await house.tasks.create(one.member, project=one.project, summary="Oil", changes={"description": text})
    comment = await house.tasks.comment(one.member, task.id, text)
    expected = f"<@{one.bob.id}>, write to ada@example.org. Ask <@{one.ada.id}>.Thanks, @nobody"
    assert comment.text == task.description == expected
    assert await house.db.read(comments.of_task, one.id, task.id) == [comment]


RIGHTS = {
    # who: create, edit, comment, attach, add a person, restrict somebody else
    "admin": (True, True, True, True, True, True),
    "member": (True, True, True, True, False, False),
    "operator": (True, True, True, True, True, True),
    "operator for a member": (True, True, True, True, False, False),
    "app": (True, True, True, True, False, False),
    "app for an admin": (True, True, True, True, False, False),
    "disabled app": (False, False, False, False, False, False),
    "left": (False, False, False, False, False, False),
    "nobody": (False, False, False, False, False, False),
}


@pytest.mark.parametrize("who", RIGHTS)
async def test_who_may_do_what(house: Any, who: str) -> None:
    one = house.one
    task = await house.tasks.create(one.admin, project=one.project, summary="Oil")
    left = await house.people.add(one.admin, name="Cy", role="admin")
    await house.people.leave(one.admin, left.id)
    doer = {
        "admin": one.admin,
        "member": one.member,
        "operator": operator_of(one.id),
        "operator for a member": Doer(one.id, one.bob.id, "member", operator=True),
        "app": one.app(await house.install(one, "helper")),
        "app for an admin": Doer(one.id, one.ada.id, "admin", installation_id=await house.install(one, "second")),
        "disabled app": one.app(await house.install(one, "third", state="disabled")),
        "left": Doer(one.id, left.id, "admin"),
        "nobody": Doer(one.id, None, None),
    }[who]
    attempts: list[Callable[[], Awaitable[Any]]] = [
        lambda: house.tasks.create(doer, project=one.project, summary="Pump"),
        lambda: house.tasks.edit(doer, task.id, {"summary": "Grease"}),
        lambda: house.tasks.comment(doer, task.id, "Hello"),
        lambda: house.tasks.attach(doer, task.id, "", "https://example.org/"),
        lambda: house.people.add(doer, name="Dee"),
        lambda: house.objections.restrict(doer, one.bob.id if who != "operator for a member" else one.ada.id),
    ]
    may = []
    for attempt in attempts:
        try:
            await attempt()
            may.append(True)
        except (NotAllowed, Gone):
            may.append(False)
    expected = list(RIGHTS[who])
    if who == "member":
        expected[5] = True  # bob restricts himself
    assert may == expected


async def test_a_role_that_was_taken_away_counts_at_once(house: Any) -> None:
    one = house.one
    await house.people.role(one.admin, one.bob.id, "admin")
    await house.people.role(one.admin, one.bob.id, "member")
    with pytest.raises(NotAllowed):
        await house.people.add(Doer(one.id, one.bob.id, "admin"), name="Dee")


async def test_an_app_works_within_its_reach(house: Any) -> None:
    one = house.one
    task = await house.tasks.create(one.member, project=one.project, summary="Oil")
    from assigntask.tasks import projects

    second = await house.db.write(projects.create, one.id, "Second", now=house.now)
    app = one.app(await house.install(one, "helper", projects=[second]))
    await house.tasks.create(app, project=second, summary="Within")
    for attempt in (
        house.tasks.create(app, project=one.project, summary="Without"),
        house.tasks.edit(app, task.id, {"summary": "Grease"}),
        house.tasks.comment(app, task.id, "Hello"),
        house.tasks.attach(app, task.id, "", "https://example.org/"),
    ):
        with pytest.raises(NotFound):
            await attempt


async def test_somebody_who_left_is_not_newly_assigned_but_may_stay(house: Any) -> None:
    one = house.one
    task = await house.tasks.create(one.member, project=one.project, summary="Oil", changes={"assignees": [one.bob.id]})
    await house.people.leave(one.admin, one.bob.id)
    kept = await house.tasks.edit(one.admin, task.id, {"assignees": [one.ada.id, one.bob.id]})
    assert kept.assignees == (one.ada.id, one.bob.id)
    with pytest.raises(Invalid):
        await house.tasks.create(one.admin, project=one.project, summary="Pump", changes={"assignees": [one.bob.id]})


async def test_a_change_is_told_to_those_who_listen_to_what_changed_and_not_to_its_origin(house: Any) -> None:
    one = house.one
    due = await house.install(one, "due", {"task_changed": ["task.due"]})
    summary = await house.install(one, "summary", {"task_changed": ["task.summary", "person.name"]})
    departments = await house.install(one, "departments", {"task_changed": ["task.departments"]})
    elsewhere = await house.install(house.other, "due", {"task_changed": ["task.due"]})
    task = await house.tasks.create(one.member, project=one.project, summary="Oil")
    await house.tasks.edit(one.member, task.id, {"due": DUE})
    await house.tasks.edit(one.app(summary), task.id, {"summary": "Grease", "assignees": [one.bob.id]})
    told = {
        name: [row["event"]["changed"] for row in await house.deliveries(installation)]
        for name, installation in (("due", due), ("summary", summary), ("departments", departments))
    }
    assert told == {
        "due": [["due", "updated"]],
        "summary": [["number", "project", "created", "summary", "status", "updated", "creator"]],
        "departments": [["summary", "assignees", "departments", "updated"]],
    }
    assert await house.deliveries(elsewhere) == []


async def test_a_comment_is_told_to_all_who_listen_to_comments(house: Any) -> None:
    one = house.one
    listening = await house.install(one, "chat", {"comment_added": []})
    task = await house.tasks.create(one.member, project=one.project, summary="Oil")
    comment = await house.tasks.comment(one.member, task.id, "Hello")
    [told] = await house.deliveries(listening)
    assert (told["hook"], told["event"]["record_id"]) == ("comment_added", comment.id)
    assert "Hello" not in str(told)


async def test_nothing_of_another_organisation_is_found_or_changed(house: Any) -> None:
    one, other = house.one, house.other
    task = await house.tasks.create(other.member, project=other.project, summary="Theirs")
    attachment = await house.tasks.attach(other.member, task.id, "", "https://example.org/")
    before = await house.dump()
    mine = one.member
    for attempt in (
        house.tasks.create(mine, project=other.project, summary="Mine"),
        house.tasks.edit(mine, task.id, {"summary": "Mine"}),
        house.tasks.archive(mine, task.id),
        house.tasks.comment(mine, task.id, "Mine"),
        house.tasks.attach(mine, task.id, "", "https://example.org/"),
        house.tasks.detach(mine, attachment.id),
        house.people.role(one.admin, other.bob.id, "admin"),
        house.people.department(one.admin, other.bob.id, "Mine"),
        house.people.leave(one.admin, other.bob.id),
        house.objections.restrict(one.admin, other.bob.id),
        house.forgetting.forget(one.admin, other.bob.id),
    ):
        with pytest.raises(NotFound):
            await attempt
    with pytest.raises(Invalid):
        await house.people.contact(one.admin, "technical", other.bob.id)
    for changes in (
        {"status": other.status("Done")},
        {"labels": list(other.choices.labels)},
        {"type": next(iter(other.choices.types))},
        {"assignees": [other.bob.id]},
    ):
        with pytest.raises(Invalid):
            await house.tasks.create(mine, project=one.project, summary="Mine", changes=changes)
    for doer in (Doer(one.id, other.ada.id, "admin"), Doer(other.id, one.ada.id, "admin")):
        with pytest.raises((NotAllowed, HostError)):
            await house.people.add(doer, name="Mallory")
    assert await house.dump() == before
