"""Bringing in a board from elsewhere. Imports ask no app, and raise one event."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from sqlalchemy.engine import Connection

from assigntask.db.database import Database
from assigntask.people import doers
from assigntask.people.facts import Doer
from assigntask.tasks import imports
from assigntask.tasks.import_ground import Ground, ImportReport, Step
from assigntask.tasks.import_sources import Sources
from assigntask.tasks.import_tasks import store_tasks
from assigntask.tasks.importers.board import Board

Clock = Callable[[], dt.datetime]

CHUNK = 50


class Imports:
    """`key` names what came in before: with another one, everything would come in once more."""

    def __init__(self, db: Database, key: bytes, clock: Clock) -> None:
        self._db = db
        self._key = key
        self._clock = clock

    async def run(
        self, doer: Doer, board: Board, *, source: str = "trello", progress: Callable[[int, int], None] | None = None
    ) -> ImportReport:
        """The same board again changes nothing; a newer export of it adds what is new.

        `progress(done, total)` counts tasks. Cut off in the middle, the next run brings in the rest.
        Raises NotAllowed.
        """
        ground = Ground(Sources(doer.organisation_id, source, self._key), board, self._clock())
        await self._db.read(_admit, doer)
        prepared = await self._db.write(imports.prepare, ground)
        total = Step()
        total.add(prepared.step)
        in_time = sorted(board.tasks, key=lambda task: (task.created_at or ground.now, task.number or 0))
        for start in range(0, len(in_time), CHUNK):
            chunk = in_time[start : start + CHUNK]
            total.add(await self._db.write(store_tasks, ground, prepared, chunk))
            if progress is not None:
                progress(start + len(chunk), len(in_time))
        return await self._db.write(imports.finish, ground, prepared, total, doer.person_id)


def _admit(conn: Connection, doer: Doer) -> None:
    doers.require_admin(doers.current(conn, doer), "import a board")
