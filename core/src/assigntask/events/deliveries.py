"""Deliveries: per installation one line of notices, of which only the head may be told, until it was or is given up."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t

from .events import Event, event_of

# The example that Standard Webhooks 1.0 gives for a schedule of retries.
_WAITS = (
    dt.timedelta(seconds=5),
    dt.timedelta(minutes=5),
    dt.timedelta(minutes=30),
    dt.timedelta(hours=2),
    dt.timedelta(hours=5),
    dt.timedelta(hours=10),
    dt.timedelta(hours=14),
    dt.timedelta(hours=20),
    dt.timedelta(hours=24),
)

# What an app still hears that was disabled, uninstalled, or wiped: whatever else is in its line waits, or is skipped.
FAREWELLS = ("uninstalling", "person_forgotten")
NOT_ACTIVE = ("disabled", "uninstalled", "wiped")
LEFT = ("uninstalled", "wiped")

# The hook of a delivery that is no notice: an app that runs elsewhere is given its credentials.
CREDENTIALS = "credentials"

# An app's own jobs and schedules are told beside its line: neither waits for the other, however long one takes.
JOB = "job"
SCHEDULED = "scheduled"
BESIDE = (JOB, SCHEDULED)

# Written out, because the databases choose a partial index by the statement's text.
WAITING: sa.ColumnClause[str] = sa.literal_column("'waiting'")


@dataclass(frozen=True, slots=True)
class Delivery:
    """One notice for one installation. `attempts` counts this one; `leased_until` (aware, UTC) proves whose it is.

    `failing_since`: the first failed attempt of its installation since one went well, as it was when this was claimed.
    """

    id: str
    organisation_id: str
    installation_id: str
    position: int
    hook: str
    attempts: int
    leased_until: dt.datetime
    event: Event
    failing_since: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Attempted:
    """An attempt: when it began (aware), the milliseconds that it took, and what an app elsewhere answered to it."""

    at: dt.datetime
    took: int
    status: int | None = None
    answer: str | None = None


def schedule(attempts: int) -> dt.timedelta | None:
    """How long to wait after so many attempts failed; None: give up."""
    return _WAITS[attempts - 1] if 1 <= attempts <= len(_WAITS) else None


def waiting(conn: Connection, now: dt.datetime) -> list[tuple[str, str]]:
    """(organisation, installation) of every line of which something may be told now, longest waiting first."""
    head = (
        sa.select(
            t.delivery.c.organisation_id,
            t.delivery.c.installation_id,
            sa.func.min(t.delivery.c.position).label("position"),
        )
        .join(t.installation, _same_installation())
        .where(*_in_line(now))
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
        .where(_due(now))
        .order_by(t.delivery.c.next_at, t.delivery.c.id)
    )
    return [(row.organisation_id, row.installation_id) for row in conn.execute(query)]


def claim(
    conn: Connection, organisation_id: str, installation_id: str, now: dt.datetime, lease: dt.timedelta
) -> Delivery | None:
    """The head of the line, which is then nobody else's until `now + lease`; None where it is not its time.

    An app that doesn't mind the order gets the first whose time it is. Its credentials come before all, in any case.
    """
    row = conn.execute(_head(organisation_id, installation_id, now)).one_or_none()
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
        row.delivery_id,
        organisation_id,
        installation_id,
        row.position,
        row.hook,
        taken,
        until,
        event_of(row),
        row.failing_since,
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


def done(conn: Connection, delivery: Delivery, now: dt.datetime, made: Attempted | None = None) -> bool:
    """It was told. False, here and below: the lease has run out and somebody else has taken over."""
    settled = _settle(conn, delivery, made, state="delivered", done_at=now, last_error=None, answer=None)
    if settled:
        went_well(conn, delivery)
    return settled


def skip(conn: Connection, delivery: Delivery, now: dt.datetime, why: str) -> bool:
    """There is nothing to tell, for example because nothing of it may be shared."""
    return _settle(conn, delivery, None, state="skipped", done_at=now, last_error=why)


def failed(
    conn: Connection, delivery: Delivery, next_at: dt.datetime, error: str, made: Attempted | None = None
) -> bool:
    """It is tried again from `next_at` on, and keeps its place: what comes after it waits."""
    return _settle(conn, delivery, made, next_at=next_at, last_error=error)


def dead(conn: Connection, delivery: Delivery, now: dt.datetime, error: str, made: Attempted | None = None) -> bool:
    """It is given up; the next in line is told."""
    return _settle(conn, delivery, made, state="dead", done_at=now, last_error=error)


def again(conn: Connection, delivery: Delivery, now: dt.datetime, made: Attempted | None = None) -> bool:
    """It went well and is told once more, at once: what failed before counts no more."""
    return _settle(conn, delivery, made, attempts=0, next_at=now, last_error=None, answer=None)


def untried(conn: Connection, delivery: Delivery, next_at: dt.datetime, why: str | None) -> bool:
    """It is told from `next_at` on, as if it had not been tried."""
    return _settle(conn, delivery, None, attempts=delivery.attempts - 1, next_at=next_at, last_error=why)


def went_well(conn: Connection, delivery: Delivery) -> None:
    """The app is not failing. Writes only where it was."""
    if delivery.failing_since is not None:
        _standing(conn, delivery, sa.true(), None)


def went_wrong(conn: Connection, delivery: Delivery, now: dt.datetime) -> None:
    """The app has been failing since now, or since before. Writes only where it was not failing yet."""
    if delivery.failing_since is None:
        _standing(conn, delivery, t.installation.c.failing_since.is_(None), now)


def hurry(conn: Connection, organisation_id: str, installation_id: str, now: dt.datetime) -> None:
    """What was to be tried later may be tried now: somebody says that the app was mended."""
    d = t.delivery.c
    conn.execute(
        sa.update(t.delivery)
        .where(d.organisation_id == organisation_id, d.installation_id == installation_id, d.state == WAITING)
        .where(d.next_at > now, d.leased_until.is_(None))
        .values(next_at=now)
    )


def skip_waiting(conn: Connection, organisation_id: str, installation_id: str, now: dt.datetime, *, why: str) -> int:
    """Empties a line, except for farewells; for an installation that is leaving. Returns how many were skipped.

    What is being told at this moment stays: the goodbye must not overtake it.
    """
    d = t.delivery.c
    query = sa.update(t.delivery).where(
        d.organisation_id == organisation_id,
        d.installation_id == installation_id,
        d.state == WAITING,
        d.hook.not_in(FAREWELLS),
        sa.or_(d.leased_until.is_(None), d.leased_until <= now),
    )
    return conn.execute(query.values(state="skipped", done_at=now, leased_until=None, last_error=why)).rowcount


def _same_installation() -> sa.ColumnElement[bool]:
    return sa.and_(
        t.installation.c.organisation_id == t.delivery.c.organisation_id,
        t.installation.c.id == t.delivery.c.installation_id,
    )


def _reachable() -> sa.ColumnElement[bool]:
    """A disabled installation's line waits until it is enabled, but for farewells."""
    return sa.or_(
        t.installation.c.state == "active",
        sa.and_(t.installation.c.state.in_(NOT_ACTIVE), t.delivery.c.hook.in_(FAREWELLS)),
    )


