"""The host's own part: what a commit wakes, and whose lines are for which process."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from starlette.websockets import WebSocket

from assigntask.app import Platform
from assigntask.db import Database
from assigntask.db import tables as t
from assigntask.delivery.connecting import Connections, ConnectWay
from assigntask.delivery.dialled import DueLines
from assigntask.delivery.remotes import listed
from assigntask.events.events import Event, record
from assigntask.installations.directory import Directory
from assigntask.jobs.engine import DRAIN, Due, Line
from assigntask.people import organisations, people
from assigntask.people.facts import Doer
from assigntask.settings import Settings
from assigntask.tasks import projects
from assigntask_sdk.apps import find_app

APPS = Path(__file__).parent / "apps"


class Recorder:
    """An engine that only notes what it is woken for."""

    def __init__(self) -> None:
        self.woken: list[tuple[str, set[Line]]] = []

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def wake(self, name: str, lines: Collection[Line] = ()) -> None:
        self.woken.append((name, set(lines)))


async def test_a_commit_wakes_the_lines_in_which_it_queued_something(database_url: str, tmp_path: Path) -> None:
    settings = Settings(database_url, tmp_path / "keys", f"sqlite:///{tmp_path / 'subjects.db'}")
    directory = Directory(lambda: [find_app(APPS / "holding_app")])
    async with Platform.open(settings, directory=directory) as platform:

        def furnish(conn: Connection) -> tuple[Doer, str]:
            now = platform.clock()
            here = organisations.create(conn, "Harbour", "UTC", now).id
            ada = people.add(conn, here, name="Ada", email="ada@harbour.example", role="admin", now=now)
            return Doer(here, ada.id, "admin"), projects.create(conn, here, "Near", now=now)

        admin, project = await platform.db.write(furnish)
        installed = await platform.installing.install(admin, "holding-app")
        engine = platform._engine = Recorder()
        task = await platform.tasks.create(admin, project=project, summary="One", changes={})
        assert engine.woken == [(DRAIN, {(admin.organisation_id, installed.id)})]
        await platform.tasks.edit(
            admin, task.id, {"assignees": [str(admin.person_id)]}
        )  # of which the app hears nothing
        assert len(engine.woken) == 1


async def test_lines_of_apps_that_dial_in_are_for_the_process_that_they_are_at(
    database: Database, world: Any, clock: Any
) -> None:
    near, far = [await world.install(["tasks:read"]) for _ in range(2)]
    near_line, far_line = ((world.organisation_id, each) for each in (near, far))
    dialling = {"app_id": await world.app_of(far), "key_digest": "d", "added_at": clock()}

    def queue(conn: Connection) -> None:
        conn.execute(sa.insert(t.remote_app).values(**dialling))
        event = Event("task.changed", "task", near, clock(), changed=["summary"])
        record(conn, world.organisation_id, event, hook="task_changed", recipients=[near, far])

    await database.write(queue)
    connections = Connections()
    due = DueLines(database, connections, clock)
    assert await due(None) == Due(anybody=(near_line,))
    [remote] = await database.read(listed)
    way = ConnectWay(WebSocket({"type": "websocket"}, _nothing, _nothing))
    await connections.put(remote, way)
    both = Due(anybody=(near_line,), here=(far_line,))
    assert await due(None) == both
    assert await due([near_line, far_line]) == both
    assert await due([near_line]) == Due(anybody=(near_line,))
    connections.drop(remote, way)
    assert await due([far_line]) == Due()
    assert not connections.any()


async def _nothing(*_: Any) -> Any:
    raise AssertionError("nobody says anything here")
