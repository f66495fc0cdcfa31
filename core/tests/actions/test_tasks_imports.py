"""Importing a board: completely, once, and without bringing anybody back."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assigntask import sample
from assigntask.actions.imports import CHUNK
from assigntask.db import tables as t
from assigntask.errors import NotAllowed
from assigntask.tasks import comments, tasks
from assigntask.tasks.importers import board as outside
from assigntask.tasks.importers import trello

REAL = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "trello-board.json"
AT = dt.datetime(2025, 5, 1, 8, 0, tzinfo=dt.UTC)


def card(source_id: str, **values: Any) -> outside.Task:
    given: dict[str, Any] = {
        "source_id": source_id,
        "number": 1,
        "summary": f"Card {source_id}",
        "description": "",
        "status": "todo",
        "archived": False,
        "position": 1.0,
        "due": None,
        "start": None,
        "done": False,
        "done_at": None,
        "created_at": AT,
        "created_by": None,
        "updated_at": None,
        "assignees": (),
        "labels": (),
        "checklists": (),
        "comments": (),
        "attachments": (),
    }
    return outside.Task(**{**given, **values})


def comment(source_id: str, author: str | None, text: str) -> outside.Comment:
    return outside.Comment(source_id, author, text, AT, None, ())


def board(*cards: outside.Task, **values: Any) -> outside.Board:
    given: dict[str, Any] = {
        "source_id": "b1",
        "name": "Board",
        "description": "",
        "archived": False,
        "url": None,
        "statuses": (outside.Status("todo", "To do", False, 1.0), outside.Status("done", "DONE! 🙌🏽", False, 2.0)),
        "labels": (outside.Label("l1", "", "red"),),
        "people": (
            outside.Person("p1", "Cy Young", "cy", True),
            outside.Person("p2", "Former member 2", None, False),
        ),
        "tasks": cards,
        "report": outside.Report({}, ()),
    }
    return outside.Board(**{**given, **values})


def everything() -> outside.Board:
    return board(
        card("c1", assignees=("p1", "p2"), labels=("l1",), created_by="p1", comments=(comment("k1", "p1", "Hi @cy"),)),
        card(
            "c2",
            archived=True,
            done=True,
            due=outside.Due(dt.date(2025, 5, 2), AT),
            checklists=(
                outside.Checklist("x1", "Parts", 1.0, (outside.ChecklistItem("i1", "Chain", True, 1.0, None, "p1"),)),
            ),
            attachments=(
                outside.Attachment("a1", "Plan", "https://example.org/plan", "p2", AT, "text/plain", 5),
                outside.Attachment("a2", "Odd", "https://", None, AT, None, None),
            ),
        ),
    )


@pytest.mark.skipif(not REAL.exists(), reason="the export is not part of the project")
async def test_a_real_export_arrives_completely(house: Any) -> None:
    source = trello.read(REAL.read_bytes())
    steps: list[tuple[int, int]] = []
    report = await house.imports.run(house.one.admin, source, progress=lambda done, total: steps.append((done, total)))
    assert steps[-1] == (len(source.tasks), len(source.tasks))
    for kind in ("tasks", "people", "statuses", "labels", "checklists", "checklist items", "comments", "attachments"):
        assert report.stored.get(kind, 0) == source.report.read[kind], kind
    stored = {
        task.summary: task for task in await house.db.read(tasks.board, house.one.id, report.project_id, archived=None)
    }
    people = {row["id"]: row["name"] for row in await house.rows(t.person)}
    names = {person.source_id: person.name for person in source.people}
    statuses = {status.source_id: status for status in source.statuses}
    assert Counter(stored.keys()) == Counter(task.summary for task in source.tasks)
    for task in source.tasks:
        found = stored[task.summary]
        assert (found.archived, found.done is not None) == (task.archived, task.done or found.status.done)
        assert (found.status.name, found.status.archived) == (
            statuses[task.status].name,
            statuses[task.status].archived,
        )
        assert len(found.labels) == len(task.labels)
        assert found.created == task.created_at
        assert [people[person] for person in found.assignees] == [names[person] for person in task.assignees]
        assert [[(item.text, item.done) for item in one.items] for one in found.checklists] == [
            [(item.text, item.done) for item in one.items] for one in task.checklists
        ]
        written = await house.db.read(comments.of_task, house.one.id, found.id)
        assert [(people[one.author], one.created) for one in written] == [
            (names[one.author or ""], one.created_at) for one in task.comments
        ]
    in_order = sorted(stored.values(), key=lambda task: task.position)
    assert [task.summary for task in in_order] == [
        task.summary for task in sorted(source.tasks, key=lambda task: task.position)
    ]
    before = await house.dump()
    await house.imports.run(house.one.admin, trello.read(REAL.read_bytes()))
    assert await house.dump() == before


async def test_the_sample_board_comes_in_twice_as_once(house: Any) -> None:
    data, _ = sample.load(dt.date(2026, 3, 2))
    first = await house.imports.run(house.one.admin, trello.read(data))
    before = await house.dump()
    house.now += dt.timedelta(days=1)
    second = await house.imports.run(house.one.admin, trello.read(data))
    assert await house.dump() == before
    assert second.stored == {}
    assert second.known["tasks"] == first.stored["tasks"] > CHUNK / 2
    assert second.project_id == first.project_id


async def test_what_has_no_place_here_is_said(house: Any) -> None:
    report = await house.imports.run(house.one.admin, everything())
    assert {line.what: line.how_many for line in report.left_out} == {
        "due dates and assignees of checklist items": 1,
        "sizes and media types of attachments": 1,
        "attachments without a usable address": 1,
        "dates on which tasks were done": 1,
    }
    assert all(line.why for line in report.left_out)


async def test_an_import_asks_no_app_and_raises_one_event(house: Any, guard: Any) -> None:
    asked = guard("strict")
    house.hooks.listed = [asked]
    listening = await house.install(house.one, "strict", {"task_changed": ["task.summary"], "comment_added": []})
    report = await house.imports.run(house.one.admin, everything())
    assert asked.asked == []
    assert await house.deliveries(listening) == []
    [event] = await house.rows(t.event)
    assert (event["kind"], event["record_id"], event["by_person_id"]) == (
        "board.imported",
        report.project_id,
        house.one.ada.id,
    )
    assert event["facts"]["tasks"] == 2


async def test_two_imports_at_once_bring_everything_in_once(house: Any) -> None:
    many = board(*(card(f"c{n}", comments=(comment(f"k{n}", "p1", "Hi"),)) for n in range(CHUNK + 10)))
    reports = await asyncio.gather(*(house.imports.run(house.one.admin, many) for _ in range(3)))
    assert sum(report.stored.get("tasks", 0) for report in reports) == CHUNK + 10
    assert len(await house.rows(t.task)) == len(await house.rows(t.comment)) == CHUNK + 10
    assert len(await house.rows(t.project, organisation_id=house.one.id)) == 2


async def test_an_import_that_was_cut_off_is_finished_by_the_next(house: Any) -> None:
    many = board(*(card(f"c{n}") for n in range(CHUNK + 10)))

    def die(done: int, total: int) -> None:
        raise RuntimeError("cut off")

    with pytest.raises(RuntimeError):
        await house.imports.run(house.one.admin, many, progress=die)
    assert len(await house.rows(t.task)) == CHUNK
    assert await house.rows(t.event) == []
    await house.imports.run(house.one.admin, many)
    assert len(await house.rows(t.task)) == CHUNK + 10
    assert len(await house.rows(t.event)) == 1


async def test_a_newer_export_adds_what_is_new_and_leaves_what_was_changed_here(house: Any) -> None:
    first = everything()
    report = await house.imports.run(house.one.admin, first)
    [mine] = [row for row in await house.rows(t.task) if row["summary"] == "Card c1"]
    await house.tasks.edit(house.one.member, mine["id"], {"summary": "Changed here"})
    newer = replace(
        first,
        tasks=(
            replace(first.tasks[0], summary="Changed there", comments=(comment("k2", "p1", "New"),)),
            *first.tasks[1:],
            card("c3"),
        ),
    )
    second = await house.imports.run(house.one.admin, newer)
    assert second.stored == {"tasks": 1, "comments": 1}
    summaries = {row["summary"] for row in await house.rows(t.task)}
    assert summaries == {"Changed here", "Card c2", "Card c3"}
    assert len(await house.db.read(comments.of_task, house.one.id, mine["id"])) == 2
    assert second.project_id == report.project_id


async def test_what_a_newer_export_adds_to_a_task_or_project_makes_a_new_version_of_it(house: Any) -> None:
    """Else an app would be given it without an entry: all of this version was given before."""

    async def versions(table: Any, name: str) -> dict[str, int]:
        return {row[name]: row["version"] for row in await house.rows(table, organisation_id=house.one.id)}

    older = board(card("c1"), card("c2"))
    await house.imports.run(house.one.admin, older)
    tasks_before, projects_before = await versions(t.task, "summary"), await versions(t.project, "name")
    steps = outside.Checklist("x1", "Steps", 1.0, (outside.ChecklistItem("i1", "Pack", False, 1.0, None, None),))
    statuses = (*older.statuses, outside.Status("staging", "Staging", False, 3.0))
    await house.imports.run(
        house.one.admin, board(card("c1", checklists=(steps,)), card("c2"), card("c3"), statuses=statuses)
    )
    tasks_after = await versions(t.task, "summary")
    assert tasks_after == {"Card c1": tasks_before["Card c1"] + 1, "Card c2": tasks_before["Card c2"], "Card c3": 1}
    assert await versions(t.project, "name") == {**projects_before, "Board": projects_before["Board"] + 1}


async def test_nobody_who_was_forgotten_is_brought_back(house: Any) -> None:
    first = everything()
    await house.imports.run(house.one.admin, first)
    [cy] = [row for row in await house.rows(t.person) if row["name"] == "Cy Young"]
    await house.forgetting.forget(house.one.admin, cy["id"])
    before = await house.dump()
    await house.imports.run(house.one.admin, first)
    assert await house.dump() == before

    newer = replace(
        first,
        tasks=(
            *first.tasks,
            card(
                "c3",
                description="Ask @cy",
                assignees=("p1",),
                created_by="p1",
                comments=(comment("k3", "p1", "@Cy says hello"),),
            ),
        ),
    )
    await house.imports.run(house.one.admin, newer)
    [task] = [row for row in await house.rows(t.task) if row["summary"] == "Card c3"]
    assert (task["creator_id"], task["description"]) == (None, "Ask Forgotten person")
    assert await house.rows(t.assignee, task_id=task["id"]) == []
    [written] = await house.rows(t.comment, task_id=task["id"])
    assert (written["author_id"], written["text"]) == (None, "Forgotten person says hello")
    everywhere = str(await house.dump()).lower()
    assert "cy young" not in everywhere
    assert "@cy" not in everywhere
    assert "'cy'" not in everywhere


async def test_what_was_forgotten_in_one_organisation_is_not_in_another(house: Any) -> None:
    for tenant in (house.one, house.other):
        await house.imports.run(tenant.admin, everything())
    [cy] = [row for row in await house.rows(t.person, organisation_id=house.one.id) if row["name"] == "Cy Young"]
    await house.forgetting.forget(house.one.admin, cy["id"])
    names = [row["name"] for row in await house.rows(t.person, organisation_id=house.other.id)]
    assert "Cy Young" in names
    keys = [row["outside_key"] for row in await house.rows(t.import_source)]
    assert len(keys) == len(set(keys))


async def test_a_user_name_that_is_somebody_elses_here_is_left_out(house: Any) -> None:
    source = board(people=(outside.Person("p1", "Another Bob", "bob", True), outside.Person("p3", "X", "x y", True)))
    report = await house.imports.run(house.one.admin, source)
    [bob] = [row for row in await house.rows(t.person) if row["name"] == "Another Bob"]
    assert bob["user_name"] is None
    assert [(line.what, line.how_many) for line in report.left_out] == [("user names", 2)]


async def test_text_that_no_database_takes_does_not_stop_an_import(house: Any) -> None:
    odd = "a\x00b\ud800"
    source = board(
        card("c1", summary=odd, description=odd * 3, comments=(comment("k1", None, odd),)),
        name=odd,
        labels=(outside.Label("l1", odd, odd),),
        statuses=(outside.Status("todo", odd, False, 1.0),),
        people=(outside.Person("p1", odd, None, True),),
    )
    await house.imports.run(house.one.admin, source)
    [task] = await house.rows(t.task)
    assert task["summary"] == "a\ufffdb\ufffd"


async def test_what_is_in_a_list_of_done_things_is_done(house: Any) -> None:
    report = await house.imports.run(house.one.admin, board(card("c1", status="done"), card("c2")))
    found = await house.db.read(tasks.board, house.one.id, report.project_id)
    assert {task.summary: task.done for task in found} == {"Card c1": AT, "Card c2": None}


async def test_only_an_admin_imports(house: Any) -> None:
    with pytest.raises(NotAllowed):
        await house.imports.run(house.one.member, everything())
    assert await house.rows(t.task) == []
