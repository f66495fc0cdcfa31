"""Deliveries: per installation one line of notices, of which only the head may be told, until it was or is given up."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t

from .events import Event, event_of

_WAITS = (
    dt.timedelta(seconds=5),
    dt.timedelta(seconds=30),
    dt.timedelta(minutes=2),
    dt.timedelta(minutes=10),
    dt.timedelta(hours=1),
    dt.timedelta(hours=6),
    dt.timedelta(hours=24),
)

# What an app that was uninstalled still hears.
FAREWELLS = ("uninstalling", "person_forgotten")

# The hook of a delivery that is no notice: an app that runs elsewhere is given its credentials.
CREDENTIALS = "credentials"

# An app's own jobs are told beside its line: neither waits for the other, however long a job takes.
JOB = "job"

# Written out, because the databases choose a partial index by the statement's text.
_WAITING: sa.ColumnClause[str] = sa.literal_column("'waiting'")


@dataclass(frozen=True, slots=True)
class Delivery:
    """One notice for one installation. `attempts` counts this one; `leased_until` (aware, UTC) proves whose it is."""

    id: str
    organisation_id: str
    installation_id: str
    position: int
    hook: str
    attempts: int
    leased_until: dt.datetime
    event: Event


def schedule(attempts: int) -> dt.timedelta | None:
    """How long to wait after so many attempts failed; None: give up."""
    return _WAITS[attempts - 1] if 1 <= attempts <= len(_WAITS) else None


def waiting(conn: Connection, now: dt.datetime) -> list[tuple[str, str]]:
    """(organisation, installation) of every line whose head may be told now, longest waiting first."""
    head = (
        sa.select(
            t.delivery.c.organisation_id,
            t.delivery.c.installation_id,
            sa.func.min(t.delivery.c.position).label("position"),
        )
        .where(t.delivery.c.state == _WAITING, t.delivery.c.hook != JOB)
        .group_by(t.delivery.c.organisation_id, t.delivery.c.installation_id)
        .subquery("head")
    )
    query = (
        sa.select(t.delivery.c.organisation_id, t.delivery.c.installation_id)
        .join(
            head,
            sa.and_(
                head.c.organisation_id == t.delivery.c.organisation_id,
                head.c.installation_id == t.delivery.c.installation_id,
                head.c.position == t.delivery.c.position,
            ),
        )
        .join(t.installation, _same_installation())
        .where(_reachable(), _due(now))
        .order_by(t.delivery.c.next_at, t.delivery.c.id)
    )
    return [(row.organisation_id, row.installation_id) for row in conn.execute(query)]


def claim(
    conn: Connection, organisation_id: str, installation_id: str, now: dt.datetime, lease: dt.timedelta
) -> Delivery | None:
    """The head of the line, which is then nobody else's until `now + lease`; None where it is not its time."""
    row = conn.execute(_head(organisation_id, installation_id)).one_or_none()
    if row is None or row.next_at > now or (row.leased_until is not None and row.leased_until > now):
        return None
    until = now + lease
    taken = conn.execute(
        sa.update(t.delivery)
        .where(
            t.delivery.c.organisation_id == organisation_id,
            t.delivery.c.id == row.delivery_id,
            t.delivery.c.state == "waiting",
            _due(now),
        )
        .values(leased_until=until, attempts=t.delivery.c.attempts + 1)
        .returning(t.delivery.c.attempts)
    ).scalar_one_or_none()
    if taken is None:
        return None
    return Delivery(
        row.delivery_id, organisation_id, installation_id, row.position, row.hook, taken, until, event_of(row)
    )


