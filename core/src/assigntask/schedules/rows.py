"""The schedules of active installations: rows that follow state and accepted manifest."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask.people import organisations

from .cron import planned


def rewrite(
    conn: Connection, organisation_id: str, installation_id: str, wanted: Mapping[str, str], now: dt.datetime
) -> None:
    """`wanted`: name → cron, empty unless the installation is active. What stays as it is keeps its turn."""
    s = t.schedule.c
    mine = (s.organisation_id == organisation_id, s.installation_id == installation_id)
    known = {row.name: row.cron for row in conn.execute(sa.select(s.name, s.cron).where(*mine))}
    gone = sorted(name for name, cron in known.items() if wanted.get(name) != cron)
    if gone:
        conn.execute(sa.delete(t.schedule).where(*mine, s.name.in_(gone)))
    new = {name: cron for name, cron in wanted.items() if known.get(name) != cron}
    if not new:
        return
    time_zone = organisations.get(conn, organisation_id).time_zone
    rows = [
        {
            "organisation_id": organisation_id,
            "installation_id": installation_id,
            "name": name,
            "cron": cron,
            "next_at": planned(cron, time_zone, now, installation_id, name),
        }
        for name, cron in sorted(new.items())
    ]
    conn.execute(sa.insert(t.schedule), rows)
