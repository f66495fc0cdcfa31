"""The board's columns. A board may have any number of tasks; a page shows the first of each column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask.tasks import tasks
from assigntask.tasks.facts import ProjectFacts, TaskFacts
from assigntask_sdk.records import Status

MOST_TASKS = 200
"""On one page, of all columns together: apps are asked about so many at once."""


@dataclass(frozen=True, slots=True)
class Column:
    """`total` counts the tasks that are there, `tasks` are those that are shown."""

    status: Status
    tasks: Sequence[TaskFacts]
    total: int

    @property
    def more(self) -> int:
        return self.total - len(self.tasks)


def load(conn: Connection, organisation_id: str, project: ProjectFacts, most: int = MOST_TASKS) -> list[Column]:
    """Room is dealt out row by row, so a long column takes none from a short one."""
    task = t.task.c
    mine = (task.organisation_id == organisation_id, task.project_id == project.id, task.archived.is_(False))
    counted = sa.select(task.status_id, sa.func.count()).where(*mine).group_by(task.status_id)
    totals = {row[0]: int(row[1]) for row in conn.execute(counted)}
    place = sa.func.row_number().over(partition_by=task.status_id, order_by=(task.position, task.id)).label("place")
    ranked = sa.select(task.id, place).where(*mine).subquery()
    shown = sa.select(ranked.c.id).order_by(ranked.c.place, ranked.c.id).limit(most)
    found = tasks.load(conn, organisation_id, conn.execute(shown).scalars())
    by_status: dict[str, list[TaskFacts]] = {}
    for each in sorted(found.values(), key=lambda one: (one.position, one.id)):
        by_status.setdefault(each.status.id, []).append(each)
    return [
        Column(status, by_status.get(status.id, ()), totals.get(status.id, 0))
        for status in project.statuses
        if not status.archived or status.id in totals
    ]
