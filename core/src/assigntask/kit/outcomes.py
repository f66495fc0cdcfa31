"""What came of a run: all that an app can change, without what tells one run from another that came to the same."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.app import Platform
from assigntask.context.storage import InstallationStore, OwnedStore
from assigntask.db import tables as t
from assigntask.hooks.problems import HOST

Row = tuple[str, str]
"""The table, and what is in the row, as JSON."""

_CHANGED = (
    t.task, t.assignee, t.task_label, t.comment, t.attachment, t.file, t.checklist, t.checklist_item, t.job,
)  # fmt: skip
_NAMED = (t.task, t.comment, t.attachment, t.checklist, t.checklist_item, t.job, t.event, t.delivery)
# An app that repeats something may well change it more often on its way, and the host tries it more often.
_LEFT_OUT = frozenset({"organisation_id", "installation_id", "attachment_id", "version", "position", "last_error"})
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Names = Mapping[str, str]
"""What stands for an id that was made in the run: the first new task is one in every run, whatever its id."""


def ids(conn: Connection) -> frozenset[str]:
    """Of everything that there is."""
    return frozenset(one for table in _NAMED for one in conn.execute(sa.select(table.c.id)).scalars())


async def outcome(
    platform: Platform, organisation_id: str, installation_id: str, before: frozenset[str]
) -> frozenset[Row]:
    """`before`: the ids that there were when the run began. What is there twice counts twice."""
    named = await platform.db.read(_names, before)

    def unit(conn: Connection) -> list[tuple[str, Mapping[str, Any]]]:
        return [*_rows(conn, organisation_id), *_problems(conn, organisation_id, installation_id)]

    found = await platform.db.read(unit)
    found += await _stored(platform, organisation_id, installation_id)
    return _counted((table, _text(row, named)) for table, row in found)


def difference(unharmed: frozenset[Row], killed: frozenset[Row], most: int = 5) -> list[str]:
    """In words, a few of them; none where both are alike."""
    missing = [f"missing: {table} {text}" for table, text in sorted(unharmed - killed)]
    extra = [f"too much: {table} {text}" for table, text in sorted(killed - unharmed)]
    return [*missing[:most], *extra[:most]]


def _names(conn: Connection, before: frozenset[str]) -> Names:
    """Ids are in the order in which they were made."""
    named: dict[str, str] = {}
    for table in _NAMED:
        new = sorted(one for one in conn.execute(sa.select(table.c.id)).scalars() if one not in before)
        named |= {one: f"new {table.name} {number}" for number, one in enumerate(new, 1)}
    return named


def _rows(conn: Connection, organisation_id: str) -> Iterable[tuple[str, Mapping[str, Any]]]:
    for table in _CHANGED:
        for row in conn.execute(sa.select(table).where(table.c.organisation_id == organisation_id)):
            kept = {name: value for name, value in row._mapping.items() if name not in _LEFT_OUT}
            if table is t.file:
                if row.attachment_id is None:
                    continue  # what never became an attachment is swept
                kept["id"] = row.attachment_id
            yield table.name, kept


def _problems(conn: Connection, organisation_id: str, installation_id: str) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """The app's own: the host's say how often it was killed."""
    p = t.problem.c
    mine = sa.select(p.key, p.text, p.severity).where(
        p.organisation_id == organisation_id, p.installation_id == installation_id
    )
    for row in conn.execute(mine):
        if not row.key.startswith(HOST):
            yield "problem", dict(row._mapping)


async def _stored(
    platform: Platform, organisation_id: str, installation_id: str
) -> list[tuple[str, Mapping[str, Any]]]:
    own = InstallationStore(
        platform.db, platform.subject_keys, organisation_id=organisation_id, installation_id=installation_id
    )
    stores: Mapping[str, Callable[[str], OwnedStore]] = {"": lambda _: own, "task": own.task, "person": own.person}
    found: list[tuple[str, Mapping[str, Any]]] = []
    for kind, owner in await platform.db.read(_owners, organisation_id, installation_id):
        async for key, entry in stores[kind](owner).scan():
            value = entry.value
            plain = base64.b64encode(value).decode() if isinstance(value, bytes) else value
            found.append(("storage", {"of": f"{kind} {owner}".strip(), "key": key, "value": plain}))
    return found


def _owners(conn: Connection, organisation_id: str, installation_id: str) -> list[tuple[str, str]]:
    s = t.store.c
    query = sa.select(s.owner_kind, s.owner_id).distinct()
    mine = query.where(s.organisation_id == organisation_id, s.installation_id == installation_id)
    return [(row.owner_kind, row.owner_id) for row in conn.execute(mine.order_by(s.owner_kind, s.owner_id))]


def _text(row: Mapping[str, Any], named: Names) -> str:
    text = json.dumps(row, default=str, ensure_ascii=False, sort_keys=True)
    return _ID.sub(lambda found: named.get(found[0], found[0]), text)


def _counted(rows: Iterable[Row]) -> frozenset[Row]:
    times: dict[Row, int] = {}
    for row in rows:
        times[row] = times.get(row, 0) + 1
    return frozenset(
        (table, text if number == 1 else f"{text} ({number} times)")
        for (table, text), count in times.items()
        for number in range(1, count + 1)
    )
