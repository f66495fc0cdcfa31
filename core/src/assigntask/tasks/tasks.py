"""Tasks as rows. Whatever the number of tasks, loading them takes the same four queries."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from assigntask.db import tables as t
from assigntask_sdk.records import Due, Label, Status, TaskType

from . import checklists
from .facts import TaskFacts

PAGE = 200

_COLUMNS = (
    "id", "version", "number", "project_id", "summary", "description", "start_day", "due_day", "due_at", "creator_id",
    "position", "created_at", "updated_at", "done_at", "archived", "unchecked_by",
)  # fmt: skip

_TASK: sa.Select[Any] = (
    sa.select(
        *(t.task.c[name] for name in _COLUMNS),
        t.status.c.id.label("status_id"),
        t.status.c.name.label("status_name"),
        t.status.c.done.label("status_done"),
        t.status.c.archived.label("status_archived"),
        t.task_type.c.id.label("type_id"),
        t.task_type.c.name.label("type_name"),
    )
    .join(
        t.status, sa.and_(t.status.c.organisation_id == t.task.c.organisation_id, t.status.c.id == t.task.c.status_id)
    )
    .outerjoin(
        t.task_type,
        sa.and_(t.task_type.c.organisation_id == t.task.c.organisation_id, t.task_type.c.id == t.task.c.task_type_id),
    )
)


# Put together once: making a statement takes longer than running it.
_ORGANISATION = sa.bindparam("organisation", type_=sa.String)
_IDS = sa.bindparam("ids", expanding=True, type_=sa.String)

_BY_ID = _TASK.where(t.task.c.organisation_id == _ORGANISATION, t.task.c.id.in_(_IDS))

_LABELS: sa.Select[Any] = (
    sa.select(t.task_label.c.task_id, t.label.c.id, t.label.c.name, t.label.c.colour)
    .join(
        t.label,
        sa.and_(t.label.c.organisation_id == t.task_label.c.organisation_id, t.label.c.id == t.task_label.c.label_id),
    )
    .where(t.task_label.c.organisation_id == _ORGANISATION)
)
_ASSIGNEES: sa.Select[Any] = (
    sa.select(t.assignee.c.task_id, t.assignee.c.person_id)
    .where(t.assignee.c.organisation_id == _ORGANISATION)
    .order_by(t.assignee.c.position, t.assignee.c.person_id)
)
_BY_TASK = {
    statement: statement.where(table.c.task_id.in_(_IDS))
    for statement, table in ((_LABELS, t.task_label), (_ASSIGNEES, t.assignee))
}


class Place(NamedTuple):
    """Of one task: its project's id, its version, and when it was created (aware, UTC)."""

    project: str
    version: int
    created: dt.datetime


def load(conn: Connection, organisation_id: str, ids: Iterable[str]) -> dict[str, TaskFacts]:
    """Ids that are no task's of this organisation are left out."""
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    found = conn.execute(_BY_ID, {"organisation": organisation_id, "ids": wanted}).all()
    return {task.id: task for task in _facts(conn, organisation_id, found, [row.id for row in found])}


def get(conn: Connection, organisation_id: str, task_id: str) -> TaskFacts | None:
    return load(conn, organisation_id, [task_id]).get(task_id)


def by_number(conn: Connection, organisation_id: str, number: int) -> TaskFacts | None:
    found = conn.execute(_TASK.where(t.task.c.organisation_id == organisation_id, t.task.c.number == number)).all()
    for task in _facts(conn, organisation_id, found, [row.id for row in found]):
        return task
    return None


def board(conn: Connection, organisation_id: str, project_id: str, *, archived: bool | None = False) -> list[TaskFacts]:
    """All of one project, status by status, in the order of the board. `archived=None`: archived or not."""
    mine = [t.task.c.organisation_id == organisation_id, t.task.c.project_id == project_id]
    if archived is not None:
        mine.append(t.task.c.archived == archived)
    order = (t.status.c.position, t.status.c.id, t.task.c.position, t.task.c.id)
    found = conn.execute(_TASK.where(*mine).order_by(*order)).all()
    return _facts(conn, organisation_id, found, sa.select(t.task.c.id).where(*mine))


