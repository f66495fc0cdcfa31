"""Deletes what has expired, a bounded number of rows at a time."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t

KEPT = timedelta(days=1)
"""An expired code or refresh token is kept so long, so that a late second use still ends what the first one gave."""

_AT_ONCE = (t.oauth_seen, t.oauth_pushed_request, t.oauth_access_token, t.oauth_secret)
_LATER = (t.oauth_code, t.oauth_refresh_token)


def sweep(conn: Connection, now: datetime, limit: int) -> int:
    """How many rows were deleted, at most `limit`: as many as that means that there may be more.

    The rows of all organisations, by their expiry alone. What a person agreed to stays.
    """
    deleted = 0
    for tables, before in ((_AT_ONCE, now), (_LATER, now - KEPT)):
        for table in tables:
            if deleted < limit:
                deleted += _delete(conn, table, before, limit - deleted)
    return deleted


def _delete(conn: Connection, table: sa.Table, before: datetime, limit: int) -> int:
    due = sa.select(table.c.digest).where(table.c.expires_at <= before).order_by(table.c.expires_at).limit(limit)
    digests = conn.scalars(due.with_for_update(skip_locked=True)).all()
    if digests:
        conn.execute(sa.delete(table).where(table.c.digest.in_(digests)))
    return len(digests)
