"""Where it happens: a database, a folder with keys and the witness's file, a small organisation."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.engine import Connection

from assigntask.app import Platform
from assigntask.context.factory import ContextFactory
from assigntask.events.fences import Fence
from assigntask.grants.grant import Grant
from assigntask.installations.directory import Directory
from assigntask.people import organisations, people
from assigntask.settings import Settings
from assigntask.tasks import projects
from assigntask_sdk.apps import InstalledApp, find_app
from assigntask_sdk.context import Ctx
from assigntask_sdk.hooks import Hooks
from assigntask_sdk.manifest import Manifest
from assigntask_sdk.records import PersonId

APP = "kill-app"
ORGANISATION = "Harbour"
STEP = dt.timedelta(hours=3)
"""How much later each process begins: leases of the one before are over, now and then an app's retention is."""
PATIENCE = 30.0
"""Seconds that each hook has: being late is not what is looked for here."""


@dataclass(frozen=True, slots=True)
class Place:
    database: str
    folder: Path

    @property
    def witness(self) -> Path:
        return self.folder / "witness.jsonl"

    @property
    def subject_keys(self) -> str:
        return f"sqlite:///{self.folder / 'keys' / 'subjects.db'}"

    def settings(self) -> Settings:
        patient = dict.fromkeys(Hooks.all, PATIENCE)
        return Settings(self.database, self.folder / "keys", self.subject_keys, hook_limits=patient)


class Naming:
    """Tells the app for which installation it is called, which the contract never does."""

    def __init__(self, contexts: ContextFactory) -> None:
        self._contexts = contexts

    def make(
        self,
        grant: Grant,
        *,
        deadline: dt.datetime,
        settings: Mapping[str, Any],
        manifest: Manifest,
        viewer: PersonId | None = None,
        fence: Fence | None = None,
    ) -> Ctx:
        named = {**settings, "installation": grant.installation_id}
        return self._contexts.make(grant, deadline=deadline, settings=named, viewer=viewer, fence=fence)


def the_app() -> InstalledApp:
    return find_app(Path(__file__).parent / "kill_app")


def clock(step: float) -> Callable[[], dt.datetime]:
    return lambda: dt.datetime.now(dt.UTC) + step * STEP


@asynccontextmanager
async def opened(place: Place, step: float) -> AsyncIterator[Platform]:
    """The host as it is. `step` counts the processes before this one."""
    app = the_app()
    os.environ["KILL_WITNESS"] = str(place.witness)
    async with Platform.open(place.settings(), clock=clock(step), directory=Directory(lambda: [app])) as platform:
        platform.proxies.connect(Naming(platform.contexts))
        yield platform


async def furnish(place: Place) -> None:
    """Ada is the admin; two boards."""

    def unit(conn: Connection, now: dt.datetime) -> None:
        here = organisations.create(conn, ORGANISATION, "Europe/Amsterdam", now).id
        for name in ("near", "far"):
            projects.create(conn, here, name, now=now)
        for name, role in (("ada", "admin"), ("ben", "member"), ("cem", "member"), ("dot", "member")):
            people.add(
                conn,
                here,
                name=name.title(),
                email=f"{name}@harbour.example",
                user_name=name,
                job_title=f"{name.title()}'s job",
                department="Quay" if name < "cem" else "Lock",
                role="admin" if role == "admin" else "member",
                now=now,
            )

    place.folder.mkdir(parents=True, exist_ok=True)
    async with opened(place, 0) as platform:
        await platform.db.write(unit, platform.clock())
