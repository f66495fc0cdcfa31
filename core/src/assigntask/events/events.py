"""Events: what happened. Recording one also queues a delivery for every installation that is to hear of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask.db.announcing import announce
from assigntask.db.ids import new_id

QUEUED = "queued"
"""What is announced with the organisation and the installation in whose line something new waits."""


@dataclass(frozen=True, slots=True)
class Event:
    """`facts` hold ids, versions and counts, never anybody's details. `at` is aware.

    `changed` are fields of the record, as the catalogue names them. `origin` is the installation whose own doing it
    is: it does not hear of it.
    """

    kind: str  # "task.changed"
    record_kind: str
    record_id: str
    at: dt.datetime
    version: int = 0
    changed: Sequence[str] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    by_person_id: str | None = None
    origin: str | None = None
    id: str = field(default_factory=new_id)


def record(
    conn: Connection,
    organisation_id: str,
    event: Event,
    *,
    hook: str | None,
    recipients: Collection[str] | None = None,
) -> Mapping[str, str]:
    """Stores `event` and queues it for `hook`: for `recipients` (installation ids) and no others where they are given,
    else for those that listen to a detail that changed, less the origin. Without `hook` nobody is told.

    Installation id → id of the delivery, of those who are told.
    """
    conn.execute(
        sa.insert(t.event).values(
            id=event.id,
            organisation_id=organisation_id,
            kind=event.kind,
            record_kind=event.record_kind,
            record_id=event.record_id,
            version=event.version,
            changed=list(event.changed),
            facts=dict(event.facts),
            by_person_id=event.by_person_id,
            origin=event.origin,
            at=event.at,
        )
    )
    if hook is None:
        return {}
    told = sorted(set(recipients)) if recipients is not None else _listeners(conn, organisation_id, event, hook)
    return _queue(conn, organisation_id, event, hook, told, in_any_state=recipients is not None) if told else {}


def read(conn: Connection, organisation_id: str, event_id: str) -> Event | None:
    query = sa.select(t.event).where(t.event.c.organisation_id == organisation_id, t.event.c.id == event_id)
    row = conn.execute(query).one_or_none()
    return None if row is None else event_of(row)


def event_of(row: Any) -> Event:
    """The event of a row that has the columns of table `event`."""
    return Event(
        kind=row.kind,
        record_kind=row.record_kind,
        record_id=row.record_id,
        at=row.at,
        version=row.version,
        changed=tuple(row.changed),
        facts=row.facts,
        by_person_id=row.by_person_id,
        origin=row.origin,
        id=row.id,
    )


def _listeners(conn: Connection, organisation_id: str, event: Event, hook: str) -> list[str]:
    query = sa.select(t.subscription.c.installation_id, t.subscription.c.details).where(
        t.subscription.c.organisation_id == organisation_id, t.subscription.c.hook == hook
    )
    details = {f"{event.record_kind}.{name}" for name in event.changed}
    return sorted(
        row.installation_id
        for row in conn.execute(query)
        if row.installation_id != event.origin and (not details or not details.isdisjoint(row.details))
    )


def _queue(
    conn: Connection, organisation_id: str, event: Event, hook: str, told: Sequence[str], *, in_any_state: bool
) -> Mapping[str, str]:
    """`in_any_state`: also for those that are not active."""
    # Locked in order of id, so that two changes which tell the same installations never wait for each other. The locks
    # last until COMMIT: positions are in the order of commits, without gaps.
    mine = [t.installation.c.organisation_id == organisation_id, t.installation.c.id.in_(told)]
    if not in_any_state:
        # Looked at under the lock: who was uninstalled since the subscriptions were read has its goodbye in the line
        # already, and what came after it would wait for ever.
        mine.append(t.installation.c.state == "active")
    if len(told) > 1:
        conn.execute(
            sa.select(t.installation.c.id).where(*mine).order_by(t.installation.c.id).with_for_update(key_share=True)
        )
    next_position = t.installation.c.next_position
    positions = conn.execute(
        sa.update(t.installation)
        .where(*mine)
        .values(next_position=next_position + 1)
        .returning(t.installation.c.id, next_position)
    ).all()
    if not positions:  # none of them is of this organisation
        return {}
    rows = [
        {
            "id": new_id(),
            "organisation_id": organisation_id,
            "installation_id": installation_id,
            "position": following - 1,
            "hook": hook,
            "event_id": event.id,
            "state": "waiting",
            "next_at": event.at,
        }
        for installation_id, following in positions
    ]
    conn.execute(sa.insert(t.delivery), rows)
    for installation_id, _ in positions:
        announce(QUEUED, organisation_id, installation_id)
    return {row["installation_id"]: row["id"] for row in rows}
