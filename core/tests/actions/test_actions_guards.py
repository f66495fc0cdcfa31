"""Guards: who is asked, what each sees, what follows from its answer or from none."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from assigntask.actions.hooks import GuardUnanswered
from assigntask.db import tables as t
from assigntask_sdk.errors import Vetoed
from assigntask_sdk.hooks import Veto
from assigntask_sdk.records import Due

DUE = Due(dt.date(2026, 4, 1))


def failing(*_: Any) -> GuardUnanswered:
    return GuardUnanswered("hung")


async def test_each_guard_sees_what_those_before_it_amended(house: Any, guard: Any) -> None:
    one = house.one
    first = guard("first", lambda after, before, changed: {"due": DUE})
    second = guard("second", lambda after, before, changed: {"summary": f"{after.summary}!", "assignees": [one.bob.id]})
    third = guard("third")
    house.hooks.listed = [first, second, third]
    task = await house.tasks.create(one.member, project=one.project, summary="Oil")
    assert (task.summary, task.due, task.assignees) == ("Oil!", DUE, (one.bob.id,))
    seen = [(ask[0].summary, ask[0].due) for each in (first, second, third) for ask in each.asked]
    assert seen == [("Oil", None), ("Oil", DUE), ("Oil!", DUE)]
    after, before, changed, source = third.asked[0]
    assert (before, source, after.version) == (None, "person", 0)
    assert set(changed) == {"number", "project", "created", "summary", "status", "due", "assignees"}


async def test_a_veto_ends_it_and_nothing_is_stored(house: Any, guard: Any) -> None:
    one = house.one
    task = await house.tasks.create(one.member, project=one.project, summary="Oil")
    later = guard("later")
    house.hooks.listed = [guard("strict", lambda *_: Veto("A task needs a due date.", "due")), later]
    before = await house.dump()
    with pytest.raises(Vetoed) as refused:
        await house.tasks.edit(one.member, task.id, {"summary": "Grease"})
    assert (refused.value.app, refused.value.field) == ("strict", "due")
    assert refused.value.message == "Strict refuses this change: A task needs a due date."
    assert later.asked == []
    assert await house.dump() == before


async def test_a_guard_that_need_not_be_heard_is_named_as_unchecked_until_it_answers(house: Any, guard: Any) -> None:
    one = house.one
    flaky = guard("flaky", failing)
    house.hooks.listed = [flaky, guard("sound")]
    task = await house.tasks.create(one.member, project=one.project, summary="Oil")
    assert task.unchecked_by == ("flaky",)
    assert (await house.rows(t.task))[0]["unchecked_by"] == ["flaky"]
    flaky.answer = lambda *_: None
    assert (await house.tasks.edit(one.member, task.id, {"summary": "Grease"})).unchecked_by == ()


async def test_without_the_answer_of_a_guard_that_must_be_heard_nothing_is_saved(house: Any, guard: Any) -> None:
    one = house.one
    house.hooks.listed = [guard("strict", failing, "refuse")]
    with pytest.raises(Vetoed, match="Strict"):
        await house.tasks.create(one.member, project=one.project, summary="Oil")
    assert await house.rows(t.task) == []


@pytest.mark.parametrize("amended", [{"status": "nowhere"}, {"assignees": ["nobody"]}, {"summary": ""}])
async def test_an_impossible_amendment_counts_as_no_answer(house: Any, guard: Any, amended: Any) -> None:
    house.hooks.listed = [guard("odd", lambda *_: amended)]
    task = await house.tasks.create(house.one.member, project=house.one.project, summary="Oil")
    assert (task.summary, task.unchecked_by) == ("Oil", ("odd",))


async def test_an_app_is_not_asked_about_its_own_change(house: Any, guard: Any) -> None:
    one = house.one
    own, foreign = guard("own", lambda *_: Veto("no")), guard("foreign")
    house.hooks.listed = [own, foreign]
    app = one.app(await house.install(one, "own"))
    await house.tasks.create(app, project=one.project, summary="Oil")
    assert own.asked == []
    assert foreign.asked[0][3] == "app"


async def test_an_amendment_that_takes_a_change_back_leaves_the_task_alone(house: Any, guard: Any) -> None:
    one = house.one
    task = await house.tasks.create(one.member, project=one.project, summary="Oil")
    house.hooks.listed = [guard("back", lambda after, before, changed: {"summary": before.summary}), guard("later")]
    before = await house.dump()
    assert await house.tasks.edit(one.member, task.id, {"summary": "Grease"}) == task
    assert house.hooks.listed[1].asked == []
    assert await house.dump() == before


async def test_after_a_conflict_the_guards_are_asked_about_the_task_as_it_is_now(house: Any, guard: Any) -> None:
    one = house.one
    task = await house.tasks.create(one.member, project=one.project, summary="Oil")
    quick = type(house.tasks)(house.db, type(house.hooks)(), house.clock)

    async def once() -> None:
        if len(asked.asked) == 1:
            await quick.edit(one.member, task.id, {"due": DUE})

    asked = guard("strict", lambda *_: once())
    house.hooks.listed = [asked]
    saved = await house.tasks.edit(one.member, task.id, {"summary": "Grease"})
    assert (saved.summary, saved.due, saved.version) == ("Grease", DUE, 3)
    assert [(after.due, changed) for after, _, changed, _ in asked.asked] == [(None, ("summary",)), (DUE, ("summary",))]
