"""Attachments of tasks: links, http or https, and files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask.people.text import checked
from assigntask_sdk.errors import Invalid

from .facts import AttachmentFacts

_ATTACHMENT: sa.Select[Any] = sa.select(
    t.attachment.c.id, t.attachment.c.version, t.attachment.c.task_id, t.task.c.project_id, t.attachment.c.name,
    t.attachment.c.url, t.attachment.c.created_at, t.attachment.c.author_id, t.file.c.media_type, t.file.c.size,
    t.file.c.sha256,
).join(
    t.task, sa.and_(t.task.c.organisation_id == t.attachment.c.organisation_id, t.task.c.id == t.attachment.c.task_id)
).outerjoin(
    t.file,
    sa.and_(t.file.c.organisation_id == t.attachment.c.organisation_id, t.file.c.attachment_id == t.attachment.c.id),
)  # fmt: skip


def checked_url(url: str) -> str:
    """An absolute http or https address, so that no link runs a script. Raises Invalid."""
    url = checked("url", url, limit=4000)
    try:
        parts = urlsplit(url)
        usable = parts.scheme.lower() in ("http", "https") and bool(parts.hostname)
    except ValueError:
        usable = False
    if not usable or any(character.isspace() or not character.isprintable() for character in url):
        raise Invalid({"url": "must be an address that starts with https:// or http://"})
    return url


def insert(conn: Connection, organisation_id: str, attachments: Sequence[AttachmentFacts]) -> None:
    if not attachments:
        return
    conn.execute(
        sa.insert(t.attachment),
        [
            {
                "id": attachment.id,
                "organisation_id": organisation_id,
                "task_id": attachment.task,
                "author_id": attachment.author,
                "name": attachment.name,
                "url": attachment.url,
                "created_at": attachment.created,
                "version": attachment.version,
            }
            for attachment in attachments
        ],
    )


def of_task(conn: Connection, organisation_id: str, task_id: str) -> list[AttachmentFacts]:
    """Oldest first."""
    query = _ATTACHMENT.where(t.attachment.c.organisation_id == organisation_id, t.attachment.c.task_id == task_id)
    order = (t.attachment.c.created_at, t.attachment.c.id)
    return [AttachmentFacts(*row) for row in conn.execute(query.order_by(*order))]


def load(conn: Connection, organisation_id: str, ids: Iterable[str]) -> dict[str, AttachmentFacts]:
    """One query; ids that are no attachment's of this organisation are left out."""
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    query = _ATTACHMENT.where(t.attachment.c.organisation_id == organisation_id, t.attachment.c.id.in_(wanted))
    return {row.id: AttachmentFacts(*row) for row in conn.execute(query)}


def delete(conn: Connection, organisation_id: str, attachment_id: str) -> bool:
    """Whether it was there. A file goes with it."""
    query = sa.delete(t.attachment).where(
        t.attachment.c.organisation_id == organisation_id, t.attachment.c.id == attachment_id
    )
    return conn.execute(query).rowcount == 1
