"""Problems of an installation, shown to admins: reported by the app itself or by the host.

The module itself is what `context.problems.ProblemRows` asks for.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask_sdk import records
from assigntask_sdk.errors import Invalid

Severity = Literal["info", "warning", "error"]
SEVERITIES: tuple[str, ...] = get_args(Severity)
KEY_LENGTH = 200
TEXT_LENGTH = 1000
MOST = 200
"""Keys that one installation's app may have at a time."""
HOST = "host."
"""The keys under which the host itself reports start so; an app can't use them."""


@dataclass(frozen=True, slots=True)
class Problem:
    """`count`: how often it was reported since it was last cleared. Moments are aware, in UTC."""

    installation_id: str
    key: str
    text: str
    severity: Severity
    count: int
    first_at: dt.datetime
    last_at: dt.datetime

    def to_json(self) -> dict[str, Any]:
        return {
            "installation": self.installation_id,
            "key": self.key,
            "text": self.text,
            "severity": self.severity,
            "count": self.count,
            "first_at": self.first_at.isoformat(),
            "last_at": self.last_at.isoformat(),
        }


def report(
    conn: Connection,
    organisation_id: str,
    installation_id: str,
    key: str,
    text: str,
    *,
    now: dt.datetime,
    severity: str = "warning",
    by_host: bool = False,
) -> None:
    """The same key again counts, and replaces text and severity. Long texts are cut.

    Raises Invalid for an app's key that is empty, too long, the host's, or one too many.
    """
    if severity not in SEVERITIES:
        raise Invalid({"severity": f"write one of {', '.join(SEVERITIES)}"})
    if by_host:
        key = HOST + key
    else:
        _check(conn, organisation_id, installation_id, key)
    insert = (sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert)(t.problem)
    values = {"text": text[:TEXT_LENGTH], "severity": severity, "last_at": now}
    conn.execute(
        insert.values(
            organisation_id=organisation_id, installation_id=installation_id, key=key, count=1, first_at=now, **values
        ).on_conflict_do_update(
            index_elements=["installation_id", "key"],
            set_={**values, "count": t.problem.c.count + 1},
            where=t.problem.c.organisation_id == organisation_id,
        )
    )


def clear(conn: Connection, organisation_id: str, installation_id: str, key: str, *, by_host: bool = False) -> None:
    """An app clears only its own; a problem that is not there is as good as cleared."""
    if not by_host and key.startswith(HOST):
        return
    conn.execute(
        sa.delete(t.problem).where(
            t.problem.c.organisation_id == organisation_id,
            t.problem.c.installation_id == installation_id,
            t.problem.c.key == (HOST + key if by_host else key),
        )
    )


def clear_breakers(conn: Connection, organisation_id: str, installation_id: str) -> None:
    """The host's own, about hooks that were left alone: they are not any more."""
    conn.execute(
        sa.delete(t.problem).where(
            t.problem.c.organisation_id == organisation_id,
            t.problem.c.installation_id == installation_id,
            t.problem.c.key.startswith(f"{HOST}breaker.", autoescape=True),
        )
    )


def listed(conn: Connection, organisation_id: str, installation_id: str | None = None) -> list[Problem]:
    """The latest first."""
    names = ("installation_id", "key", "text", "severity", "count", "first_at", "last_at")
    query = sa.select(*(t.problem.c[name] for name in names)).where(t.problem.c.organisation_id == organisation_id)
    if installation_id is not None:
        query = query.where(t.problem.c.installation_id == installation_id)
    rows = conn.execute(query.order_by(t.problem.c.last_at.desc(), t.problem.c.key))
    return [Problem(*cast(Any, row)) for row in rows]


def reported(conn: Connection, organisation_id: str, installation_id: str) -> list[records.Problem]:
    """What the app itself reported, as it is told: not what the host says of it. The latest first."""
    return [
        records.Problem(each.key, each.text, each.severity, each.count, each.first_at, each.last_at)
        for each in listed(conn, organisation_id, installation_id)
        if not each.key.startswith(HOST)
    ]


def _check(conn: Connection, organisation_id: str, installation_id: str, key: str) -> None:
    if not 0 < len(key) <= KEY_LENGTH:
        raise Invalid({"key": f"a problem's key has 1 to {KEY_LENGTH} characters"})
    if key.startswith(HOST):
        raise Invalid({"key": f"keys that start with {HOST!r} are the host's: choose another"})
    others = conn.scalar(
        sa.select(sa.func.count()).where(
            t.problem.c.organisation_id == organisation_id,
            t.problem.c.installation_id == installation_id,
            t.problem.c.key != key,
        )
    )
    if (others or 0) >= MOST:
        raise Invalid({"key": f"there are {MOST} problems already: clear those that are solved, or use fewer keys"})
