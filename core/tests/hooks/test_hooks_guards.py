"""Guards: asked before a save, contained, and heard according to their manifest."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from assigntask.hooks.breakers import listed
from assigntask_sdk.errors import Vetoed
from assigntask_sdk.records import Due

pytestmark = pytest.mark.timeout(60)

BAD = ["hanging_app", "raising_app", "exiting_app", "wrong_type_app", "huge_app", "broken_import_app"]
CODES = {
    "hanging_app": "hook_timeout",
    "raising_app": "hook_raised",
    "exiting_app": "hook_raised",
    "wrong_type_app": "hook_wrong_answer",
    "huge_app": "hook_answer_too_large",
    "blocking_app": "hook_blocked",
    "spinning_app": "hook_blocked",
}


@pytest.fixture
def limits(request: pytest.FixtureRequest) -> dict[str, float]:
    slow = "hanging" in request.node.name or "blocking" in request.node.name or "spinning" in request.node.name
    return {"task_saving": 0.15 if slow else 10}


async def breaker(world: Any, name: str) -> Any:
    return (await world.db.read(listed, world.ids["here"], world.ids[name])).get("task_saving")


async def test_a_guard_refuses_with_its_reason_and_nothing_is_saved(world: Any) -> None:
    await world.install("guarding_app")
    with pytest.raises(Vetoed) as refused:
        await world.task("no date", due=None)
    assert (refused.value.app, refused.value.reason, refused.value.field) == (
        "guarding-app",
        "give it a due date",
        "due",
    )
    task = await world.task("with a date")
    with pytest.raises(Vetoed):
        await world.edit(task, due=None)
    assert (await world.read(task)).due == Due(dt.date(2026, 3, 2))


async def test_a_guard_amends_and_is_told_only_the_changed_fields_that_it_sees(world: Any) -> None:
    await world.install("guarding_app", without=["tasks:people"])
    task = await world.task("amend", assignees=[world.ids["ben"]])
    assert task.summary == "amended: summary, due"


async def test_whoever_is_withheld_stays_assigned_when_a_guard_sets_the_assignees(world: Any) -> None:
    await world.install("guarding_app")
    task = await world.task("all", assignees=[world.ids["ben"], world.ids["cem"], world.ids["ada"]])
    await world.objections.object(world.doer("cem"), "guarding-app")
    released = await world.edit(task, summary="release everybody")
    assert released.assignees == (world.ids["ben"], world.ids["cem"])


async def test_an_amendment_that_names_what_is_not_there_is_no_answer(world: Any) -> None:
    await world.install("guarding_app")  # its manifest says: refuse
    with pytest.raises(Vetoed, match="did not answer"):
        await world.task("unknown label")
    state = await breaker(world, "guarding_app")
    assert state.failures == 1
    assert "no such label" in state.last_error


async def test_try_later_of_a_guard_is_no_answer_and_no_failure(world: Any) -> None:
    await world.install("guarding_app")
    with pytest.raises(Vetoed, match="did not answer"):
        await world.task("later")
    assert await breaker(world, "guarding_app") is None


@pytest.mark.parametrize("name", BAD)
async def test_a_guard_that_fails_is_contained_and_the_save_is_marked(world: Any, name: str) -> None:
    await world.install(name)
    task = await world.task("goes on")
    assert task.unchecked_by == (name.replace("_", "-"),)
    state = await breaker(world, name)
    if name == "broken_import_app":
        assert state is None  # there is no code that could have failed
        return
    assert state.last_error.startswith(CODES[name])
    assert (state.state, state.failures, state.total) == ("closed", 1, 1)


@pytest.mark.parametrize("name", ["blocking_app", "spinning_app"])
async def test_a_guard_that_holds_the_thread_opens_its_breaker_at_once(world: Any, name: str) -> None:
    await world.install(name)
    task = await world.task("goes on")
    assert task.unchecked_by == (name.replace("_", "-"),)
    state = await breaker(world, name)
    assert (state.state, state.total) == ("open", 1)
    assert state.last_error.startswith("hook_blocked")
    assert "host.breaker.task_saving" in await world.problems(name)


async def test_after_five_failures_the_app_is_left_alone_and_after_the_pause_tried_once(world: Any) -> None:
    await world.install("raising_app")
    for _ in range(5):
        await world.task("goes on")
    calls = len(await world.released("raising_app", ["question"]))
    assert (await breaker(world, "raising_app")).state == "open"
    task = await world.task("not asked")
    assert task.unchecked_by == ("raising-app",)
    assert len(await world.released("raising_app", ["question"])) == calls  # nothing left the host for it
    assert (await breaker(world, "raising_app")).total == 5
    world.later(seconds=31)
    await world.task("asked once")
    state = await breaker(world, "raising_app")
    assert (state.state, state.total, state.failures) == ("open", 6, 6)


async def test_what_an_app_raises_reaches_neither_the_person_nor_the_log(
    world: Any, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    await world.install("raising_app")
    await world.task("goes on")
    output = capsys.readouterr()
    assert "the value was" not in caplog.text + output.out + output.err
    assert "ZeroDivisionError: the value was 42" in (await breaker(world, "raising_app")).last_error


async def test_members_are_guarded_although_the_power_is_an_admins(world: Any) -> None:
    await world.install("guarding_app")
    with pytest.raises(Vetoed):
        await world.task("no date", by="ben", due=None)


async def test_a_guard_is_not_asked_about_what_is_out_of_its_reach(world: Any) -> None:
    await world.install("guarding_app", projects=["far"])
    await world.task("no date", due=None)
    assert await world.released("guarding_app", ["question"]) == []
    with pytest.raises(Vetoed):
        await world.task("no date", project="far", due=None)


async def test_without_the_power_there_is_no_guard_and_disabling_ends_it(world: Any) -> None:
    await world.install("guarding_app")
    await world.leaving.disable(world.doer(), "guarding-app")
    assert list(await world.questions.guards(world.ids["here"])) == []
    await world.task("no date", due=None)
    await world.leaving.enable(world.doer(), "guarding-app")
    with pytest.raises(Vetoed):
        await world.task("no date", due=None)


async def test_guards_are_asked_in_install_order_and_the_later_sees_the_amendment(world: Any) -> None:
    await world.install("raising_app")
    await world.install("guarding_app")
    assert [guard.app_id for guard in await world.questions.guards(world.ids["here"])] == [
        "raising-app",
        "guarding-app",
    ]
    task = await world.task("amend")
    assert task.summary.startswith("amended")
    assert task.unchecked_by == ("raising-app",)


async def test_what_a_guard_is_given_is_in_the_ledger(world: Any) -> None:
    await world.install("guarding_app", without=["tasks:people"])
    await world.task("with a date")
    assert await world.released("guarding_app", ["question"]) == [
        frozenset({"task.summary", "task.description", "task.due"})
    ]