def page(
    conn: Connection,
    organisation_id: str,
    *,
    projects: Collection[str] | None = None,
    archived: bool | None = False,
    done: bool | None = None,
    updated_since: dt.datetime | None = None,
    created_since: dt.datetime | None = None,
    after: tuple[dt.datetime, str] | None = None,
    limit: int = PAGE,
) -> list[TaskFacts]:
    """In order of creation, from behind `after`: (created, id) of the last one seen. Moments are aware.

    `projects`: only in these; None: in all. `archived` and `done`: None: either.
    """
    task = t.task.c
    wanted: list[sa.ColumnElement[bool]] = [task.organisation_id == organisation_id]
    if projects is not None:
        wanted.append(task.project_id.in_(sorted(projects)))
    if archived is not None:
        wanted.append(task.archived == archived)
    if done is not None:
        wanted.append(task.done_at.is_not(None) if done else task.done_at.is_(None))
    if updated_since is not None:
        wanted.append(task.updated_at >= updated_since)
    if created_since is not None:
        wanted.append(task.created_at >= created_since)
    if after is not None:
        created, task_id = after
        last = (sa.literal(created, task.created_at.type), sa.literal(task_id, task.id.type))
        wanted.append(sa.tuple_(task.created_at, task.id) > sa.tuple_(*last))
    found = conn.execute(_TASK.where(*wanted).order_by(task.created_at, task.id).limit(limit)).all()
    return _facts(conn, organisation_id, found, [row.id for row in found])


def place(conn: Connection, organisation_id: str, task_id: str) -> Place | None:
    """Where a task stands, without loading it; None where there is none."""
    task = t.task.c
    query = sa.select(task.project_id, task.version, task.created_at)
    row = conn.execute(query.where(task.organisation_id == organisation_id, task.id == task_id)).one_or_none()
    return None if row is None else Place(*row)


def allocate_numbers(conn: Connection, organisation_id: str, how_many: int = 1) -> int:
    """The first of so many numbers that nobody else gets. Holds the organisation's row until the unit ends."""
    following: int = conn.execute(
        sa.update(t.organisation)
        .where(t.organisation.c.id == organisation_id)
        .values(next_task_number=t.organisation.c.next_task_number + how_many)
        .returning(t.organisation.c.next_task_number)
    ).scalar_one()
    return following - how_many


def insert(conn: Connection, organisation_id: str, tasks: Sequence[TaskFacts]) -> None:
    """With labels and assignees; checklists are `checklists.insert`'s."""
    if not tasks:
        return
    conn.execute(
        sa.insert(t.task),
        [
            {
                "id": task.id,
                "organisation_id": organisation_id,
                "project_id": task.project,
                "number": task.number,
                "creator_id": task.creator,
                "position": task.position,
                "created_at": task.created,
                "version": task.version,
                **_values(task),
            }
            for task in tasks
        ],
    )
    _insert_assignees(conn, organisation_id, tasks)
    _insert_labels(conn, organisation_id, tasks)


def update(conn: Connection, organisation_id: str, before: TaskFacts, after: TaskFacts) -> TaskFacts | None:
    """`after` as it was stored, with the next version; None where the task is no longer as `before`."""
    mine = (
        t.task.c.organisation_id == organisation_id,
        t.task.c.id == before.id,
        t.task.c.version == before.version,
    )
    stored = replace(after, version=before.version + 1)
    if conn.execute(sa.update(t.task).where(*mine).values(version=stored.version, **_values(stored))).rowcount != 1:
        return None
    if before.assignees != after.assignees:
        of_task = (t.assignee.c.organisation_id == organisation_id, t.assignee.c.task_id == before.id)
        conn.execute(sa.delete(t.assignee).where(*of_task))
        _insert_assignees(conn, organisation_id, [stored])
    if before.labels != after.labels:
        on_task = (t.task_label.c.organisation_id == organisation_id, t.task_label.c.task_id == before.id)
        conn.execute(sa.delete(t.task_label).where(*on_task))
        _insert_labels(conn, organisation_id, [stored])
    if before.checklists != after.checklists:
        checklists.update(conn, organisation_id, before.id, before.checklists, after.checklists)
    return stored


