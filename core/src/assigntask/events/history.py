"""What became of deliveries, and telling them once more. Written for people who look: nothing here is told."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, get_args

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask.db.announcing import announce
from assigntask_sdk.deliveries import Delivery, DeliveryState
from assigntask_sdk.hooks import Hooks

from .deliveries import BESIDE
from .events import QUEUED

STATES: tuple[DeliveryState, ...] = get_args(DeliveryState)
NEWEST = 1000
"""How many of the newest deliveries are searched for the last one that arrived."""

ONCE = frozenset({"installed", "upgraded", "uninstalling", *BESIDE})
REPLAYABLE = tuple(sorted(name for name, spec in Hooks.all.items() if spec.notice and name not in ONCE))
"""Hooks that may be told once more. A step in the app's life happens once, and jobs and schedules are its own work."""

# Written out, because the databases choose a partial index by the statement's text.
_STATE: Mapping[DeliveryState, sa.ColumnClause[str]] = {state: sa.literal_column(f"'{state}'") for state in STATES}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which deliveries: of one state, of what happened since a moment (aware), behind a position. None: of all."""

    state: DeliveryState | None = None
    since: dt.datetime | None = None
    before: int | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Line:
    """`waiting` counts what is to be told in order, `oldest` is when the first of it happened. Moments in UTC."""

    waiting: int
    dead: int
    oldest: dt.datetime | None
    last_success: dt.datetime | None


def listed(
    conn: Connection, organisation_id: str, installation_id: str, wanted: Wanted, *, own: bool
) -> list[Delivery]:
    """The newest first. `own`: only those that the app was told of, or tried to be.

    Of others not even that they are there: it may have happened to somebody whom the app must not know.
    """
    d = t.delivery.c
    query = _shown(organisation_id, installation_id, own=own).order_by(d.position.desc()).limit(wanted.limit)
    if wanted.state is not None:
        query = query.where(d.state == _STATE[wanted.state])
    if wanted.since is not None:
        query = query.where(t.event.c.at >= wanted.since)
    if wanted.before is not None:
        query = query.where(d.position < wanted.before)
    return [_delivery(row) for row in conn.execute(query)]


def get(
    conn: Connection, organisation_id: str, installation_id: str, delivery_id: str, *, own: bool
) -> Delivery | None:
    query = _shown(organisation_id, installation_id, own=own).where(t.delivery.c.id == delivery_id)
    row = conn.execute(query).one_or_none()
    return None if row is None else _delivery(row)


def line(conn: Connection, organisation_id: str, installation_id: str) -> Line:
    """How an installation's deliveries stand. What waits beside the line is the app's own work, and is not counted."""
    d = t.delivery.c
    mine = (d.organisation_id == organisation_id, d.installation_id == installation_id)
    waiting = (*mine, d.state == _STATE["waiting"], d.hook.not_in(BESIDE))
    first = sa.select(sa.func.min(d.position)).where(*waiting).scalar_subquery()
    oldest = (
        sa.select(t.event.c.at)
        .join(t.delivery, sa.and_(d.organisation_id == t.event.c.organisation_id, d.event_id == t.event.c.id))
        .where(*mine, d.position == first)
    )
    return Line(
        conn.execute(sa.select(sa.func.count()).select_from(t.delivery).where(*waiting)).scalar_one(),
        conn.execute(
            sa.select(sa.func.count()).select_from(t.delivery).where(*mine, d.state == _STATE["dead"])
        ).scalar_one(),
        conn.execute(oldest).scalar_one_or_none(),
        _last_success(conn, organisation_id, installation_id),
    )


def replayable(
    conn: Connection, organisation_id: str, installation_id: str, which: sa.ColumnElement[bool], now: dt.datetime
) -> int:
    """How many `replay` would tell once more."""
    query = sa.select(sa.func.count()).select_from(t.delivery)
    return conn.execute(query.where(*_again(organisation_id, installation_id, now), which)).scalar_one()


def replay(
    conn: Connection, organisation_id: str, installation_id: str, which: sa.ColumnElement[bool], now: dt.datetime
) -> int:
    """Has them told from `now` on as if for the first time, at the place that they had; how many.

    What waits for its next try is tried now, of whatever hook. What is being told at this moment is left alone.
    """
    fresh: dict[str, Any] = dict.fromkeys(("leased_until", "done_at", "last_error", "answer"))
    again = sa.update(t.delivery).where(*_again(organisation_id, installation_id, now), which)
    told = conn.execute(again.values(state="waiting", attempts=0, next_at=now, replayed_at=now, **fresh)).rowcount
    if told:
        announce(QUEUED, organisation_id, installation_id)
    return told


def one(delivery_id: str) -> sa.ColumnElement[bool]:
    return t.delivery.c.id == delivery_id


def since(organisation_id: str, at: dt.datetime, states: Collection[DeliveryState]) -> sa.ColumnElement[bool]:
    """Those of what happened at `at` or later, that are in one of these states."""
    happened = sa.exists().where(
        t.event.c.organisation_id == organisation_id,
        t.event.c.organisation_id == t.delivery.c.organisation_id,
        t.event.c.id == t.delivery.c.event_id,
        t.event.c.at >= at,
    )
    return sa.and_(t.delivery.c.state.in_(sorted(states)), happened)


def _again(organisation_id: str, installation_id: str, now: dt.datetime) -> tuple[sa.ColumnElement[bool], ...]:
    d = t.delivery.c
    ended = sa.and_(d.state != _STATE["waiting"], d.hook.in_(REPLAYABLE))
    later = sa.and_(
        d.state == _STATE["waiting"],
        d.next_at > now,
        sa.or_(d.leased_until.is_(None), d.leased_until <= now),
    )
    return d.organisation_id == organisation_id, d.installation_id == installation_id, sa.or_(ended, later)


def _shown(organisation_id: str, installation_id: str, *, own: bool) -> sa.Select[Any]:
    d = t.delivery.c
    query = (
        sa.select(t.delivery, t.event.c.at)
        .join(t.event, sa.and_(t.event.c.organisation_id == d.organisation_id, t.event.c.id == d.event_id))
        .where(d.organisation_id == organisation_id, d.installation_id == installation_id)
    )
    if own:
        tried = sa.and_(d.state == _STATE["waiting"], d.attempted_at.is_not(None))
        query = query.where(sa.or_(d.state.in_((_STATE["delivered"], _STATE["dead"])), tried))
    return query


def _last_success(conn: Connection, organisation_id: str, installation_id: str) -> dt.datetime | None:
    """Of the newest ones the latest that arrived; where none of them did, that of the highest position."""
    d = t.delivery.c
    mine = (d.organisation_id == organisation_id, d.installation_id == installation_id)
    newest = sa.select(d.state, d.done_at).where(*mine).order_by(d.position.desc()).limit(NEWEST).subquery("newest")
    found: dt.datetime | None = conn.execute(
        sa.select(sa.func.max(newest.c.done_at, type_=d.done_at.type)).where(newest.c.state == "delivered")
    ).scalar_one_or_none()
    if found is not None:
        return found
    older = sa.select(d.done_at).where(*mine, d.state == "delivered").order_by(d.position.desc()).limit(1)
    return conn.execute(older).scalar_one_or_none()


def _delivery(row: sa.Row[Any]) -> Delivery:
    return Delivery(
        id=row.id,
        hook=row.hook,
        state=row.state,
        position=row.position,
        at=row.at,
        attempts=row.attempts,
        next_at=row.next_at if row.state == "waiting" else None,
        attempted_at=row.attempted_at,
        took=row.took,
        status=row.status,
        answer=row.answer,
        error=row.last_error,
        done_at=row.done_at,
        replayed_at=row.replayed_at,
    )
