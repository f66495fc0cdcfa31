"""Comments of tasks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t

from .facts import CommentFacts

_COMMENT: sa.Select[Any] = sa.select(
    t.comment.c.id, t.comment.c.version, t.comment.c.task_id, t.task.c.project_id, t.comment.c.text,
    t.comment.c.created_at, t.comment.c.edited_at, t.comment.c.author_id,
).join(
    t.task, sa.and_(t.task.c.organisation_id == t.comment.c.organisation_id, t.task.c.id == t.comment.c.task_id)
)  # fmt: skip


def insert(conn: Connection, organisation_id: str, comments: Sequence[CommentFacts]) -> None:
    if not comments:
        return
    conn.execute(
        sa.insert(t.comment),
        [
            {
                "id": comment.id,
                "organisation_id": organisation_id,
                "task_id": comment.task,
                "author_id": comment.author,
                "text": comment.text,
                "created_at": comment.created,
                "edited_at": comment.edited,
                "version": comment.version,
            }
            for comment in comments
        ],
    )


def of_task(conn: Connection, organisation_id: str, task_id: str) -> list[CommentFacts]:
    """Oldest first."""
    query = _COMMENT.where(t.comment.c.organisation_id == organisation_id, t.comment.c.task_id == task_id)
    return [CommentFacts(*row) for row in conn.execute(query.order_by(t.comment.c.created_at, t.comment.c.id))]


def load(conn: Connection, organisation_id: str, ids: Iterable[str]) -> dict[str, CommentFacts]:
    """One query; ids that are no comment's of this organisation are left out."""
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    query = _COMMENT.where(t.comment.c.organisation_id == organisation_id, t.comment.c.id.in_(wanted))
    return {row.id: CommentFacts(*row) for row in conn.execute(query)}
