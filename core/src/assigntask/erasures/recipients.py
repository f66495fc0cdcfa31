"""Who is asked to erase: whoever was ever given something, as far as the app can be asked at all."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t


def ever_given(conn: Connection, organisation_id: str) -> list[str]:
    """The installations, in whatever state, that were ever given anything about anybody; sorted."""
    e = t.ledger_entry.c
    query = sa.select(e.installation_id).where(e.organisation_id == organisation_id, e.kind == "release").distinct()
    return sorted(found for (found,) in conn.execute(query) if found)


def was_given(conn: Connection, organisation_id: str, app_id: str, installation_id: str) -> bool:
    """Whether this installation of the app was ever given anything."""
    e = t.ledger_entry.c
    query = sa.select(e.id).where(
        e.organisation_id == organisation_id,
        e.app_id == app_id,
        e.installation_id == installation_id,
        e.kind == "release",
    )
    return conn.execute(query.limit(1)).first() is not None


def hearing(conn: Connection, organisation_id: str, hook: str) -> set[str]:
    """The installations, in whatever state, whose accepted manifest has this hook."""
    i, v = t.installation.c, t.app_version.c
    query = (
        sa.select(i.id, v.manifest)
        .join(t.app_version, sa.and_(v.app_id == i.app_id, v.version == i.version))
        .where(i.organisation_id == organisation_id)
    )
    return {row.id for row in conn.execute(query) if hook in row.manifest.get("hooks", {})}
