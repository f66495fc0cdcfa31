"""Lines of deliveries while an app is being upgraded, what is told beside them, and how an attempt ends."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask.events import deliveries, events
from assigntask.events.deliveries import BESIDE, FAREWELLS, JOB, LEFT, WAITING, Attempted, Delivery
from assigntask.jobs import rows as jobs

UPGRADED = "upgraded"
ERASURES = ("person_forgotten", "person_withdrawn")
"""They stay in front of `upgraded`: whoever is to be forgotten does not wait for a migration."""


@dataclass(frozen=True, slots=True)
class Line:
    """An installation as it is while its row is held: nobody else takes anything of its line meanwhile."""

    organisation_id: str
    installation_id: str
    state: str
    upgrading_from: str | None
    failing_since: dt.datetime | None


def due(conn: Connection, now: dt.datetime) -> list[tuple[str, str]]:
    """(organisation, installation) of every line in which something may be told now."""
    d, i = t.delivery.c, t.installation.c
    of_active = (
        sa.select(d.organisation_id, d.installation_id)
        .join(t.installation, sa.and_(i.organisation_id == d.organisation_id, i.id == d.installation_id))
        .where(d.state == WAITING, d.next_at <= now, i.state == "active")
        .where(sa.or_(d.leased_until.is_(None), d.leased_until <= now))
    )
    upgrading = of_active.where(d.hook == UPGRADED, i.upgrading_from.is_not(None))
    working = of_active.where(d.hook.in_(BESIDE))
    beside = (row for query in (upgrading, working) for row in conn.execute(query))
    return list(dict.fromkeys([*deliveries.waiting(conn, now), *((row[0], row[1]) for row in beside)]))


def claim(
    conn: Connection, organisation_id: str, installation_id: str, now: dt.datetime, lease: dt.timedelta
) -> Delivery | None:
    """What is to be told next, which is then nobody else's; None where nothing is, at this moment.

    The head of the line, then what is told beside it; but while the app is being upgraded, `upgraded` comes first, and
    the rest waits.
    """
    line = hold(conn, organisation_id, installation_id)
    return None if line is None else take(conn, line, now, lease)


def hold(conn: Connection, organisation_id: str, installation_id: str) -> Line | None:
    """Until the end of the transaction. Whoever changes deliveries of a line too does so after it."""
    i = t.installation.c
    row = conn.execute(
        sa.select(i.state, i.upgrading_from, i.failing_since)
        .where(i.organisation_id == organisation_id, i.id == installation_id)
        .with_for_update(key_share=True)  # two processes must not take two of one line, one of them out of turn
    ).one_or_none()
    return None if row is None else Line(organisation_id, installation_id, *row)


def take(conn: Connection, line: Line, now: dt.datetime, lease: dt.timedelta) -> Delivery | None:
    """As `claim`, of a line that is held."""
    whose = (line.organisation_id, line.installation_id)
    if _anything_taken(conn, *whose, now):
        return None
    empty(conn, line, now)
    if line.state == "active" and line.upgrading_from is not None:
        head = _waiting(conn, *whose)
        if head is not None and head.hook in ERASURES:
            return deliveries.claim(conn, *whose, now, lease)
        upgraded = _waiting(conn, *whose, UPGRADED)
        if upgraded is not None:
            return _claim(conn, upgraded, line, now, lease)
        end_upgrade(conn, *whose)
    notice = deliveries.claim(conn, *whose, now, lease)
    if notice is not None or line.state != "active":
        return notice
    beside = _due_beside(conn, *whose, now)
    return None if beside is None else _claim(conn, beside, line, now, lease)


def empty(conn: Connection, line: Line, now: dt.datetime) -> None:
    """Of an app that has left: what was being told at that moment, and did not arrive, is not tried again."""
    if line.state in LEFT:
        deliveries.skip_waiting(conn, line.organisation_id, line.installation_id, now, why="uninstalled")


def wake(conn: Connection, app_id: str, now: dt.datetime) -> None:
    """What waits for an app that has just come may be told now, in every organisation that has it active; erasures in
    every one that ever had it.
    """
    d, i = t.delivery.c, t.installation.c
    mine = sa.select(i.id).where(
        i.organisation_id == d.organisation_id,
        i.id == d.installation_id,
        i.app_id == app_id,
        sa.or_(i.state == "active", d.hook.in_(FAREWELLS)),
    )
    conn.execute(
        sa.update(t.delivery)
        .where(d.state == WAITING, d.next_at > now, d.leased_until.is_(None), mine.exists())
        .values(next_at=now)
    )


def put_back(conn: Connection, delivery: Delivery, next_at: dt.datetime, why: str | None = None) -> bool:
    """To be told from `next_at` on, as if it had not been tried. False: the lease has run out."""
    return deliveries.untried(conn, delivery, next_at, why)


def more(conn: Connection, delivery: Delivery, now: dt.datetime, made: Attempted | None = None) -> bool:
    """To be told again at once: it got on, so what failed before counts no more. False: the lease has run out."""
    settled = deliveries.again(conn, delivery, now, made)
    if settled:
        deliveries.went_well(conn, delivery)
    return settled


def done(conn: Connection, delivery: Delivery, now: dt.datetime, made: Attempted | None = None) -> bool:
    """It was told; where it was `upgraded`, the app's other hooks go on in the same moment. A job is done."""
    settled = deliveries.done(conn, delivery, now, made)
    if settled and delivery.hook == JOB:
        jobs.ended(conn, *_job_of(delivery), "done", now)
    if settled and delivery.hook == UPGRADED:
        end_upgrade(conn, delivery.organisation_id, delivery.installation_id)
    return settled


