"""A host to measure: organisations with people and tasks, the database on the disk or in memory."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy.engine import Connection

from assigntask.app import Platform
from assigntask.db.ids import new_id
from assigntask.grants.grant import Actor, Grant
from assigntask.installations.directory import Directory
from assigntask.people import organisations, people
from assigntask.people.facts import Doer
from assigntask.settings import Settings
from assigntask.tasks import checklists, drafts, projects, tasks
from assigntask.tasks.checklists import Placed
from assigntask.tasks.facts import TaskFacts
from assigntask.tasks.projects import Choices
from assigntask_sdk.apps import InstalledApp
from assigntask_sdk.records import Checklist, ChecklistItem, Due

START = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
TASKS = 100
MORE_AT_ONCE = 5_000
PEOPLE = ("Ada", "Ben", "Cem", "Dot", "Eli", "Fay", "Gus", "Hal", "Ida", "Jon")


class Days:
    """A clock that moves when it is told to: what was recorded yesterday has to be recorded again."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> dt.datetime:
        return self.now

    def next(self) -> None:
        self.now += dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Place:
    """An organisation. `tasks` each have two assignees, a creator, a label, a checklist and a due date."""

    platform: Platform
    clock: Days
    doer: Doer
    tasks: tuple[str, ...]

    @property
    def organisation_id(self) -> str:
        return self.doer.organisation_id

    async def another(self, name: str) -> Place:
        """Just such an organisation, on the same host."""
        doer, ids = await self.platform.db.write(_furnish, name)
        return Place(self.platform, self.clock, doer, ids)

    async def install(self, apps: Sequence[InstalledApp]) -> list[str]:
        """Their installations' ids."""
        return [(await self.platform.installing.install(self.doer, app.id)).id for app in apps]

    async def grant(self, installation_id: str) -> Grant:
        return await self.platform.grants.current(self.organisation_id, installation_id, Actor.installation())

    async def facts(self, ids: Sequence[str]) -> list[TaskFacts]:
        found = await self.platform.db.read(tasks.load, self.organisation_id, ids)
        return [found[each] for each in ids]


async def more_tasks(place: Place, count: int) -> None:
    """So many more of the same kind, without checklists, in the same project."""
    for first in range(TASKS + 1, TASKS + 1 + count, MORE_AT_ONCE):
        await place.platform.db.write(_more, place.organisation_id, min(MORE_AT_ONCE, TASKS + 1 + count - first))


def settings_for(folder: Path, database: str | None = None) -> Settings:
    """`database`: an address, where it is not a file in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    keys = folder / "keys"
    return Settings(database or f"sqlite:///{folder / 'assigntask.db'}", keys, f"sqlite:///{keys / 'subjects.db'}")


@asynccontextmanager
async def furnished(settings: Settings, apps: Sequence[InstalledApp]) -> AsyncIterator[Place]:
    """A new host with one organisation. `apps` are offered there, and none is installed."""
    clock = Days()
    async with Platform.open(settings, clock=clock, directory=Directory(lambda: apps)) as platform:
        doer, ids = await platform.db.write(_furnish, "Harbour")
        yield Place(platform, clock, doer, ids)


def _furnish(conn: Connection, name: str) -> tuple[Doer, tuple[str, ...]]:
    here = organisations.create(conn, name, "Europe/Madrid", START).id
    staff = [
        people.add(
            conn,
            here,
            name=f"{person} of the Harbour",
            email=f"{person.lower()}@harbour.example",
            user_name=person.lower(),
            department="Quay" if number % 2 else "Lock",
            role="member" if number else "admin",
            now=START,
        ).id
        for number, person in enumerate(PEOPLE)
    ]
    project = projects.create(conn, here, "Board", now=START)
    projects.ensure_type(conn, here, "Repair")
    projects.add_label(conn, here, project, "Urgent", colour="red")
    choices = projects.choices(conn, here, project)
    first = tasks.allocate_numbers(conn, here, TASKS)
    made = [_task(project, choices, staff, first + place) for place in range(TASKS)]
    tasks.insert(conn, here, made)
    checklists.insert(conn, here, [Placed(task.id, 1.0, task.checklists[0]) for task in made])
    return Doer(here, staff[0], "admin"), tuple(task.id for task in made)


def _more(conn: Connection, here: str, count: int) -> None:
    [project] = [found.id for found in projects.listed(conn, here)]
    staff = people.everyone(conn, here)
    choices = projects.choices(conn, here, project)
    first = tasks.allocate_numbers(conn, here, count)
    made = [_task(project, choices, staff, first + place) for place in range(count)]
    tasks.insert(conn, here, [replace(task, checklists=()) for task in made])


def _task(project: str, choices: Choices, staff: Sequence[str], number: int) -> TaskFacts:
    task = drafts.blank(id=new_id(), project=project, creator=staff[(number + 3) % 10], choices=choices, now=START)
    items = [ChecklistItem(new_id(), words, done=False) for words in ("Fetch the ladder", "Paint", "Clean up")]
    return replace(
        task,
        version=1,
        number=number,
        position=float(number),
        summary=f"Mend crane number {number} before the fleet is back",
        description="The hook is worn, and so is the rope. Look at the wheels while you are up there.",
        type=next(iter(choices.types.values())),
        labels=tuple(choices.labels.values()),
        due=Due(START.date() + dt.timedelta(days=number % 30)),
        checklists=(Checklist(new_id(), "Steps", tuple(items)),),
        assignees=tuple(sorted((staff[number % 7], staff[7 + number % 3]))),
    )
