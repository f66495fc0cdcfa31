"""How much waits on the whole host: counts and ages, for its operator."""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask.events.deliveries import WAITING
from assigntask.metrics.standing import Standing

COUNTED = 100_000
"""Of each kind at most: who has more has to look for the reason, not for the number."""

_DEAD: sa.ColumnClause[str] = sa.literal_column("'dead'")


def read(conn: Connection, now: dt.datetime) -> Standing:
    waiting, since = _waiting(conn)
    unsealed, written = _unsealed(conn)
    dead = sa.select(t.delivery.c.id).where(t.delivery.c.state == _DEAD).limit(COUNTED)
    return Standing(
        waiting=waiting,
        oldest=_age(since, now),
        dead=_counted(conn, dead),
        breakers=_counted(conn, _left_alone()),
        entries=conn.execute(sa.select(sa.func.max(t.ledger_entry.c.row))).scalar() or 0,
        unsealed=unsealed,
        seal_lag=_age(written, now),
    )


def _waiting(conn: Connection) -> tuple[int, dt.datetime | None]:
    """How many wait for active installations, and when the oldest of what they tell of happened.

    The head of a line is its oldest, so that no more events are looked at than there are lines.
    """
    d, i, e = t.delivery.c, t.installation.c, t.event.c
    some = (
        sa.select(d.organisation_id, d.installation_id, d.position)
        .join(t.installation, sa.and_(i.organisation_id == d.organisation_id, i.id == d.installation_id))
        .where(d.state == WAITING, i.state == "active")
        .limit(COUNTED)
        .subquery("some")
    ).c
    heads = (
        sa.select(
            some.organisation_id,
            some.installation_id,
            sa.func.min(some.position).label("position"),
            sa.func.count().label("waiting"),
        )
        .group_by(some.organisation_id, some.installation_id)
        .subquery("heads")
    )
    query = (
        sa.select(sa.func.sum(heads.c.waiting), sa.func.min(e.at))
        .select_from(heads)
        .join(
            t.delivery,
            sa.and_(
                d.organisation_id == heads.c.organisation_id,
                d.installation_id == heads.c.installation_id,
                d.position == heads.c.position,
            ),
        )
        .join(t.event, sa.and_(e.organisation_id == d.organisation_id, e.id == d.event_id))
    )
    count, since = conn.execute(query).one()
    return int(count or 0), since


def _left_alone() -> sa.Select[Any]:
    b, i = t.breaker.c, t.installation.c
    return (
        sa.select(b.hook)
        .join(t.installation, sa.and_(i.organisation_id == b.organisation_id, i.id == b.installation_id))
        .where(b.state != "closed", i.state == "active")
        .limit(COUNTED)
    )


def _unsealed(conn: Connection) -> tuple[int, dt.datetime | None]:
    """How many entries wait for their place, and when the oldest of them was written."""
    entry = t.ledger_entry.c
    some = sa.select(entry.at).where(entry.leaf_index.is_(None)).limit(COUNTED).subquery("some")
    count, since = conn.execute(sa.select(sa.func.count(), sa.func.min(some.c.at)).select_from(some)).one()
    return int(count), since


def _counted(conn: Connection, some: sa.Select[Any]) -> int:
    return int(conn.execute(sa.select(sa.func.count()).select_from(some.subquery("some"))).scalar_one())


def _age(since: dt.datetime | None, now: dt.datetime) -> float:
    return 0.0 if since is None else max(0.0, (now - since).total_seconds())
