"""What apps show on pages: badges, panels, reports."""

from __future__ import annotations

import datetime as dt
import sys
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from assigntask.db import tables as t
from assigntask.db.ids import new_id
from assigntask.errors import HostError
from assigntask.hooks.errors import CallFailed
from assigntask.hooks.questions import Questions
from assigntask.installations.settings import Settings
from assigntask.people import organisations
from assigntask.people.facts import Doer
from assigntask.tasks import drafts, projects, tasks
from assigntask_sdk.blocks import Table, Text

pytestmark = pytest.mark.timeout(60)

TODAY = dt.date(2026, 3, 2)


@pytest.fixture
def limits(request: pytest.FixtureRequest) -> dict[str, float]:
    hooks = ("task_badges", "board_panel", "task_panel")
    if "holding_the_thread" in request.node.name:
        return dict.fromkeys(hooks, 0.3)
    return dict.fromkeys(hooks, 1.5 if "misbehaves" in request.node.name else 10.0)


def drawing() -> Any:
    return sys.modules["drawing_app.hooks"]


async def badges(world: Any, *of: Any, by: str = "ada", today: dt.date = TODAY) -> dict[str, list[str]]:
    shown = await world.questions.badges(world.doer(by), of, today)
    assert shown.failed == []
    return {task_id: [one.badge.text for one in told] for task_id, told in shown.by_task.items()}


async def asked(world: Any) -> list[int]:
    """How many tasks each call was about."""
    return [count for hook, count in drawing().calls if hook == "task_badges"]


async def test_badges_come_with_one_call_for_a_page_and_none_for_what_is_known(world: Any) -> None:
    await world.install("drawing_app")
    one, two = await world.task("one"), await world.task("three")
    assert await badges(world, one, two) == {one.id: ["calm 3"], two.id: ["calm 5"]}
    assert await badges(world, two) == {two.id: ["calm 5"]}
    assert await asked(world) == [2]
    changed = await world.edit(one, summary="longer")
    assert (await badges(world, changed, two))[one.id] == ["calm 6"]
    assert await asked(world) == [2, 1]


@pytest.mark.parametrize("what", ["viewer", "day", "settings", "rights", "refresh"])
async def test_badges_are_asked_for_again_when_what_they_hang_on_changes(world: Any, what: str) -> None:
    installation = await world.install("drawing_app")
    task = await world.task("one")
    await badges(world, task)
    by, today = "ada", TODAY
    match what:
        case "viewer":
            by = "ben"
        case "day":
            today = TODAY + dt.timedelta(days=1)
        case "settings":
            await Settings(world.db, world.clock).set(world.doer(), "drawing-app", {"mood": "merry"})
        case "rights":
            await world.objections.object(world.doer("cem"), "drawing-app")
        case "refresh":
            await world.questions.refresh(world.ids["here"], installation, task.id)
    await badges(world, task, by=by, today=today)
    assert await asked(world) == [1, 1]


async def test_more_than_two_hundred_tasks_are_asked_about_in_several_calls(world: Any) -> None:
    await world.install("drawing_app")
    task = await world.task("one")
    many = [replace(task, id=f"{number:036}") for number in range(450)]
    assert len(await badges(world, *many)) == 450
    assert await asked(world) == [200, 200, 50]


async def test_an_app_has_no_say_about_tasks_that_it_was_not_asked_about(world: Any) -> None:
    await world.install("drawing_app")
    task = await world.task("one")
    assert list(await badges(world, task)) == [task.id]


async def test_badges_of_a_task_out_of_reach_are_not_asked_for(world: Any) -> None:
    await world.install("drawing_app", projects=["far"])
    near, far = await world.task("near"), await world.task("far", project="far")
    assert list(await badges(world, near, far)) == [far.id]
    assert await asked(world) == [1]


async def test_an_app_that_misbehaves_is_left_out_and_named_and_the_others_are_there(world: Any) -> None:
    for name in ("hanging_app", "raising_app", "wrong_type_app", "huge_app", "broken_import_app"):
        await world.install(name)
    await world.install("drawing_app")
    task = await world.task("one")
    shown = await world.questions.badges(world.doer(), [task], TODAY)
    assert [one.app_id for one in shown.by_task[task.id]] == ["drawing-app"]
    assert {one.app_id: one.code for one in shown.failed} == {
        "hanging-app": "hook_timeout",
        "raising-app": "hook_raised",
        "wrong-type-app": "hook_wrong_answer",
        "huge-app": "hook_answer_too_large",
        "broken-import-app": "app_broken",
    }
    assert all("the value was" not in one.words for one in shown.failed)


async def test_an_app_that_misbehaves_by_holding_the_thread_does_not_take_the_others_along(world: Any) -> None:
    await world.install("blocking_app")
    await world.install("drawing_app")
    await world.registry.implementation("blocking-app", "task_badges")
    await world.registry.implementation("drawing-app", "task_badges")
    task = await world.db.write(_plain_task, world.ids)
    shown = await world.questions.badges(world.doer(), [task], TODAY)
    assert [one.app_id for one in shown.by_task[task.id]] == ["drawing-app"]
    assert {one.app_id: one.code for one in shown.failed} == {"blocking-app": "hook_blocked"}


def _plain_task(conn: Any, ids: dict[str, str]) -> Any:
    """A task that no guard was asked about."""
    choices = projects.choices(conn, ids["here"], ids["near"])
    now = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
    task = drafts.blank(id=new_id(), project=ids["near"], creator=ids["ada"], choices=choices, now=now)
    tasks.insert(conn, ids["here"], [task])
    return task


