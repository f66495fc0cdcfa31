"""Rows of files: one for each, and its bytes in chunks, which are written as they come."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask_sdk.errors import Gone

CHUNK = 256 * 1024
"""Bytes of each chunk but the last."""
UNFINISHED = dt.timedelta(hours=1)
"""What has not become an attachment by then never will."""


@dataclass(frozen=True, slots=True)
class Content:
    """What was written of a file: `media_type` by its first bytes, `size` in bytes, `sha256` in hexadecimal digits."""

    media_type: str
    size: int
    sha256: str


def begin(conn: Connection, organisation_id: str, file_id: str, now: dt.datetime) -> None:
    """A file that is still coming: nobody sees it before `finish`."""
    conn.execute(sa.insert(t.file).values(id=file_id, organisation_id=organisation_id, created_at=now))


def append(conn: Connection, organisation_id: str, file_id: str, number: int, content: bytes) -> None:
    """Chunks are numbered from 0. Raises Gone where the file was swept meanwhile."""
    size = t.file.c.size + len(content)
    if not _update(conn, organisation_id, file_id, size=size):
        raise _too_slow()
    row = {"organisation_id": organisation_id, "file_id": file_id, "number": number, "content": content}
    conn.execute(sa.insert(t.file_chunk).values(row))


def finish(conn: Connection, organisation_id: str, file_id: str, attachment_id: str, content: Content) -> None:
    """Makes it the attachment's. Raises Gone where the file was swept meanwhile."""
    about = {"media_type": content.media_type, "size": content.size, "sha256": content.sha256}
    if not _update(conn, organisation_id, file_id, attachment_id=attachment_id, **about):
        raise _too_slow()


def drop(conn: Connection, organisation_id: str, file_id: str) -> None:
    """A file that will not be finished."""
    conn.execute(
        sa.delete(t.file).where(
            t.file.c.organisation_id == organisation_id, t.file.c.id == file_id, t.file.c.attachment_id.is_(None)
        )
    )


def chunk(conn: Connection, organisation_id: str, attachment_id: str, number: int) -> bytes | None:
    """None where there is no such attachment, or no such chunk."""
    query = (
        sa.select(t.file_chunk.c.content)
        .join(t.file, sa.and_(t.file.c.organisation_id == t.file_chunk.c.organisation_id, _of_file()))
        .where(
            t.file_chunk.c.organisation_id == organisation_id,
            t.file.c.organisation_id == organisation_id,
            t.file.c.attachment_id == attachment_id,
            t.file_chunk.c.number == number,
        )
    )
    found = conn.execute(query).scalar_one_or_none()
    return None if found is None else bytes(found)


def _of_file() -> sa.ColumnElement[bool]:
    return t.file.c.id == t.file_chunk.c.file_id


def _update(conn: Connection, organisation_id: str, file_id: str, **values: object) -> bool:
    """Whether the file is there and still coming."""
    query = sa.update(t.file).where(
        t.file.c.organisation_id == organisation_id, t.file.c.id == file_id, t.file.c.attachment_id.is_(None)
    )
    return conn.execute(query.values(**values)).rowcount == 1


def _too_slow() -> Gone:
    minutes = int(UNFINISHED.total_seconds() // 60)
    return Gone(f"The file did not arrive within {minutes} minutes and was thrown away. Send it again.")
