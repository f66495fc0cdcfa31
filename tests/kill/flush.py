"""One process that releases something to an app twice, for the first time each: to be looked at from outside."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask.people import doers, organisations, people
from assigntask.people.facts import Doer
from assigntask.tasks import projects

from .place import APP, ORGANISATION, Place, furnish, opened


async def released_twice(place: Place) -> dict[str, Any]:
    """The entries of a task's two revisions, in order; the witness's file has a line for each."""
    await furnish(place)
    async with opened(place, 0) as platform:
        ada, project = await platform.db.read(_begin)
        await platform.installing.install(ada, APP)
        await platform.drain()
        today = platform.clock().date()
        task = await platform.tasks.create(ada, project=project, summary="Oil the lock")
        await platform.questions.badges(ada, [task], today)
        task = await platform.tasks.edit(ada, task.id, {"summary": "Oil both locks"})
        await platform.questions.badges(ada, [task], today)
        return {"entries": await platform.db.read(_questions, ada.organisation_id), "task": task.id}


def _begin(conn: Connection) -> tuple[Doer, str]:
    here = organisations.by_name(conn, ORGANISATION).id
    ada = people.find(conn, here, "ada")
    return doers.doer(conn, here, ada.id), projects.listed(conn, here)[0].id


def _questions(conn: Connection, organisation_id: str) -> list[str]:
    query = sa.select(t.ledger_entry.c.id).where(
        t.ledger_entry.c.organisation_id == organisation_id, t.ledger_entry.c.channel == "question"
    )
    return list(conn.scalars(query.order_by(t.ledger_entry.c.row)))