async def test_a_panel_tells_who_looks_on_only_where_that_was_granted(world: Any) -> None:
    await world.install("drawing_app")
    [panel] = await world.questions.board_panel(world.doer("ben"), await world.project(), TODAY)
    known_as = (await world.grant("drawing_app")).pairwise(world.ids["ben"])
    assert panel.blocks == [Text([f"near for {known_as}"])]
    assert {"viewer.person", "project.name"} in await world.released("drawing_app", ["question"])
    await world.objections.object(world.doer("ben"), "drawing-app")
    [panel] = await world.questions.board_panel(world.doer("ben"), await world.project(), TODAY)
    assert panel.blocks == [Text(["near for None"])]


async def test_without_the_scope_nobody_is_told_who_looks_on(world: Any) -> None:
    await world.install("drawing_app", without=["viewer:person"])
    [panel] = await world.questions.board_panel(world.doer("ben"), await world.project(), TODAY)
    assert panel.blocks == [Text(["near for None"])]


async def test_a_panel_that_fails_shows_this_viewers_last_answer_with_its_age(world: Any) -> None:
    await world.install("drawing_app")
    project = await world.project()
    [good] = await world.questions.board_panel(world.doer(), project, TODAY)
    asked_at = world.now
    drawing().failing.add("board_panel")
    world.later(minutes=3)
    [old] = await world.questions.board_panel(world.doer(), project, TODAY)
    assert (old.blocks, old.answered_at, old.failed.code) == (good.blocks, asked_at, "hook_raised")
    [other] = await world.questions.board_panel(world.doer("ben"), project, TODAY)
    assert (other.blocks, other.answered_at) == ((), None)
    await world.objections.object(world.doer("cem"), "drawing-app")  # what may be shown has changed since
    [after] = await world.questions.board_panel(world.doer(), project, TODAY)
    assert after.blocks == ()


async def test_a_panel_of_a_project_out_of_reach_is_not_there(world: Any) -> None:
    await world.install("drawing_app", projects=["far"])
    assert await world.questions.board_panel(world.doer(), await world.project("near"), TODAY) == []
    assert len(await world.questions.board_panel(world.doer(), await world.project("far"), TODAY)) == 1


async def test_blocks_over_the_limits_are_cut_and_reported(world: Any) -> None:
    await world.install("drawing_app")
    await world.questions.board_panel(world.doer(), await world.project(), TODAY)
    drawing().failing.add("too many")
    [panel] = await world.questions.board_panel(world.doer(), await world.project(), TODAY)
    assert len(panel.blocks) == 50
    problem = (await world.problems("drawing_app"))["host.blocks.board_panel"]
    assert "60 blocks" in problem.text


async def test_blocks_over_the_limits_are_an_error_in_tests(world: Any) -> None:
    await world.install("drawing_app")
    strict = Questions(world.db, world.gate, world.grants, world.proxies, world.clock, strict=True)
    await strict.board_panel(world.doer(), await world.project(), TODAY)
    drawing().failing.add("too many")
    with pytest.raises(HostError) as raised:
        await strict.board_panel(world.doer(), await world.project(), TODAY)
    assert raised.value.code == "blocks_too_large"


async def test_a_task_panel_is_given_the_task_and_its_attachments(world: Any) -> None:
    await world.install("drawing_app")
    task = await world.task("one")
    [panel] = await world.questions.task_panel(world.doer(), task, [], TODAY)
    assert panel.blocks == [Text(["one", " has 0"])]


async def test_a_report_is_given_to_the_person_who_asks(world: Any) -> None:
    await world.install("drawing_app")
    since, until = TODAY - dt.timedelta(days=7), TODAY
    assert await world.questions.report(world.doer(), "drawing-app", since, until, TODAY) == [
        Table(["since", "until"], [["2026-02-23", "2026-03-02"]])
    ]


@pytest.mark.parametrize(("app", "since", "code"), [("raising-app", TODAY, "no_report"), ("x", TODAY, "no_report")])
async def test_a_report_that_is_not_there_says_so(world: Any, app: str, since: dt.date, code: str) -> None:
    await world.install("raising_app")
    with pytest.raises(HostError) as raised:
        await world.questions.report(world.doer(), app, since, TODAY, TODAY)
    assert raised.value.code == code


async def test_an_app_that_is_being_upgraded_is_not_asked(world: Any) -> None:
    await world.install("drawing_app")
    await world.db.write(
        lambda conn: conn.execute(
            sa.update(t.installation)
            .where(t.installation.c.organisation_id == world.ids["here"])
            .values(upgrading_from="0.9.0")
        )
    )
    shown = await world.questions.badges(world.doer(), [await world.task("one")], TODAY)
    assert [one.code for one in shown.failed] == ["app_upgrading"]
    with pytest.raises(CallFailed) as raised:
        await world.questions.report(world.doer(), "drawing-app", TODAY, TODAY, TODAY)
    assert raised.value.code == "app_upgrading"
    assert await world.released("drawing_app", ["question"]) == []


async def test_two_organisations_apps_do_not_meet(world: Any) -> None:
    await world.install("drawing_app")
    other = await world.db.write(organisations.create, "Quay", "UTC", world.now)
    doer = Doer(other.id, None, None)
    task = await world.task("one")
    shown = await world.questions.badges(doer, [task], TODAY)
    assert (shown.by_task, shown.failed) == ({}, [])
    assert await world.questions.guards(other.id) == []