def _due(now: dt.datetime) -> sa.ColumnElement[bool]:
    return sa.and_(
        t.delivery.c.next_at <= now, sa.or_(t.delivery.c.leased_until.is_(None), t.delivery.c.leased_until <= now)
    )


def _in_line(now: dt.datetime) -> tuple[sa.ColumnElement[bool], ...]:
    """Those that wait and may be the head of their line: of an app that minds the order, or whose time it is."""
    d = t.delivery.c
    free = sa.or_(t.installation.c.in_order, d.hook == CREDENTIALS, _due(now))
    return d.state == WAITING, d.hook.not_in(BESIDE), _reachable(), free


def _head(organisation_id: str, installation_id: str, now: dt.datetime) -> sa.Select[Any]:
    d = t.delivery.c
    return (
        sa.select(
            d.id.label("delivery_id"),
            d.position,
            d.hook,
            d.next_at,
            d.leased_until,
            t.installation.c.failing_since,
            t.event,
        )
        .join(t.event, sa.and_(t.event.c.organisation_id == d.organisation_id, t.event.c.id == d.event_id))
        .join(t.installation, _same_installation())
        .where(d.organisation_id == organisation_id, d.installation_id == installation_id, *_in_line(now))
        .order_by(d.position)
        .limit(1)
    )


def _settle(conn: Connection, delivery: Delivery, made: Attempted | None, **values: Any) -> bool:
    query = sa.update(t.delivery).where(
        t.delivery.c.organisation_id == delivery.organisation_id,
        t.delivery.c.id == delivery.id,
        t.delivery.c.state == "waiting",
        t.delivery.c.leased_until == delivery.leased_until,
    )
    if made is not None:
        values = {
            "attempted_at": made.at, "took": made.took, "status": made.status, "answer": made.answer, **values
        }  # fmt: skip
    return conn.execute(query.values(leased_until=None, **values)).rowcount == 1


def _standing(conn: Connection, delivery: Delivery, where: sa.ColumnElement[bool], since: dt.datetime | None) -> None:
    i = t.installation.c
    mine = sa.update(t.installation).where(
        i.organisation_id == delivery.organisation_id, i.id == delivery.installation_id, where
    )
    conn.execute(mine.values(failing_since=since))
