"""Entries in the database: written once, looked up by app, person and time."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask.ledger.entry import Row

PAGE = 1000


def insert(conn: Connection, rows: Sequence[Row]) -> None:
    conn.execute(
        sa.insert(t.ledger_entry),
        [
            {
                "id": row.id,
                "organisation_id": row.organisation_id,
                "leaf": row.leaf,
                "at": row.at,
                "kind": row.kind,
                "channel": row.channel,
                "installation_id": row.installation_id,
                "app_id": row.app_id,
            }
            for row in rows
        ],
    )
    subjects = [
        {"organisation_id": row.organisation_id, "subject_ref": ref, "entry_id": row.id}
        for row in rows
        for ref in row.subjects
    ]
    if subjects:
        conn.execute(sa.insert(t.ledger_subject), subjects)
    values = [
        {
            "organisation_id": row.organisation_id,
            "entry_id": row.id,
            "subject_ref": ref,
            "detail": detail,
            "sealed": sealed,
        }
        for row in rows
        for ref, detail, sealed in row.values
    ]
    if values:
        conn.execute(sa.insert(t.ledger_value), values)


def insert_unless_forgotten(conn: Connection, named: Sequence[tuple[Row, Collection[str]]]) -> set[str]:
    """Inserts those rows of which no subject (by id) was forgotten meanwhile; the ids of the rows left out.

    Whoever forgets somebody holds that person's row first, so an entry is either among those that count for
    the erasure, or it is not made.
    """
    forgotten = _forgotten(conn, {row.organisation_id for row, _ in named}, {each for _, ids in named for each in ids})
    left_out = {row.id for row, ids in named if not forgotten.isdisjoint(ids)}
    kept = [row for row, _ in named if row.id not in left_out]
    if kept:
        insert(conn, kept)
    return left_out


def _forgotten(conn: Connection, organisations: Collection[str], subject_ids: Collection[str]) -> set[str]:
    found: set[str] = set()
    ids = sorted(subject_ids)
    for start in range(0, len(ids), PAGE):
        query = sa.select(t.person.c.subject_id, t.person.c.state).where(
            t.person.c.organisation_id.in_(sorted(organisations)), t.person.c.subject_id.in_(ids[start : start + PAGE])
        )
        rows = conn.execute(query.order_by(t.person.c.subject_id).with_for_update(read=True))
        found.update(row.subject_id for row in rows if row.state == "forgotten")
    return found


@dataclass(frozen=True, slots=True)
class Stored:
    """An entry as it was found. `leaf_index` is None until it is sealed."""

    id: str
    leaf: str
    at: Any
    kind: str
    channel: str | None
    installation_id: str | None
    app_id: str | None
    leaf_index: int | None

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self.leaf)
        return body


_COLUMNS = (
    t.ledger_entry.c.id,
    t.ledger_entry.c.leaf,
    t.ledger_entry.c.at,
    t.ledger_entry.c.kind,
    t.ledger_entry.c.channel,
    t.ledger_entry.c.installation_id,
    t.ledger_entry.c.app_id,
    t.ledger_entry.c.leaf_index,
)


def find(
    conn: Connection,
    organisation_id: str,
    *,
    app_id: str | None = None,
    refs: Collection[str] | None = None,
    limit: int | None = None,
) -> list[Stored]:
    """Oldest first. `refs`: only entries about one of these subjects. `limit`: the newest so many."""
    query = (
        sa.select(*_COLUMNS).where(t.ledger_entry.c.organisation_id == organisation_id).order_by(t.ledger_entry.c.row)
    )
    if app_id is not None:
        query = query.where(t.ledger_entry.c.app_id == app_id)
    if refs is not None:
        about = sa.select(t.ledger_subject.c.entry_id).where(
            t.ledger_subject.c.organisation_id == organisation_id, t.ledger_subject.c.subject_ref.in_(sorted(refs))
        )
        query = query.where(t.ledger_entry.c.id.in_(about))
    if limit is not None:
        newest = query.order_by(None).order_by(t.ledger_entry.c.row.desc()).limit(limit)
        return [Stored(*row) for row in reversed(conn.execute(newest).all())]
    return [Stored(*row) for row in conn.execute(query)]


def recipients(conn: Connection, organisation_id: str, refs: Collection[str]) -> list[str]:
    """The installations that were ever given something about one of these subjects."""
    query = (
        sa.select(t.ledger_entry.c.installation_id)
        .distinct()
        .join(t.ledger_subject, t.ledger_subject.c.entry_id == t.ledger_entry.c.id)
        .where(
            t.ledger_entry.c.organisation_id == organisation_id,
            t.ledger_subject.c.organisation_id == organisation_id,
            t.ledger_subject.c.subject_ref.in_(sorted(refs)),
            t.ledger_entry.c.kind == "release",
        )
    )
    return sorted(found for (found,) in conn.execute(query) if found)


def unsealed(conn: Connection, organisation_id: str, limit: int) -> list[Stored]:
    query = (
        sa.select(*_COLUMNS)
        .where(t.ledger_entry.c.organisation_id == organisation_id, t.ledger_entry.c.leaf_index.is_(None))
        .order_by(t.ledger_entry.c.row)
        .limit(limit)
    )
    return [Stored(*row) for row in conn.execute(query)]


def sealed_page(conn: Connection, organisation_id: str, after: int, limit: int = PAGE) -> list[Stored]:
    """Sealed entries with a leaf index above `after`, in order."""
    query = (
        sa.select(*_COLUMNS)
        .where(t.ledger_entry.c.organisation_id == organisation_id, t.ledger_entry.c.leaf_index > after)
        .order_by(t.ledger_entry.c.leaf_index)
        .limit(limit)
    )
    return [Stored(*row) for row in conn.execute(query)]


def mark_sealed(conn: Connection, organisation_id: str, numbered: Iterable[tuple[str, int]]) -> None:
    statement = (
        sa.update(t.ledger_entry)
        .where(
            t.ledger_entry.c.organisation_id == sa.bindparam("in_organisation"),
            t.ledger_entry.c.id == sa.bindparam("entry"),
        )
        .values(leaf_index=sa.bindparam("number"))
    )
    conn.execute(
        statement,
        [{"in_organisation": organisation_id, "entry": entry, "number": number} for entry, number in numbered],
    )


def subjects_of(conn: Connection, organisation_id: str, entry_ids: Collection[str]) -> Mapping[str, list[str]]:
    query = sa.select(t.ledger_subject.c.entry_id, t.ledger_subject.c.subject_ref).where(
        t.ledger_subject.c.organisation_id == organisation_id, t.ledger_subject.c.entry_id.in_(sorted(entry_ids))
    )
    found: dict[str, list[str]] = {}
    for entry_id, ref in conn.execute(query):
        found.setdefault(entry_id, []).append(ref)
    return {entry_id: sorted(refs) for entry_id, refs in found.items()}


def values_of(conn: Connection, organisation_id: str, entry_ids: Collection[str]) -> list[tuple[str, str, str, bytes]]:
    query = sa.select(
        t.ledger_value.c.entry_id, t.ledger_value.c.subject_ref, t.ledger_value.c.detail, t.ledger_value.c.sealed
    ).where(t.ledger_value.c.organisation_id == organisation_id, t.ledger_value.c.entry_id.in_(sorted(entry_ids)))
    return [(row[0], row[1], row[2], bytes(row[3])) for row in conn.execute(query)]
