"""Who looks and at what, and the columns of the board, on both databases."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from sqlalchemy.engine import Connection

from assigntask.db import Database
from assigntask.db.ids import new_id
from assigntask.errors import HostError
from assigntask.people import organisations, people
from assigntask.tasks import projects, tasks
from assigntask.tasks.facts import ProjectFacts, TaskFacts
from assigntask.web import columns, visit

NOW = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
SHAPE = {"To do": 4, "Doing": 1, "Done": 7}


def furnish(conn: Connection, name: str) -> ProjectFacts:
    here = organisations.create(conn, name, "Europe/Madrid", NOW).id
    for person, role in (("Zoe", "admin"), ("Ada", "admin"), ("Abe", "member")):
        people.add(conn, here, name=f"{person} of {name}", role=role, now=NOW)  # type: ignore[arg-type]
    project = projects.get(conn, here, projects.create(conn, here, f"{name} board", now=NOW))
    numbers = iter(range(1, 100))
    for status in project.statuses:
        some = [_task(project, status.name, place, next(numbers)) for place in range(SHAPE[status.name])]
        tasks.insert(conn, here, [*reversed(some), replace(some[0], id=new_id(), number=next(numbers), archived=True)])
    return project


def _task(project: ProjectFacts, status: str, place: int, number: int) -> TaskFacts:
    return TaskFacts(
        id=new_id(), version=1, number=number, project=project.id, summary=f"{status} {place}", description="",
        type=None, status=next(one for one in project.statuses if one.name == status), labels=(), start=None, due=None,
        created=NOW, updated=NOW, done=None, archived=False, checklists=(), assignees=(), creator=None,
        position=float(place), unchecked_by=(),
    )  # fmt: skip


async def seen(database: Database, project: ProjectFacts, most: int) -> dict[str, tuple[list[str], int]]:
    organisation = (await database.read(organisations.by_name, "Harbour")).id
    found = await database.read(columns.load, organisation, project, most)
    return {one.status.name: ([task.summary for task in one.tasks], one.more) for one in found}


async def test_room_is_dealt_out_row_by_row(database: Database) -> None:
    await database.write(furnish, "Airfield")
    project = await database.write(furnish, "Harbour")
    assert await seen(database, project, 7) == {
        "To do": (["To do 0", "To do 1", "To do 2"], 1),
        "Doing": (["Doing 0"], 0),
        "Done": (["Done 0", "Done 1", "Done 2"], 4),
    }
    assert {name: len(shown) for name, (shown, _) in (await seen(database, project, 200)).items()} == SHAPE


async def test_another_organisations_board_is_empty_from_here(database: Database) -> None:
    other = await database.write(furnish, "Airfield")
    await database.write(furnish, "Harbour")
    assert {name: shown for name, (shown, _) in (await seen(database, other, 200)).items()} == {
        name: [] for name in SHAPE
    }


async def test_the_first_admin_looks_at_the_first_organisation(database: Database) -> None:
    await database.write(furnish, "Harbour")
    await database.write(furnish, "Airfield")
    first = await database.read(visit.open_visit, None, None)
    assert (first.organisation.name, first.viewer.name) == ("Airfield", "Ada of Airfield")
    assert (first.doer.person_id, first.doer.role) == (first.viewer.id, "admin")
    assert first.project is not None
    second = await database.read(visit.open_visit, "Harbour", None)
    with pytest.raises(HostError) as unknown:
        await database.read(visit.open_visit, second.organisation.id, first.project.id)
    assert unknown.value.code == "project_unknown"
    with pytest.raises(HostError) as unknown:
        await database.read(visit.open_visit, "harbour", None)
    assert unknown.value.code == "organisation_unknown"
