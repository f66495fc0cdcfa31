"""Checklists of tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

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
        {
            "id": item.id,
            "organisation_id": organisation_id,
            "checklist_id": checklist.id,
            "text": item.text,
            "done": item.done,
            "position": float(place),
        }
        for _, _, checklist in placed
        for place, item in enumerate(checklist.items)
    ]
    if lists:
        conn.execute(sa.insert(t.checklist), lists)
    if items:
        conn.execute(sa.insert(t.checklist_item), items)


def load(
    conn: Connection, organisation_id: str, tasks: Sequence[str] | sa.Select[tuple[str]]
) -> dict[str, tuple[Checklist, ...]]:
    """By task id, for those that have any; one query. `tasks`: ids, or a query for them."""
    query = (
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
        .where(t.checklist.c.organisation_id == organisation_id, t.checklist.c.task_id.in_(tasks))
        .order_by(t.checklist.c.position, t.checklist.c.id, t.checklist_item.c.position, t.checklist_item.c.id)
    )
    names: dict[tuple[str, str], str] = {}
    items: dict[str, list[ChecklistItem]] = {}
    for row in conn.execute(query):
        names[row.task_id, row.id] = row.name
        mine = items.setdefault(row.id, [])
        if row.item_id is not None:
            mine.append(ChecklistItem(row.item_id, row.text, row.done))
    found: dict[str, tuple[Checklist, ...]] = {}
    for (task_id, checklist_id), name in names.items():
        checklist = Checklist(checklist_id, name, tuple(items[checklist_id]))
        found[task_id] = (*found.get(task_id, ()), checklist)
    return found
