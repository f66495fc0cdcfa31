"""Throws away what was begun and never became an attachment: the sender went away, or the host was stopped."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t

from .rows import UNFINISHED


def sweep(conn: Connection, now: dt.datetime, limit: int = 100) -> int:
    """Of the whole host, up to `limit` files, oldest first; how many. Their chunks go with them."""
    old = (
        sa.select(t.file.c.id)
        .where(t.file.c.attachment_id.is_(None), t.file.c.created_at <= now - UNFINISHED)
        .order_by(t.file.c.created_at, t.file.c.id)
        .limit(limit)
    )
    ids = list(conn.scalars(old))
    if not ids:
        return 0
    return conn.execute(sa.delete(t.file).where(t.file.c.id.in_(ids), t.file.c.attachment_id.is_(None))).rowcount
