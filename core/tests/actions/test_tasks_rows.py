"""Tasks as rows: loading, paging, and what people call things."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from assigntask.actions import names
from assigntask.db.ids import new_id
from assigntask.errors import HostError
from assigntask.tasks import checklists, drafts, projects, tasks
from assigntask_sdk.errors import Invalid, NotFound
from assigntask_sdk.records import Checklist, ChecklistItem


@contextmanager
def statements() -> Iterator[list[str]]:
    """The SQL that is sent while inside, from whatever thread."""
    sent: list[str] = []

    def note(conn: Any, cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    sa.event.listen(Engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        sa.event.remove(Engine, "before_cursor_execute", note)


def _fill(conn: Connection, tenant: Any, how_many: int, now: dt.datetime) -> list[str]:
    """Tasks with a label, two assignees and a checklist each, one minute apart."""
    first = tasks.allocate_numbers(conn, tenant.id, how_many)
    statuses = list(tenant.choices.statuses.values())
    made = []
    for n in range(how_many):
        at = now + dt.timedelta(minutes=n // 3)  # some at the same moment
        blank = drafts.blank(id=new_id(), project=tenant.project, creator=None, choices=tenant.choices, now=at)
        made.append(
            replace(
                blank,
                version=1,
                number=first + n,
                summary=f"Task {n}",
                status=statuses[n % 3],
                done=at if statuses[n % 3].done else None,
                archived=n % 7 == 0,
                labels=tasks.in_order(tenant.choices.labels.values()),
                assignees=(tenant.bob.id, tenant.ada.id),
                position=float(-n),
            )
        )
    tasks.insert(conn, tenant.id, made)
    items = (ChecklistItem(new_id(), "Chain", True), ChecklistItem(new_id(), "Tyres", False))
    checklists.insert(
        conn,
        tenant.id,
        [
            checklists.Placed(task.id, 1.0, Checklist(new_id(), "Parts", (replace(items[0], id=new_id()),)))
            for task in made[1:]
        ]
        + [checklists.Placed(made[0].id, 2.0, Checklist(new_id(), "Last", ()))]
        + [checklists.Placed(made[0].id, 1.0, Checklist(new_id(), "First", items))],
    )
    return [task.id for task in made]


async def test_a_task_comes_back_whole(house: Any) -> None:
    ids = await house.db.write(_fill, house.one, 2, house.now)
    task = (await house.db.read(tasks.load, house.one.id, ids))[ids[0]]
    assert [label.name for label in task.labels] == ["Later", "Urgent"]
    assert task.assignees == (house.one.bob.id, house.one.ada.id)
    assert [(one.name, [(item.text, item.done) for item in one.items]) for one in task.checklists] == [
        ("First", [("Chain", True), ("Tyres", False)]),
        ("Last", []),
    ]


async def test_many_tasks_take_as_many_statements_as_one(house: Any) -> None:
    one = house.one
    ids = await house.db.write(_fill, one, 200, house.now)
    counts: dict[str, set[int]] = {}
    readings: dict[str, list[Callable[[Connection], Any]]] = {
        "load": [lambda conn: tasks.load(conn, one.id, ids[:1]), lambda conn: tasks.load(conn, one.id, ids)],
        "page": [lambda conn: tasks.page(conn, one.id, limit=1), lambda conn: tasks.page(conn, one.id, limit=200)],
        "board": [lambda conn: tasks.board(conn, one.id, one.project)],
    }
    for name, calls in readings.items():
        for call in calls:
            with statements() as sent:
                assert await house.db.read(call)
            counts.setdefault(name, set()).add(sum(statement.startswith("SELECT") for statement in sent))
            assert all("organisation_id" in statement for statement in sent if statement.startswith("SELECT"))
    assert counts == {"load": {4}, "page": {4}, "board": {4}}


async def test_a_board_is_in_the_order_of_its_statuses_and_positions(house: Any) -> None:
    one = house.one
    await house.db.write(_fill, one, 30, house.now)
    board = await house.db.read(tasks.board, one.id, one.project)
    assert not any(task.archived for task in board)
    order = [(list(one.choices.statuses).index(task.status.id), task.position) for task in board]
    assert order == sorted(order)
    assert len(await house.db.read(tasks.board, one.id, one.project, archived=None)) == 30
    assert await house.db.read(tasks.board, one.id, house.other.project) == []


async def test_pages_follow_each_other_without_a_gap_or_a_repeat(house: Any) -> None:
    ids = await house.db.write(_fill, house.one, 50, house.now)
    await house.db.write(_fill, house.other, 5, house.now)
    seen: list[Any] = []
    while page := await house.db.read(
        tasks.page,
        house.one.id,
        archived=None,
        after=(seen[-1].created, seen[-1].id) if seen else None,
        limit=7,
    ):
        seen += page
    assert [task.id for task in seen] == sorted(ids)
    assert [task.created for task in seen] == sorted(task.created for task in seen)


async def test_a_page_keeps_to_its_filters(house: Any) -> None:
    one = house.one
    await house.db.write(_fill, one, 30, house.now)
    since = house.now + dt.timedelta(minutes=5)

    async def found(**filters: Any) -> list[Any]:
        return list(await house.db.read(tasks.page, one.id, **filters))

    assert all(not task.archived for task in await found())
    assert all(task.archived for task in await found(archived=True))
    assert {task.done is not None for task in await found(done=True)} == {True}
    assert {task.done is not None for task in await found(done=False)} == {False}
    assert min(task.created for task in await found(created_since=since)) == since
    assert min(task.updated for task in await found(updated_since=since)) == since
    assert await found(projects=[]) == []
    assert await found(projects=[house.other.project]) == []
    assert len(await found(projects=[one.project], archived=None)) == 30


async def test_a_task_that_has_moved_on_is_not_overwritten(house: Any) -> None:
    one = house.one
    [task_id] = await house.db.write(_fill, one, 1, house.now)
    task = (await house.db.read(tasks.load, one.id, [task_id]))[task_id]
    stored = await house.db.write(tasks.update, one.id, task, replace(task, summary="New", labels=()))
    assert (stored.version, stored.labels) == (2, ())
    assert await house.db.write(tasks.update, one.id, task, replace(task, summary="Old")) is None
    assert await house.db.write(tasks.update, house.other.id, stored, replace(stored, summary="Theirs")) is None
    assert (await house.db.read(tasks.load, one.id, [task_id]))[task_id] == stored
    assert await house.db.read(tasks.load, house.other.id, [task_id]) == {}
    assert await house.db.read(tasks.by_number, house.other.id, 1) is None


async def test_names_become_ids(house: Any) -> None:
    one = house.one
    changes = await house.db.read(
        names.resolve,
        one.id,
        one.project,
        {"status": "doing", "type": "Bug", "labels": ["urgent"], "assignees": ["bob", "ada@example.org"], "due": None},
    )
    task = await house.tasks.create(one.member, project=one.project, summary="Oil", changes=changes)
    assert (task.status.name, task.type.name, [label.name for label in task.labels]) == ("Doing", "Bug", ["Urgent"])
    assert task.assignees == (one.bob.id, one.ada.id)
    cleared = await house.db.read(names.resolve, one.id, one.project, {"type": None, "labels": [], "assignees": []})
    assert cleared == {"type": None, "labels": [], "assignees": []}


async def test_names_that_nobody_knows_are_all_named_with_the_nearest(house: Any) -> None:
    one = house.one
    with pytest.raises(Invalid) as refused:
        await house.db.read(
            names.resolve, one.id, one.project, {"status": "Dong", "labels": ["Urgnt"], "assignees": ["zed"]}
        )
    assert set(refused.value.fields) == {"status", "labels", "assignees"}
    assert "'Doing'" in refused.value.fields["status"]
    assert "'Urgent'" in refused.value.fields["labels"]


async def test_projects_and_tasks_are_found_by_what_people_call_them(house: Any) -> None:
    one = house.one
    task = await house.tasks.create(one.member, project=one.project, summary="Oil")
    for text in ("1", "#1", task.id):
        assert (await house.db.read(names.task, one.id, text)).id == task.id
    for text in ("2", "#", "", "²", "9" * 30, house.other.project):
        with pytest.raises(NotFound):
            await house.db.read(names.task, one.id, text)
    assert (await house.db.read(names.project, one.id, "bicycles")).id == one.project
    with pytest.raises(HostError, match="'Bicycles'"):
        await house.db.read(names.project, one.id, "Bicicles")
    with pytest.raises(HostError):
        await house.db.read(names.project, one.id, house.other.project)


async def test_a_project_is_made_once_with_three_statuses(house: Any) -> None:
    one = house.one
    first = await house.db.write(projects.ensure, one.id, "New", now=house.now)
    assert await house.db.write(projects.ensure, one.id, "New", now=house.now) == first
    assert await house.db.write(projects.ensure, house.other.id, "New", now=house.now) != first
    project = await house.db.read(projects.get, one.id, first)
    assert [(status.name, status.done) for status in project.statuses] == [
        ("To do", False),
        ("Doing", False),
        ("Done", True),
    ]
    assert [one_project.name for one_project in await house.db.read(projects.listed, one.id)] == ["Bicycles", "New"]
    with pytest.raises(NotFound):
        await house.db.read(projects.get, house.other.id, first)


async def test_a_page_never_reads_the_assignees_and_labels_of_other_tasks(house: Any) -> None:
    """SQLite chooses without statistics: an index that has the organisation alone would win, and read all of it."""
    if house.db.dialect != "sqlite":
        pytest.skip("PostgreSQL chooses by its statistics")
    one = house.one
    await house.db.write(_fill, one, 3, house.now)

    def plans(conn: Connection) -> list[str]:
        sent: list[tuple[str, Any]] = []

        def note(conn: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
            sent.append((statement, parameters))

        sa.event.listen(conn, "before_cursor_execute", note)
        tasks.page(conn, one.id)
        sa.event.remove(conn, "before_cursor_execute", note)
        found = [conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {each}", given).all() for each, given in sent]
        return [row[3] for plan in found for row in plan]

    found = await house.db.read(plans)
    assert any("ix_assignee_task" in step for step in found)
    for table in ("assignee", "task_label", "checklist"):
        steps = [step for step in found if step.startswith((f"SEARCH {table} ", f"SCAN {table}"))]
        assert steps
        assert all("task_id=?" in step for step in steps)
