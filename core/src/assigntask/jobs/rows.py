"""Jobs that apps gave themselves. They belong to their installation, and go with it."""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask.db.ids import new_id
from assigntask.events.deliveries import JOB
from assigntask.events.events import Event, record
from assigntask_sdk.errors import Gone, Invalid
from assigntask_sdk.records import Job, JobId

MOST = 100
"""Unfinished ones of one installation."""
LISTED = 100
KEPT = dt.timedelta(days=30)
"""How long a job that has ended can still be looked at, and its key is taken."""

_UNFINISHED = ("waiting", "running")
_JOB = (
    t.job.c.id, t.job.c.name, t.job.c.state, t.job.c.done, t.job.c.total, t.job.c.text, t.job.c.started_at,
    t.job.c.changed_at,
)  # fmt: skip


def start(
    conn: Connection, organisation_id: str, installation_id: str, name: str, args: Any, key: str, now: dt.datetime
) -> JobId:
    """The job, its event and its delivery; the one that there is, where `name` and `key` were used before.

    Raises Gone where the installation is not active, Invalid where its app has no hook for jobs or there are too many.
    """
    _require_active(conn, organisation_id, installation_id)
    known = conn.execute(
        sa.select(t.job.c.id).where(*_of(organisation_id, installation_id), t.job.c.name == name, t.job.c.key == key)
    ).scalar_one_or_none()
    if known is not None:
        return JobId(known)
    _require_room(conn, organisation_id, installation_id)
    job_id = new_id()
    conn.execute(
        sa.insert(t.job).values(
            id=job_id,
            organisation_id=organisation_id,
            installation_id=installation_id,
            name=name,
            args={"args": args},
            key=key,
            state="waiting",
            started_at=now,
            changed_at=now,
        )
    )
    event = Event(kind="job.started", record_kind="job", record_id=job_id, at=now, origin=installation_id)
    record(conn, organisation_id, event, hook=JOB, recipients=[installation_id])
    return JobId(job_id)


def get(conn: Connection, organisation_id: str, installation_id: str, job_id: str) -> Job | None:
    query = sa.select(*_JOB).where(*_one(organisation_id, installation_id, job_id))
    row = conn.execute(query).one_or_none()
    return None if row is None else Job(*row)


def asked(conn: Connection, organisation_id: str, installation_id: str, job_id: str) -> tuple[str, Any] | None:
    """The name and args that it was started with; None where there is no such job that goes on."""
    where = (*_one(organisation_id, installation_id, job_id), t.job.c.state.in_(_UNFINISHED))
    row = conn.execute(sa.select(t.job.c.name, t.job.c.args).where(*where)).one_or_none()
    return None if row is None else (row.name, row.args["args"])


def newest(conn: Connection, organisation_id: str, installation_id: str, limit: int = LISTED) -> list[Job]:
    """The newest first."""
    query = sa.select(*_JOB).where(*_of(organisation_id, installation_id))
    rows = conn.execute(query.order_by(t.job.c.started_at.desc(), t.job.c.id.desc()).limit(limit))
    return [Job(*row) for row in rows]


def errors(conn: Connection, organisation_id: str, installation_id: str) -> dict[str, str]:
    """Why jobs failed, by id: for people, not for the app."""
    query = sa.select(t.job.c.id, t.job.c.last_error).where(
        *_of(organisation_id, installation_id), t.job.c.last_error.is_not(None)
    )
    return {row[0]: row[1] for row in conn.execute(query)}


def progress(
    conn: Connection,
    organisation_id: str,
    installation_id: str,
    job_id: str,
    told: dict[str, int | str],
    now: dt.datetime,
) -> bool:
    """`told`: done, total, text, as far as the app told them. False: there is no such job that goes on."""
    where = (*_one(organisation_id, installation_id, job_id), t.job.c.state.in_(_UNFINISHED))
    return conn.execute(sa.update(t.job).where(*where).values(**told, changed_at=now)).rowcount == 1


def running(conn: Connection, organisation_id: str, installation_id: str, job_id: str, now: dt.datetime) -> None:
    """It is called for the first time."""
    where = (*_one(organisation_id, installation_id, job_id), t.job.c.state == "waiting")
    conn.execute(sa.update(t.job).where(*where).values(state="running", changed_at=now))


def ended(
    conn: Connection,
    organisation_id: str,
    installation_id: str,
    job_id: str,
    state: Literal["done", "failed"],
    now: dt.datetime,
    why: str | None = None,
) -> None:
    where = (*_one(organisation_id, installation_id, job_id), t.job.c.state.in_(_UNFINISHED))
    conn.execute(sa.update(t.job).where(*where).values(state=state, last_error=why, changed_at=now))


def end_all(conn: Connection, organisation_id: str, installation_id: str, now: dt.datetime, *, why: str) -> None:
    """All that are not finished fail: the installation is leaving."""
    where = (*_of(organisation_id, installation_id), t.job.c.state.in_(_UNFINISHED))
    conn.execute(sa.update(t.job).where(*where).values(state="failed", last_error=why, changed_at=now))


def sweep(conn: Connection, now: dt.datetime, limit: int = 1000) -> int:
    """Of the whole host, up to `limit` jobs that ended long ago; how many were thrown away."""
    old = (
        sa.select(t.job.c.id)
        .where(t.job.c.state.not_in(_UNFINISHED), t.job.c.changed_at <= now - KEPT)
        .order_by(t.job.c.changed_at, t.job.c.id)
        .limit(limit)
    )
    ids = list(conn.scalars(old))
    return conn.execute(sa.delete(t.job).where(t.job.c.id.in_(ids))).rowcount if ids else 0


def _of(organisation_id: str, installation_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    return t.job.c.organisation_id == organisation_id, t.job.c.installation_id == installation_id


def _one(organisation_id: str, installation_id: str, job_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (*_of(organisation_id, installation_id), t.job.c.id == job_id)


def _require_active(conn: Connection, organisation_id: str, installation_id: str) -> None:
    """Locks the installation: two starts come one after the other, and none comes after an uninstall."""
    i = t.installation.c
    query = sa.select(i.state).where(i.organisation_id == organisation_id, i.id == installation_id)
    if conn.execute(query.with_for_update(key_share=True)).scalar_one_or_none() != "active":
        raise Gone("This installation is not active: nothing reaches it until an admin enables it.")


def _require_room(conn: Connection, organisation_id: str, installation_id: str) -> None:
    s = t.subscription.c
    listens = sa.select(s.hook).where(
        s.organisation_id == organisation_id, s.installation_id == installation_id, s.hook == JOB
    )
    if conn.execute(listens).first() is None:
        raise Invalid({"name": "this app has no hook for jobs: write job = [] under [hooks] in app.toml"})
    unfinished = conn.scalar(
        sa.select(sa.func.count()).where(*_of(organisation_id, installation_id), t.job.c.state.in_(_UNFINISHED))
    )
    if (unfinished or 0) >= MOST:
        raise Invalid({"name": f"{MOST} jobs are not finished yet: wait for some of them, or do more in one"})
