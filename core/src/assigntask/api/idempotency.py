"""The same `Idempotency-Key`, the same answer: draft-ietf-httpapi-idempotency-key-header.

What is kept is who asked, digests of the key and of the request, and an answer that holds ids and versions alone.
Only what went well is kept: what failed changed nothing, so it is tried anew.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask.oauth.bearer import Bearer

from .problems import Problem
from .replies import Reply, as_kept, as_was

KEPT = dt.timedelta(hours=24)
GIVEN_UP = dt.timedelta(minutes=15)
"""A request that is still being answered then was lost with its process: its key is free again."""

RETRY_SECONDS = 2


@dataclass(frozen=True, slots=True)
class Place:
    """Whose key it is. `person_id`: "" for the installation as itself."""

    organisation_id: str
    installation_id: str
    person_id: str
    key_digest: str

    @classmethod
    def of(cls, bearer: Bearer, key: str) -> Place:
        person_id = bearer.actor.person_id or ""
        return cls(bearer.organisation_id, bearer.installation_id, person_id, sha256(key.encode()).hexdigest())


@dataclass(frozen=True, slots=True)
class Earlier:
    """What is known of the key. `status` None: the first request is still being answered."""

    request_digest: str
    status: int | None
    headers: dict[str, str] | None
    body: Any
    created_at: dt.datetime


def request_digest(operation: str, path: str, query: bytes, person: str | None, body: bytes) -> str:
    """SHA-256 of all that makes the request what it is."""
    digest = sha256()
    for part in (operation.encode(), path.encode(), query, (person or "").encode(), body):
        digest.update(b"%d:" % len(part) + part)
    return digest.hexdigest()


def begin(conn: Connection, place: Place, digest: str, now: dt.datetime) -> Earlier | None:
    """Takes the key, or gives what is known of it. Of two at once one takes it."""
    insert = sqlite_insert if conn.dialect.name == "sqlite" else postgresql_insert
    values = {
        "organisation_id": place.organisation_id,
        "installation_id": place.installation_id,
        "person_id": place.person_id,
        "key_digest": place.key_digest,
        "request_digest": digest,
        "created_at": now,
    }
    taken = conn.execute(
        insert(t.api_answer).values(**values).on_conflict_do_nothing().returning(t.api_answer.c.key_digest)
    )
    if taken.first() is not None:
        return None
    row = conn.execute(sa.select(t.api_answer).where(*_at(place))).one_or_none()
    if row is None:
        return begin(conn, place, digest, now)  # it was given back between the two statements
    earlier = Earlier(row.request_digest, row.status, row.headers, row.body, row.created_at)
    if earlier.created_at > now - (GIVEN_UP if earlier.status is None else KEPT):
        return earlier
    again = (
        sa.update(t.api_answer)
        .where(*_at(place), t.api_answer.c.created_at == row.created_at)
        .values(request_digest=digest, status=None, headers=None, body=None, created_at=now)
    )
    return None if conn.execute(again).rowcount == 1 else earlier


def finish(conn: Connection, place: Place, digest: str, reply: Reply) -> None:
    status, headers, value = as_kept(reply)
    conn.execute(
        sa.update(t.api_answer)
        .where(*_at(place))
        .values(request_digest=digest, status=status, headers=headers, body=value)
    )


def give_back(conn: Connection, place: Place) -> None:
    """After a failure: the next one with this key begins anew."""
    conn.execute(sa.delete(t.api_answer).where(*_at(place), t.api_answer.c.status.is_(None)))


def sweep(conn: Connection, now: dt.datetime, limit: int) -> int:
    """Deletes answers that were kept long enough, `limit` at most; how many those were."""
    old = sa.select(t.api_answer.c.installation_id, t.api_answer.c.person_id, t.api_answer.c.key_digest)
    due = old.where(t.api_answer.c.created_at < now - KEPT).order_by(t.api_answer.c.created_at).limit(limit)
    key = sa.tuple_(t.api_answer.c.installation_id, t.api_answer.c.person_id, t.api_answer.c.key_digest)
    return conn.execute(sa.delete(t.api_answer).where(key.in_(due))).rowcount


def repeated(earlier: Earlier, digest: str) -> Reply:
    """The answer again. Raises Problem: it was another request, or it is not answered yet. Pure."""
    if earlier.status is None:
        words = "A request with this Idempotency-Key is still being answered. Wait for it, then ask again."
        raise Problem("idempotency_running", words, headers=((b"retry-after", b"%d" % RETRY_SECONDS),))
    if earlier.request_digest != digest:
        words = "This Idempotency-Key came with another request before. Use a new key for each new request."
        raise Problem("idempotency_mismatch", words)
    return as_was(earlier.status, earlier.headers or {}, earlier.body)


def _at(place: Place) -> tuple[sa.ColumnElement[bool], ...]:
    row = t.api_answer.c
    return (
        row.organisation_id == place.organisation_id,
        row.installation_id == place.installation_id,
        row.person_id == place.person_id,
        row.key_digest == place.key_digest,
    )
