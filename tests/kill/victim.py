"""The process that is killed: does everything at once, and notes what it was answered."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

from sqlalchemy.engine import Connection

from assigntask.app import Platform
from assigntask.errors import HostError
from assigntask.installations import installations
from assigntask.installations.installations import Installation
from assigntask.installations.life import STATES, Act
from assigntask.people import doers, organisations, people
from assigntask.people.facts import Doer
from assigntask.tasks import projects, tasks
from assigntask.tasks.facts import TaskFacts
from assigntask_sdk.errors import Conflict

from .place import APP, ORGANISATION, Place, opened
from .witness import Diary

PAGE = 10
MOST_TASKS = 60
OVERTAKEN = {"installation_state", "retention_over", "already_installed"}
"""The sweep wiped the installation between the look at it and the act."""
BY_STATE: dict[str | None, tuple[Act, ...]] = {
    None: ("install",),
    "wiped": ("install",),
    "uninstalled": ("install", "restore"),
    "active": ("uninstall", "disable"),
    "disabled": ("enable", "enable", "uninstall"),
}


class Victim:
    def __init__(self, platform: Platform, diary: Diary, rng: random.Random) -> None:
        self.platform, self.diary, self.rng = platform, diary, rng
        self.here = ""
        self.doers: dict[str, Doer] = {}
        self.projects: list[str] = []
        self.tasks: list[str] = []
        self.saved = 0

    async def begin(self, step: int) -> None:
        def look(conn: Connection) -> None:
            self.here = organisations.by_name(conn, ORGANISATION).id
            self.projects = [project.id for project in projects.listed(conn, self.here)]
            self.doers = {
                person.user_name: doers.doer(conn, self.here, person.id)
                for person in people.listed(conn, self.here)
                if person.user_name
            }
            self.tasks = [task.id for task in tasks.page(conn, self.here, limit=MOST_TASKS)]

        await self.platform.db.read(look)
        last = await self._newest()
        self.diary.note("opened", step=step, **_state(last))

    async def live(self) -> NoReturn:
        async with asyncio.TaskGroup() as group:
            for work in (self.administer, self.decide, self.save, self.save, self.discuss, self.show, self.deliver):
                group.create_task(_forever(work))
        raise AssertionError("work that goes on forever has ended")

    # What an admin does

    async def administer(self) -> None:
        before = await self._newest()
        act = self.rng.choice(BY_STATE[before.state if before else None])
        self.diary.note("acting", act=act)
        after: Installation | None
        try:
            after = await self._act(act)
        except HostError as error:
            if error.code not in OVERTAKEN:
                raise
            after = await self._newest()
            self.diary.note("refused", act=act, **_state(after))
        else:
            self.diary.note("acted", act=act, **_state(after))
        await self._pause(0.15)

    async def _act(self, act: Act) -> Installation:
        ada, leaving = self.doers["ada"], self.platform.leaving
        if act == "install":
            without = [scope for scope in ("people:email", "people:name", "viewer:change") if self.rng.random() < 0.2]
            reach = [self.rng.choice(self.projects)] if self.rng.random() < 0.3 else []
            return await self.platform.installing.install(ada, APP, without=without, projects=reach)
        acts: dict[Act, Callable[[Doer, str], Awaitable[Installation]]] = {
            "disable": leaving.disable,
            "enable": leaving.enable,
            "uninstall": leaving.uninstall,
            "restore": leaving.restore,
        }
        return await acts[act](ada, APP)

    async def _newest(self) -> Installation | None:
        def look(conn: Connection) -> Installation | None:
            live = installations.find(conn, self.here, APP)
            return live or installations.find(conn, self.here, APP, STATES)

        return await self.platform.db.read(look)

    # What people do

    async def decide(self) -> None:
        """Objects, withdraws; is restricted, and not any more."""
        ada, ben, objections = self.doers["ada"], self.doers["ben"], self.platform.objections
        cem = self.doers["cem"].person_id or ""
        act: str = self.rng.choice(("object", "withdraw", "restrict", "lift"))
        self.diary.note("deciding", act=act)
        try:
            changed = await {
                "object": lambda: objections.object(ben, APP),
                "withdraw": lambda: objections.withdraw(ben, APP),
                "restrict": lambda: objections.restrict(ada, cem),
                "lift": lambda: objections.lift(ada, cem),
            }[act]()
        except HostError as error:
            if error.code != "app_unknown":  # nobody ever installed it
                raise
            changed = False
        self.diary.note("decided", act=act, changed=changed)
        await self._pause(0.1)

    async def save(self) -> None:
        self.saved += 1
        summary = f"{self.rng.getrandbits(64):016x}"
        doer = self.rng.choice(list(self.doers.values()))
        self.diary.note("saving", summary=summary)
        try:
            task = await self._save(doer, summary)
        except Conflict:
            self.diary.note("conflict", summary=summary)
            return
        self.diary.note("saved", summary=summary, task=task.id, version=task.version)
        await self._pause(0.01)

    async def _save(self, doer: Doer, summary: str) -> TaskFacts:
        actions = self.platform.tasks
        if len(self.tasks) < PAGE or (len(self.tasks) < MOST_TASKS and self.rng.random() < 0.2):
            task = await actions.create(doer, project=self.rng.choice(self.projects), summary=summary)
            self.tasks.append(task.id)
            return task
        others = [one.person_id or "" for one in self.doers.values()]
        assignees = self.rng.sample(others, self.rng.randint(0, 2))
        return await actions.edit(doer, self.rng.choice(self.tasks), {"summary": summary, "assignees": assignees})

    async def discuss(self) -> None:
        if self.tasks:
            doer = self.rng.choice(list(self.doers.values()))
            task = self.rng.choice(self.tasks)
            comment = await self.platform.tasks.comment(doer, task, "What does @ben say, and @cem?")
            self.diary.note("commented", comment=comment.id)
        await self._pause(0.03)

    # What the host does

    async def show(self) -> None:
        if self.tasks:
            wanted = self.rng.sample(self.tasks, min(PAGE, len(self.tasks)))
            found = await self.platform.db.read(lambda conn: list(tasks.load(conn, self.here, wanted).values()))
            viewer = self.rng.choice(list(self.doers.values()))
            await self.platform.questions.badges(viewer, found, self.platform.clock().date())
        await self._pause(0.02)

    async def deliver(self) -> None:
        await self.platform.drain()
        await self._pause(0.02)

    async def _pause(self, most: float) -> None:
        await asyncio.sleep(self.rng.uniform(0, most))


def _state(installation: Installation | None) -> dict[str, Any]:
    if installation is None:
        return {"installation": None, "state": None, "credential": None}
    return {
        "installation": installation.id,
        "state": installation.state,
        "credential": installation.credential,
    }


async def _forever(work: Callable[[], Awaitable[None]]) -> NoReturn:
    while True:
        await work()


async def live(place: Place, step: int, seed: int, ready: Callable[[], None], seconds: float | None = None) -> None:
    """Until it is killed; or for so many seconds, and then to an orderly end."""
    async with opened(place, step) as platform:
        victim = Victim(platform, Diary(place.witness), random.Random(seed))
        await victim.begin(step)
        await platform.start()
        ready()
        try:
            async with asyncio.timeout(seconds):
                await victim.live()
        except TimeoutError:
            return
