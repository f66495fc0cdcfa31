"""Whose lines only one process can drain: those of apps that dial in, which are at the end of one connection."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask.db.database import Database
from assigntask.hooks import lines
from assigntask.jobs.engine import Due, Line

from .connecting import Connections


class DueLines:
    """What an engine of several processes asks for. `clock` gives aware moments."""

    def __init__(self, db: Database, connections: Connections, clock: Callable[[], dt.datetime]) -> None:
        self._db, self._connections, self._clock = db, connections, clock

    async def __call__(self, named: Collection[Line] | None) -> Due:
        """Of the named lines, or of all in which something is due."""
        found, theirs = await self._db.read(_look, named, self._clock())
        here = self._connections.apps()
        return Due(
            anybody=tuple(line for line in found if line not in theirs),
            here=tuple(line for line in found if theirs.get(line) in here),
        )


def _look(
    conn: Connection, named: Collection[Line] | None, now: dt.datetime
) -> tuple[Collection[Line], dict[Line, str]]:
    if named is None:
        return lines.due(conn, now), dialling_in(conn)
    return named, dialling_in(conn, [installation for _, installation in named])


def dialling_in(conn: Connection, among: Collection[str] | None = None) -> dict[Line, str]:
    """The lines of apps that dial in, with the app's id: of these installations, or of all."""
    i, remote = t.installation.c, t.remote_app.c
    query = (
        sa.select(i.organisation_id, i.id, i.app_id)
        .join(t.remote_app, remote.app_id == i.app_id)
        .where(remote.url.is_(None))
    )
    if among is not None:
        query = query.where(i.id.in_(among))
    return {(row.organisation_id, row.id): row.app_id for row in conn.execute(query)}
