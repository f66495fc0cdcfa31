"""What is kept of events and deliveries, and for how long."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t

from .deliveries import WAITING

KEPT = dt.timedelta(days=30)
"""What was told, or had nothing to tell, after it was; and an event after it happened."""
DEAD_KEPT = dt.timedelta(days=90)
ANSWERS_KEPT = dt.timedelta(days=7)

_LOSSES = ("person_forgotten", "person_withdrawn")


def sweep(conn: Connection, now: dt.datetime, limit: int) -> int:
    """Of the whole host, up to `limit` of each kind; how many deliveries and events were thrown away.

    What says whom an app that is uninstalled has lost stays until the installation is wiped: restored, it is told.
    """
    _forget_answers(conn, now, limit)
    told = _delete_deliveries(conn, ("delivered", "skipped"), now - KEPT, limit)
    dead = _delete_deliveries(conn, ("dead",), now - DEAD_KEPT, limit)
    return told + dead + _delete_events(conn, now - KEPT, limit)


def _forget_answers(conn: Connection, now: dt.datetime, limit: int) -> None:
    d = t.delivery.c
    old = sa.select(d.id).where(d.answer.is_not(None), d.attempted_at <= now - ANSWERS_KEPT).limit(limit)
    ids = list(conn.scalars(old))
    if ids:
        conn.execute(sa.update(t.delivery).where(d.id.in_(ids)).values(answer=None))


def _delete_deliveries(conn: Connection, states: tuple[str, ...], until: dt.datetime, limit: int) -> int:
    d, i = t.delivery.c, t.installation.c
    told_again = sa.and_(d.hook.in_(_LOSSES), i.state != "wiped")
    old = (
        sa.select(d.id)
        .join(t.installation, sa.and_(i.organisation_id == d.organisation_id, i.id == d.installation_id))
        .where(d.state != WAITING, d.state.in_(states), d.done_at <= until, sa.not_(told_again))
        .order_by(d.done_at, d.id)
        .limit(limit)
    )
    ids = list(conn.scalars(old))
    return conn.execute(sa.delete(t.delivery).where(d.id.in_(ids))).rowcount if ids else 0


def _delete_events(conn: Connection, until: dt.datetime, limit: int) -> int:
    """Those that no delivery needs any more. One organisation after the other: so the index by time serves."""
    e, d = t.event.c, t.delivery.c
    needed = sa.exists().where(d.organisation_id == e.organisation_id, d.event_id == e.id)
    gone = 0
    for organisation_id in list(conn.scalars(sa.select(t.organisation.c.id).order_by(t.organisation.c.id))):
        old = (
            sa.select(e.id)
            .where(e.organisation_id == organisation_id, e.at <= until, sa.not_(needed))
            .order_by(e.at, e.id)
            .limit(limit - gone)
        )
        ids = list(conn.scalars(old))
        if ids:
            where = (e.organisation_id == organisation_id, e.id.in_(ids))
            gone += conn.execute(sa.delete(t.event).where(*where)).rowcount
        if gone >= limit:
            break
    return gone
