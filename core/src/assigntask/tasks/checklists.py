"""Checklists of tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask_sdk.records import Checklist, ChecklistItem


class Placed(NamedTuple):
    """A checklist, and where it stands on which task."""

    task_id: str
    position: float
    checklist: Checklist


def insert(conn: Connection, organisation_id: str, placed: Sequence[Placed]) -> None:
    """Items keep the order that they have."""
    lists = [
        {
            "id": checklist.id,
            "organisation_id": organisation_id,
            "task_id": task_id,
            "name": checklist.name,
            "position": position,
        }
        for task_id, position, checklist in placed
    ]
    items = [
        row for _, _, checklist in placed for row in _item_rows(organisation_id, checklist.id, checklist.items, 0.0)
    ]
    if lists:
        conn.execute(sa.insert(t.checklist), lists)
    if items:
        conn.execute(sa.insert(t.checklist_item), items)


def update(
    conn: Connection, organisation_id: str, task_id: str, before: Sequence[Checklist], after: Sequence[Checklist]
) -> None:
    """What is new in `after` comes behind what is there, and items are done or not as they are in it.

    Nothing is removed. Only for a task that nobody else changes at the same time.
    """
    known = {checklist.id for checklist in before}
    items = {item.id: item for checklist in before for item in checklist.items}
    new = [checklist for checklist in after if checklist.id not in known]
    first = _next_list(conn, organisation_id, task_id) if new else 0.0
    insert(conn, organisation_id, [Placed(task_id, first + place, each) for place, each in enumerate(new)])
    for checklist in after:
        if checklist.id not in known:
            continue
        added = [item for item in checklist.items if item.id not in items]
        if added:
            start = _next_item(conn, organisation_id, checklist.id)
            _insert_items(conn, organisation_id, checklist.id, added, start)
        for item in checklist.items:
            if item.id in items and item.done != items[item.id].done:
                _set_done(conn, organisation_id, item)


def task_of(conn: Connection, organisation_id: str, checklist_id: str) -> str | None:
    """The id of the task that a checklist is on; None where there is no such checklist."""
    query = sa.select(t.checklist.c.task_id).where(
        t.checklist.c.organisation_id == organisation_id, t.checklist.c.id == checklist_id
    )
    return conn.execute(query).scalar_one_or_none()


def task_of_item(conn: Connection, organisation_id: str, item_id: str) -> str | None:
    """The id of the task that an item is on; None where there is no such item."""
    query = (
        sa.select(t.checklist.c.task_id)
        .join(t.checklist_item, t.checklist_item.c.checklist_id == t.checklist.c.id)
        .where(
            t.checklist.c.organisation_id == organisation_id,
            t.checklist_item.c.organisation_id == organisation_id,
            t.checklist_item.c.id == item_id,
        )
    )
    return conn.execute(query).scalar_one_or_none()


# Put together once: making a statement takes longer than running it.
_LISTS: sa.Select[Any] = (
    sa.select(
        t.checklist.c.task_id,
        t.checklist.c.id,
        t.checklist.c.name,
        t.checklist_item.c.id.label("item_id"),
        t.checklist_item.c.text,
        t.checklist_item.c.done,
    )
    .outerjoin(
        t.checklist_item,
        sa.and_(
            t.checklist_item.c.organisation_id == t.checklist.c.organisation_id,
            t.checklist_item.c.checklist_id == t.checklist.c.id,
        ),
    )
    .where(t.checklist.c.organisation_id == sa.bindparam("organisation", type_=sa.String))
    .order_by(t.checklist.c.position, t.checklist.c.id, t.checklist_item.c.position, t.checklist_item.c.id)
)
_LISTS_OF_IDS = _LISTS.where(t.checklist.c.task_id.in_(sa.bindparam("ids", expanding=True, type_=sa.String)))


def load(
    conn: Connection, organisation_id: str, tasks: Sequence[str] | sa.Select[tuple[str]]
) -> dict[str, tuple[Checklist, ...]]:
    """By task id, for those that have any; one query. `tasks`: ids, or a query for them."""
    if isinstance(tasks, sa.Select):
        rows = conn.execute(_LISTS.where(t.checklist.c.task_id.in_(tasks)), {"organisation": organisation_id})
    else:
        rows = conn.execute(_LISTS_OF_IDS, {"organisation": organisation_id, "ids": tasks})
    names: dict[tuple[str, str], str] = {}
    items: dict[str, list[ChecklistItem]] = {}
    for row in rows:
        names[row.task_id, row.id] = row.name
        mine = items.setdefault(row.id, [])
        if row.item_id is not None:
            mine.append(ChecklistItem(row.item_id, row.text, row.done))
    found: dict[str, tuple[Checklist, ...]] = {}
    for (task_id, checklist_id), name in names.items():
        checklist = Checklist(checklist_id, name, tuple(items[checklist_id]))
        found[task_id] = (*found.get(task_id, ()), checklist)
    return found


def _item_rows(
    organisation_id: str, checklist_id: str, items: Sequence[ChecklistItem], start: float
) -> list[dict[str, Any]]:
    return [
        {
            "id": item.id,
            "organisation_id": organisation_id,
            "checklist_id": checklist_id,
            "text": item.text,
            "done": item.done,
            "position": start + place,
        }
        for place, item in enumerate(items)
    ]


def _insert_items(
    conn: Connection, organisation_id: str, checklist_id: str, items: Sequence[ChecklistItem], start: float
) -> None:
    conn.execute(sa.insert(t.checklist_item), _item_rows(organisation_id, checklist_id, items, start))


def _set_done(conn: Connection, organisation_id: str, item: ChecklistItem) -> None:
    conn.execute(
        sa.update(t.checklist_item)
        .where(t.checklist_item.c.organisation_id == organisation_id, t.checklist_item.c.id == item.id)
        .values(done=item.done)
    )


def _next_list(conn: Connection, organisation_id: str, task_id: str) -> float:
    last = conn.scalar(
        sa.select(sa.func.max(t.checklist.c.position)).where(
            t.checklist.c.organisation_id == organisation_id, t.checklist.c.task_id == task_id
        )
    )
    return 0.0 if last is None else float(last) + 1


def _next_item(conn: Connection, organisation_id: str, checklist_id: str) -> float:
    last = conn.scalar(
        sa.select(sa.func.max(t.checklist_item.c.position)).where(
            t.checklist_item.c.organisation_id == organisation_id, t.checklist_item.c.checklist_id == checklist_id
        )
    )
    return 0.0 if last is None else float(last) + 1