def behind(conn: Connection, organisation_id: str, installation_id: str, position: int, limit: int) -> list[Delivery]:
    """Up to `limit` notices of a line from behind `position` on, told or not, in order.

    They are to be looked at, not to be told.
    """
    d = t.delivery.c
    own = (d.organisation_id == organisation_id, d.installation_id == installation_id, d.hook != CREDENTIALS)
    columns = (d.id.label("delivery_id"), d.position, d.hook, d.attempts, t.event)
    query = (
        sa.select(*columns)
        .join(t.event, sa.and_(t.event.c.organisation_id == d.organisation_id, t.event.c.id == d.event_id))
        .where(*own, d.position > position)
        .order_by(d.position)
        .limit(limit)
    )
    return [
        Delivery(
            row.delivery_id,
            organisation_id,
            installation_id,
            row.position,
            row.hook,
            row.attempts,
            row.at,
            event_of(row),
        )
        for row in conn.execute(query)
    ]


def done(conn: Connection, delivery: Delivery, now: dt.datetime) -> bool:
    """It was told. False, here and below: the lease has run out and somebody else has taken over."""
    return _settle(conn, delivery, state="delivered", done_at=now, last_error=None)


def skip(conn: Connection, delivery: Delivery, now: dt.datetime, why: str) -> bool:
    """There is nothing to tell, for example because nothing of it may be shared."""
    return _settle(conn, delivery, state="skipped", done_at=now, last_error=why)


def failed(conn: Connection, delivery: Delivery, next_at: dt.datetime, error: str) -> bool:
    """It is tried again from `next_at` on, and keeps its place: what comes after it waits."""
    return _settle(conn, delivery, next_at=next_at, last_error=error)


def dead(conn: Connection, delivery: Delivery, now: dt.datetime, error: str) -> bool:
    """It is given up; the next in line is told."""
    return _settle(conn, delivery, state="dead", done_at=now, last_error=error)


def skip_waiting(conn: Connection, organisation_id: str, installation_id: str, now: dt.datetime, *, why: str) -> int:
    """Empties a line, except for farewells; for an installation that is leaving. Returns how many were skipped."""
    query = sa.update(t.delivery).where(
        t.delivery.c.organisation_id == organisation_id,
        t.delivery.c.installation_id == installation_id,
        t.delivery.c.state == _WAITING,
        t.delivery.c.hook.not_in(FAREWELLS),
    )
    return conn.execute(query.values(state="skipped", done_at=now, leased_until=None, last_error=why)).rowcount


def _same_installation() -> sa.ColumnElement[bool]:
    return sa.and_(
        t.installation.c.organisation_id == t.delivery.c.organisation_id,
        t.installation.c.id == t.delivery.c.installation_id,
    )


def _reachable() -> sa.ColumnElement[bool]:
    """A disabled installation's line waits until it is enabled."""
    return sa.or_(
        t.installation.c.state == "active",
        sa.and_(t.installation.c.state == "uninstalled", t.delivery.c.hook.in_(FAREWELLS)),
    )


def _due(now: dt.datetime) -> sa.ColumnElement[bool]:
    return sa.and_(
        t.delivery.c.next_at <= now, sa.or_(t.delivery.c.leased_until.is_(None), t.delivery.c.leased_until <= now)
    )


def _head(organisation_id: str, installation_id: str) -> sa.Select[Any]:
    d = t.delivery.c
    first = (
        sa.select(sa.func.min(d.position))
        .where(
            d.organisation_id == organisation_id,
            d.installation_id == installation_id,
            d.state == _WAITING,
            d.hook != JOB,
        )
        .scalar_subquery()
    )
    return (
        sa.select(d.id.label("delivery_id"), d.position, d.hook, d.next_at, d.leased_until, t.event)
        .join(t.event, sa.and_(t.event.c.organisation_id == d.organisation_id, t.event.c.id == d.event_id))
        .join(t.installation, _same_installation())
        .where(
            d.organisation_id == organisation_id,
            d.installation_id == installation_id,
            d.position == first,
            _reachable(),
        )
    )


def _settle(conn: Connection, delivery: Delivery, **values: Any) -> bool:
    query = sa.update(t.delivery).where(
        t.delivery.c.organisation_id == delivery.organisation_id,
        t.delivery.c.id == delivery.id,
        t.delivery.c.state == "waiting",
        t.delivery.c.leased_until == delivery.leased_until,
    )
    return conn.execute(query.values(leased_until=None, **values)).rowcount == 1