def touch(conn: Connection, organisation_id: str, ids: Collection[str], now: dt.datetime) -> None:
    """What hangs on these tasks has changed: they are at a new version, so that it counts as never given to anybody."""
    if ids:
        conn.execute(
            sa.update(t.task)
            .where(t.task.c.organisation_id == organisation_id, t.task.c.id.in_(sorted(ids)))
            .values(version=t.task.c.version + 1, updated_at=now)
        )


def _values(task: TaskFacts) -> dict[str, Any]:
    return {
        "summary": task.summary,
        "description": task.description,
        "task_type_id": task.type.id if task.type else None,
        "status_id": task.status.id,
        "start_day": task.start,
        "due_day": task.due.day if task.due else None,
        "due_at": task.due.at if task.due else None,
        "updated_at": task.updated,
        "done_at": task.done,
        "archived": task.archived,
        "unchecked_by": list(task.unchecked_by),
    }


def _insert_assignees(conn: Connection, organisation_id: str, tasks: Sequence[TaskFacts]) -> None:
    rows = [
        {"organisation_id": organisation_id, "task_id": task.id, "person_id": person_id, "position": place}
        for task in tasks
        for place, person_id in enumerate(task.assignees)
    ]
    if rows:
        conn.execute(sa.insert(t.assignee), rows)


def _insert_labels(conn: Connection, organisation_id: str, tasks: Sequence[TaskFacts]) -> None:
    rows = [
        {"organisation_id": organisation_id, "task_id": task.id, "label_id": label.id}
        for task in tasks
        for label in task.labels
    ]
    if rows:
        conn.execute(sa.insert(t.task_label), rows)


def _facts(
    conn: Connection, organisation_id: str, found: Sequence[Row[Any]], ids: Sequence[str] | sa.Select[tuple[str]]
) -> list[TaskFacts]:
    """In the order of `found`. `ids` are theirs, or a query for them: a whole board has more than fit a statement."""
    if not found:
        return []
    labels: dict[str, list[Label]] = {}
    for row in _of_tasks(conn, _LABELS, t.task_label, organisation_id, ids):
        labels.setdefault(row[0], []).append(Label(*row[1:]))
    assignees: dict[str, list[str]] = {}
    for row in _of_tasks(conn, _ASSIGNEES, t.assignee, organisation_id, ids):
        assignees.setdefault(row[0], []).append(row[1])
    lists = checklists.load(conn, organisation_id, ids)
    return [
        TaskFacts(
            id=row.id,
            version=row.version,
            number=row.number,
            project=row.project_id,
            summary=row.summary,
            description=row.description,
            type=TaskType(row.type_id, row.type_name) if row.type_id else None,
            status=Status(row.status_id, row.status_name, row.status_done, row.status_archived),
            labels=in_order(labels.get(row.id, ())),
            start=row.start_day,
            due=Due(row.due_day, row.due_at) if row.due_day else None,
            created=row.created_at,
            updated=row.updated_at,
            done=row.done_at,
            archived=row.archived,
            checklists=lists.get(row.id, ()),
            assignees=tuple(assignees.get(row.id, ())),
            creator=row.creator_id,
            position=row.position,
            unchecked_by=tuple(row.unchecked_by),
        )
        for row in found
    ]


def _of_tasks(
    conn: Connection,
    statement: sa.Select[Any],
    table: sa.Table,
    organisation_id: str,
    ids: Sequence[str] | sa.Select[tuple[str]],
) -> Iterable[Any]:
    if isinstance(ids, sa.Select):
        return conn.execute(statement.where(table.c.task_id.in_(ids)), {"organisation": organisation_id})
    return conn.execute(_BY_TASK[statement], {"organisation": organisation_id, "ids": ids})


def in_order(labels: Iterable[Label]) -> tuple[Label, ...]:
    """By name, whatever the database's collation."""
    return tuple(sorted(labels, key=lambda label: (label.name, label.id)))
