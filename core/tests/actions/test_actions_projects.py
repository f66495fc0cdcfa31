"""Projects: who may make and change them, what that makes of their version, and which event tells it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from assigntask.actions.projects import ProjectActions
from assigntask.db import tables as t
from assigntask.tasks import projects
from assigntask.tasks.importers import board as outside
from assigntask_sdk.errors import AppError

HEARD = ["project.name", "project.statuses"]


@pytest.fixture
def acts(house: Any) -> ProjectActions:
    return ProjectActions(house.db, house.clock)


async def code(doing: Awaitable[Any]) -> str:
    with pytest.raises(AppError) as caught:
        await doing
    return caught.value.code


async def test_a_project_is_made_with_its_event(house: Any, acts: ProjectActions) -> None:
    listening = await house.install(house.one, "listening", {"project_changed": HEARD})
    elsewhere = await house.install(house.other, "listening", {"project_changed": HEARD})
    made = await acts.create(house.one.admin, " Docks ", description="By the water")
    assert (made.name, made.description, made.archived) == ("Docks", "By the water", False)
    assert [status.name for status in made.statuses] == ["To do", "Doing", "Done"]
    [delivery] = await house.deliveries(listening, "project_changed")
    event = delivery["event"]
    assert (event["kind"], event["record_id"], event["version"]) == ("project.created", made.id, made.version)
    assert event["by_person_id"] == house.one.ada.id
    assert set(event["changed"]) == {"name", "description", "archived", "statuses"}
    assert await house.deliveries(elsewhere) == []


async def test_each_change_is_a_version_and_is_told_to_those_who_hear_of_it(house: Any, acts: ProjectActions) -> None:
    one = house.one
    listening = await house.install(one, "listening", {"project_changed": HEARD})
    before = await house.db.read(projects.get, one.id, one.project)
    renamed = await acts.edit(one.admin, one.project, name="Wheels", description="Two of them", archived=False)
    again = await acts.add_status(one.admin, one.project, "Waiting", done=False)
    archived = await acts.edit(one.admin, one.project, archived=True)
    versions = [before.version, renamed.version, again.version, archived.version]
    assert versions == sorted(set(versions))
    assert (archived.name, archived.description, archived.archived) == ("Wheels", "Two of them", True)
    assert [status.name for status in archived.statuses][-1] == "Waiting"
    changed = [row["changed"] for row in await house.rows(t.event) if row["kind"] == "project.changed"]
    assert changed == [["name", "description"], ["statuses"], ["archived"]]
    told = [row["event"]["changed"] for row in await house.deliveries(listening)]
    assert told == [["name", "description"], ["statuses"]]


async def test_what_is_so_already_changes_nothing(house: Any, acts: ProjectActions) -> None:
    before = await house.dump()
    await acts.edit(house.one.admin, house.one.project)
    await acts.edit(house.one.admin, house.one.project, name=" Bicycles", archived=False)
    await acts.add_status(house.one.admin, house.one.project, "Done ")
    assert await house.dump() == before


@pytest.mark.parametrize(
    ("attempt", "expected"),
    [
        (lambda a, h: a.create(h.one.member, "Docks"), "not_allowed"),
        (lambda a, h: a.edit(h.one.member, h.one.project, name="Docks"), "not_allowed"),
        (lambda a, h: a.add_status(h.one.member, h.one.project, "Waiting"), "not_allowed"),
        (lambda a, h: a.create(h.one.app(h.one.ada.id), "Docks"), "not_allowed"),
        (lambda a, h: a.edit(h.one.admin, h.other.project, name="Mine"), "not_found"),
        (lambda a, h: a.add_status(h.one.admin, h.other.project, "Mine"), "not_found"),
        (lambda a, h: a.create(h.one.admin, " "), "invalid"),
        (lambda a, h: a.edit(h.one.admin, h.one.project, name="\x00"), "invalid"),
        (lambda a, h: a.add_status(h.one.admin, h.one.project, ""), "invalid"),
    ],
)
async def test_what_may_not_be_leaves_no_trace(
    house: Any, acts: ProjectActions, attempt: Callable[..., Awaitable[Any]], expected: str
) -> None:
    before = await house.dump()
    assert await code(attempt(acts, house)) == expected
    assert await house.dump() == before


async def test_an_import_is_told_once_by_its_project_and_not_by_what_is_on_it(house: Any) -> None:
    hooks = {"project_changed": HEARD, "task_changed": ["task.summary"], "person_changed": ["person.name"]}
    listening = await house.install(house.one, "listening", hooks)
    await house.imports.run(house.one.admin, board("one"))
    assert [row["hook"] for row in await house.deliveries(listening)] == ["project_changed"]
    await house.imports.run(house.one.admin, board("one"))
    await house.imports.run(house.one.admin, board("one", "two"))
    assert len(await house.deliveries(listening)) == 1  # of the project nothing is new
    await house.imports.run(house.one.admin, board("one", "two", statuses=("todo", "later")))
    assert [row["event"]["changed"] for row in await house.deliveries(listening)][1:] == [["statuses"]]


def board(*cards: str, statuses: tuple[str, ...] = ("todo",)) -> outside.Board:
    columns = tuple(outside.Status(name, name, False, place) for place, name in enumerate(statuses, 1))
    people = (outside.Person("p1", "Cy Young", "cy", True),)
    tasks = tuple(map(_card, cards))
    return outside.Board("b1", "Board", "", False, None, columns, (), people, tasks, outside.Report({}, ()))


def _card(source_id: str) -> outside.Task:
    return outside.Task(
        source_id=source_id,
        number=None,
        summary=source_id,
        description="",
        status="todo",
        archived=False,
        position=1.0,
        due=None,
        start=None,
        done=False,
        done_at=None,
        created_at=None,
        created_by="p1",
        updated_at=None,
        assignees=(),
        labels=(),
        checklists=(),
        comments=(),
        attachments=(),
    )