def dead(conn: Connection, delivery: Delivery, now: dt.datetime, error: str, made: Attempted | None = None) -> bool:
    """It is given up. An app whose `upgraded` was given up is called again, rather than left waiting for ever."""
    settled = deliveries.dead(conn, delivery, now, error, made)
    if settled and delivery.hook == JOB:
        jobs.ended(conn, *_job_of(delivery), "failed", now, error)
    if settled and delivery.hook == UPGRADED:
        end_upgrade(conn, delivery.organisation_id, delivery.installation_id)
    return settled


def skip(conn: Connection, delivery: Delivery, now: dt.datetime, why: str) -> bool:
    """There is nothing to tell; a job fails then."""
    settled = deliveries.skip(conn, delivery, now, why)
    if settled and delivery.hook == JOB:
        jobs.ended(conn, *_job_of(delivery), "failed", now, why)
    return settled


def begin(conn: Connection, delivery: Delivery, now: dt.datetime) -> None:
    """The app is about to be called for its job."""
    jobs.running(conn, *_job_of(delivery), now)


def end_upgrade(conn: Connection, organisation_id: str, installation_id: str) -> None:
    """Unless another upgrade has begun meanwhile, which still has something waiting."""
    if _waiting(conn, organisation_id, installation_id, UPGRADED) is None:
        i = t.installation.c
        conn.execute(
            sa.update(t.installation)
            .where(i.organisation_id == organisation_id, i.id == installation_id)
            .values(upgrading_from=None)
        )


def _waiting(
    conn: Connection, organisation_id: str, installation_id: str, hook: str | None = None
) -> sa.Row[tuple[object, ...]] | None:
    """The first in line, what is told beside it left aside, or the first of this hook."""
    d = t.delivery.c
    query = sa.select(t.delivery).where(
        d.organisation_id == organisation_id, d.installation_id == installation_id, d.state == WAITING
    )
    query = query.where(d.hook.not_in(BESIDE) if hook is None else d.hook == hook)
    return conn.execute(query.order_by(d.position).limit(1)).one_or_none()


def _due_beside(
    conn: Connection, organisation_id: str, installation_id: str, now: dt.datetime
) -> sa.Row[tuple[object, ...]] | None:
    """The one that waits longest, so that of several each gets on."""
    d = t.delivery.c
    query = sa.select(t.delivery).where(
        d.organisation_id == organisation_id,
        d.installation_id == installation_id,
        d.state == WAITING,
        d.hook.in_(BESIDE),
        d.next_at <= now,
    )
    return conn.execute(query.order_by(d.next_at, d.position).limit(1)).one_or_none()


def _job_of(delivery: Delivery) -> tuple[str, str, str]:
    return delivery.organisation_id, delivery.installation_id, delivery.event.record_id


def _taken(row: sa.Row[tuple[object, ...]], now: dt.datetime) -> bool:
    return row.leased_until is not None and row.leased_until > now


def _anything_taken(conn: Connection, organisation_id: str, installation_id: str, now: dt.datetime) -> bool:
    """Whether something of this line is being told: `upgraded` may be, although it is not the head."""
    d = t.delivery.c
    query = sa.select(d.id).where(
        d.organisation_id == organisation_id,
        d.installation_id == installation_id,
        d.state == WAITING,
        d.leased_until > now,
    )
    return conn.execute(query.limit(1)).first() is not None


def _claim(
    conn: Connection, row: sa.Row[tuple[object, ...]], line: Line, now: dt.datetime, lease: dt.timedelta
) -> Delivery | None:
    if row.next_at > now or _taken(row, now):
        return None
    until = now + lease
    conn.execute(
        sa.update(t.delivery)
        .where(t.delivery.c.organisation_id == row.organisation_id, t.delivery.c.id == row.id)
        .values(leased_until=until, attempts=row.attempts + 1)
    )
    event = events.read(conn, row.organisation_id, row.event_id)
    if event is None:
        return None
    return Delivery(
        row.id,
        row.organisation_id,
        row.installation_id,
        row.position,
        row.hook,
        row.attempts + 1,
        until,
        event,
        line.failing_since,
    )
