"""Keys that make a create safe to repeat: whoever asks again with the same key gets the same record."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from assigntask.db import tables as t
from assigntask.people.text import checked


def made(conn: Connection, organisation_id: str, owner: str, operation: str, key: str) -> str | None:
    """The id of the record that `owner` (an installation's or person's id) made with this key.

    Raises Invalid for an empty key or one of more than 500 characters.
    """
    checked("key", key, limit=500)
    found = conn.execute(
        sa.select(t.idempotency_key.c.record_id).where(
            t.idempotency_key.c.organisation_id == organisation_id,
            t.idempotency_key.c.installation_id == owner,
            t.idempotency_key.c.operation == operation,
            t.idempotency_key.c.key == key,
        )
    ).scalar_one_or_none()
    return None if found is None else str(found)


def take(
    conn: Connection, organisation_id: str, owner: str, operation: str, key: str, record_id: str, now: dt.datetime
) -> str:
    """`record_id` where the key was free, else the id of the record that it made. Of two at once the second waits.

    Raises Invalid for an empty key or one of more than 500 characters.
    """
    values = {"organisation_id": organisation_id, "installation_id": owner, "operation": operation}
    checked("key", key, limit=500)
    try:
        with conn.begin_nested():
            conn.execute(sa.insert(t.idempotency_key).values(**values, key=key, record_id=record_id, created_at=now))
    except IntegrityError:
        earlier = made(conn, organisation_id, owner, operation, key)
        if earlier is None:
            raise
        return earlier
    return record_id
