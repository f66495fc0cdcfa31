"""Runs of schedules: each is an event and a delivery, made in the transaction that moves the schedule on."""

from __future__ import annotations

import datetime as dt
from uuid import UUID, uuid5

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask.events.deliveries import SCHEDULED, WAITING
from assigntask.events.events import Event, record
from assigntask.people import organisations

from .cron import latest, planned

AT_ONCE = 100


def due(conn: Connection, now: dt.datetime, limit: int = AT_ONCE) -> int:
    """Of the whole host: starts what is due, `limit` schedules at most; how many runs were queued.

    What fell due several times while nobody looked is made up for by one run. Where the run before it still waits or
    goes on, there is none. Safe to call from several processes at once.
    """
    s = t.schedule.c
    query = sa.select(s.organisation_id, s.installation_id, s.name).where(s.next_at <= now).order_by(s.next_at)
    found = [(row.organisation_id, row.installation_id, row.name) for row in conn.execute(query.limit(limit))]
    # In the order in which a change that tells several installations takes their rows: none waits for the other.
    return sum(_moved_on(conn, *one, now) for one in sorted(found, key=lambda one: one[1:]))


def start(
    conn: Connection, organisation_id: str, installation_id: str, name: str, due_at: dt.datetime, now: dt.datetime
) -> bool:
    """Queues a run of the schedule, which stays where it is. False: the one before it still waits or goes on."""
    record_id = record_of(installation_id, name)
    if _unfinished(conn, organisation_id, installation_id, record_id):
        return False
    facts = {"name": name, "due_at": due_at.isoformat()}
    event = Event(kind="schedule.due", record_kind="schedule", record_id=record_id, at=now, facts=facts)
    record(conn, organisation_id, event, hook=SCHEDULED, recipients=[installation_id])
    return True


def record_of(installation_id: str, name: str) -> str:
    """What the events of a schedule name, which has no id: it is the same for all its runs."""
    return str(uuid5(UUID(installation_id), name))


def _moved_on(conn: Connection, organisation_id: str, installation_id: str, name: str, now: dt.datetime) -> bool:
    """Whether a run was queued."""
    i, s = t.installation.c, t.schedule.c
    # First of all, as whoever disables or upgrades the app does.
    held = sa.select(i.state).where(i.organisation_id == organisation_id, i.id == installation_id)
    if conn.execute(held.with_for_update(key_share=True)).scalar_one_or_none() != "active":
        return False
    mine = (s.organisation_id == organisation_id, s.installation_id == installation_id, s.name == name)
    cron = conn.execute(sa.select(s.cron).where(*mine, s.next_at <= now)).scalar_one_or_none()
    if cron is None:  # another process did it, or the app has it no more
        return False
    time_zone = organisations.get(conn, organisation_id).time_zone
    due_at = latest(cron, time_zone, now)
    queued = start(conn, organisation_id, installation_id, name, due_at, now)
    moved = sa.update(t.schedule).where(*mine).values(next_at=planned(cron, time_zone, now, installation_id, name))
    conn.execute(moved.values(last_at=due_at) if queued else moved)
    return queued


def _unfinished(conn: Connection, organisation_id: str, installation_id: str, record_id: str) -> bool:
    d, e = t.delivery.c, t.event.c
    query = (
        sa.select(d.id)
        .join(t.event, sa.and_(e.organisation_id == d.organisation_id, e.id == d.event_id))
        .where(d.organisation_id == organisation_id, d.installation_id == installation_id)
        .where(d.state == WAITING, d.hook == SCHEDULED, e.record_id == record_id)
    )
    return conn.execute(query.limit(1)).first() is not None
