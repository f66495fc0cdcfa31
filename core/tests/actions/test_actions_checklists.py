"""Changing checklists: a change of the task, with its version, its guards, its event and its key."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from assigntask.actions.checklists import MOST_ITEMS, MOST_LISTS
from assigntask.actions.hooks import GuardUnanswered
from assigntask.db import new_id
from assigntask.db import tables as t
from assigntask.errors import HostError
from assigntask.people.facts import Doer
from assigntask.tasks import tasks
from assigntask_sdk.errors import Conflict, Gone, Invalid, NotFound, Vetoed
from assigntask_sdk.hooks import Veto


async def a_task(house: Any) -> Any:
    return await house.tasks.create(house.one.member, project=house.one.project, summary="Oil")


async def read(house: Any, task: Any) -> Any:
    return await house.db.read(tasks.get, house.one.id, task.id)


async def steps(house: Any, task: Any) -> list[Any]:
    found = await read(house, task)
    return [(each.name, [(item.text, item.done) for item in each.items]) for each in found.checklists]


async def test_lists_and_items_come_behind_those_that_are_there(house: Any) -> None:
    task, member = await a_task(house), house.one.member
    first = await house.checklists.add(member, task.id, " Before ", ["Clean", "Dry"], key="1")
    second = await house.checklists.add(member, task.id, "After", key="2")
    await house.checklists.add_item(member, second, "Wipe", key="1")
    last = await house.checklists.add_item(member, first, "Look", key="2")
    await house.checklists.set_done(member, last, True)
    assert await steps(house, task) == [
        ("Before", [("Clean", False), ("Dry", False), ("Look", True)]),
        ("After", [("Wipe", False)]),
    ]
    assert (await read(house, task)).version == 6


async def test_each_change_is_told_as_a_change_of_the_tasks_checklists(house: Any) -> None:
    listening = await house.install(house.one, "listening", {"task_changed": ["task.checklists"]})
    deaf = await house.install(house.one, "deaf", {"task_changed": ["task.due"]})
    task = await a_task(house)
    made = await house.checklists.add(house.one.app(deaf), task.id, "Steps", key="k")
    await house.checklists.add_item(house.one.member, made, "Wipe", key="k")
    events = [row["event"] for row in await house.deliveries(listening)][-2:]
    assert [event["changed"] for event in events] == [["checklists", "updated"]] * 2
    assert [(event["version"], event["kind"]) for event in events] == [(2, "task.changed"), (3, "task.changed")]
    assert [event["origin"] for event in events] == [deaf, None]
    assert [row["event"]["changed"] for row in await house.deliveries(deaf)] == []


async def test_with_the_same_key_it_is_made_once_and_nothing_else_happens(house: Any, guard: Any) -> None:
    task, member = await a_task(house), house.one.member
    made = await house.checklists.add(member, task.id, "Steps", key="k")
    item = await house.checklists.add_item(member, made, "Wipe", key="k")
    asked = guard("strict", lambda *_: Veto("No."))
    house.hooks.listed = [asked]
    before = await house.dump()
    assert await house.checklists.add(member, task.id, "Another", key="k") == made
    assert await house.checklists.add_item(member, made, "Another", key="k") == item
    await house.checklists.set_done(member, item, False)
    assert asked.asked == []
    assert await house.dump() == before
    house.hooks.listed = []
    assert await house.checklists.add(house.one.admin, task.id, "Steps", key="k") != made


async def test_at_once_with_one_key_it_is_made_once(house: Any) -> None:
    task, member = await a_task(house), house.one.member
    found = await asyncio.gather(
        *(house.checklists.add(member, task.id, "Steps", ["Wipe"], key="k") for _ in range(3)),
        return_exceptions=True,
    )
    made = {one for one in found if isinstance(one, str)}
    assert len(made) == 1
    assert all(isinstance(one, str | Conflict) for one in found)
    assert await steps(house, task) == [("Steps", [("Wipe", False)])]


async def test_of_one_key_for_two_tasks_at_once_one_is_made_and_nothing_of_the_other_stays(house: Any) -> None:
    member = house.one.member
    both = [await a_task(house), await a_task(house)]
    found = await asyncio.gather(
        *(house.checklists.add(member, task.id, "Steps", key="k") for task in both), return_exceptions=True
    )
    assert {type(one) for one in found} <= {str, Conflict}
    assert len({one for one in found if isinstance(one, str)}) == 1
    assert sorted([len(await steps(house, task)) for task in both]) == [0, 1]
    assert sorted([(await read(house, task)).version for task in both]) == [1, 2]


async def test_changes_at_the_same_time_are_all_kept_or_refused(house: Any) -> None:
    task, member = await a_task(house), house.one.member
    made = await house.checklists.add(member, task.id, "Steps", key="k")
    found = await asyncio.gather(
        *(house.checklists.add_item(member, made, f"{n}", key=f"{n}") for n in range(5)), return_exceptions=True
    )
    kept = [one for one in found if isinstance(one, str)]
    assert kept
    assert all(isinstance(one, str | Conflict) for one in found)
    [(_, items)] = await steps(house, task)
    assert len(items) == len(kept)
    assert (await read(house, task)).version == 2 + len(kept)


async def test_guards_see_the_change_and_may_refuse_or_amend_it(house: Any, guard: Any) -> None:
    task, member = await a_task(house), house.one.member
    strict = guard("strict", lambda after, *_: Veto("No steps.", "checklists") if after.checklists else None)
    house.hooks.listed = [strict]
    before = await house.dump()
    with pytest.raises(Vetoed):
        await house.checklists.add(member, task.id, "Steps", ["Wipe"], key="k")
    assert await house.dump() == before
    [(after, asked_before, changed, source)] = strict.asked
    assert (changed, source, asked_before.checklists) == (("checklists",), "person", ())
    assert [item.text for item in after.checklists[0].items] == ["Wipe"]
    house.hooks.listed = [guard("kind", lambda *_: {"summary": "Oil, in steps"})]
    await house.checklists.add(member, task.id, "Steps", ["Wipe"], key="k")
    assert (await read(house, task)).summary == "Oil, in steps"
    assert await steps(house, task) == [("Steps", [("Wipe", False)])]


async def test_a_guard_that_must_be_heard_and_is_not_stops_it(house: Any, guard: Any) -> None:
    task, member = await a_task(house), house.one.member
    hanging = guard("hanging", lambda *_: GuardUnanswered("hung"), on_failure="refuse")
    house.hooks.listed = [hanging]
    with pytest.raises(Vetoed):
        await house.checklists.add(member, task.id, "Steps", key="k")
    hanging.on_failure = "allow"
    await house.checklists.add(member, task.id, "Steps", key="k")
    assert (await read(house, task)).unchecked_by == ("hanging",)


async def test_an_app_reaches_the_checklists_of_its_projects_alone(house: Any) -> None:
    task, member = await a_task(house), house.one.member
    made = await house.checklists.add(member, task.id, "Steps", key="k")
    item = await house.checklists.add_item(member, made, "Wipe", key="k")
    app = house.one.app(await house.install(house.one, "nowhere", projects=[]))
    before = await house.dump()
    for doer in (app, house.other.member):
        for attempt in (
            house.checklists.add(doer, task.id, "Mine", key="x"),
            house.checklists.add_item(doer, made, "Mine", key="x"),
            house.checklists.set_done(doer, item, True),
        ):
            with pytest.raises(NotFound):
                await attempt
    disabled = house.one.app(await house.install(house.one, "disabled", state="disabled"))
    with pytest.raises(Gone):
        await house.checklists.add(disabled, task.id, "Mine", key="x")
    assert [name for name, rows in (await house.dump()).items() if rows != before[name]] == [
        "app",
        "app_version",
        "installation",
    ]


async def test_who_has_left_changes_nothing(house: Any) -> None:
    task = await a_task(house)
    stranger = Doer(house.one.id, None, None)
    with pytest.raises(HostError):
        await house.checklists.add(stranger, task.id, "Steps", key="k")


@pytest.mark.parametrize(
    ("name", "items", "key", "field"),
    [
        ("", [], "k", "name"),
        ("x" * 201, [], "k", "name"),
        (7, [], "k", "name"),
        ("Steps", "Wipe", "k", "items"),
        ("Steps", 7, "k", "items"),
        ("Steps", [""], "k", "items"),
        ("Steps", [None], "k", "items"),
        ("Steps", ["x" * 1001], "k", "items"),
        ("Steps", ["x"] * (MOST_ITEMS + 1), "k", "items"),
        ("Steps", ["nul\x00"], "k", "items"),
        ("Steps", [], "", "key"),
        ("Steps", [], "x" * 501, "key"),
    ],
)
async def test_what_can_not_be_stored_is_refused_by_name(
    house: Any, name: Any, items: Any, key: str, field: str
) -> None:
    task = await a_task(house)
    before = await house.dump()
    with pytest.raises(Invalid) as caught:
        await house.checklists.add(house.one.member, task.id, name, items, key=key)
    assert set(caught.value.fields) == {field}
    assert await house.dump() == before


async def test_there_is_an_end_to_lists_and_items(house: Any) -> None:
    task, member = await a_task(house), house.one.member
    for n in range(MOST_LISTS):
        made = await house.checklists.add(member, task.id, f"{n}", key=f"{n}")
    with pytest.raises(Invalid):
        await house.checklists.add(member, task.id, "one more", key="more")
    full = await house.tasks.create(member, project=house.one.project, summary="Full")
    made = await house.checklists.add(member, full.id, "Full", ["x"] * MOST_ITEMS, key="full")
    with pytest.raises(Invalid):
        await house.checklists.add_item(member, made, "one more", key="more")


async def test_what_is_not_there_is_not_found(house: Any) -> None:
    member = house.one.member
    for attempt in (
        house.checklists.add(member, new_id(), "Steps", key="k"),
        house.checklists.add_item(member, new_id(), "Wipe", key="k"),
        house.checklists.set_done(member, new_id(), True),
    ):
        with pytest.raises(NotFound):
            await attempt
    with pytest.raises(Invalid):
        await house.checklists.set_done(member, new_id(), "yes")
    assert await house.rows(t.checklist) == []
