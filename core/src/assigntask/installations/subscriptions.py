"""Who hears what, and in order or not: it follows state, accepted manifest and grant, and is never set by hand."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask.installations.installations import Installation
from assigntask.schedules import rows as schedules
from assigntask_sdk.details import details_of
from assigntask_sdk.manifest import Manifest

_GUARD_HOOK = "task_saving"
_GUARD_POWER = "tasks:guard"


def listens(manifest: Manifest, installation: Installation) -> Mapping[str, frozenset[str]]:
    """Hook → the details it wants and the grant opens. Empty unless the installation is active."""
    if installation.state != "active":
        return {}
    opened = details_of(installation.scopes)
    return {
        hook: frozenset(wanted) & opened
        for hook, wanted in manifest.hooks.items()
        if hook != _GUARD_HOOK or _GUARD_POWER in installation.scopes
    }


def rewrite(conn: Connection, manifest: Manifest, installation: Installation) -> None:
    """Call it in the transaction of every change of state, version or grant."""
    table = t.subscription
    conn.execute(
        table.delete().where(
            table.c.organisation_id == installation.organisation_id, table.c.installation_id == installation.id
        )
    )
    rows = [
        {
            "organisation_id": installation.organisation_id,
            "hook": hook,
            "ordinal": installation.ordinal,
            "installation_id": installation.id,
            "details": sorted(details),
        }
        for hook, details in sorted(listens(manifest, installation).items())
    ]
    if rows:
        conn.execute(table.insert(), rows)
    mine = (t.installation.c.organisation_id == installation.organisation_id, t.installation.c.id == installation.id)
    conn.execute(sa.update(t.installation).where(*mine).values(in_order=manifest.in_order))
    wanted = manifest.schedule if installation.state == "active" else {}
    schedules.rewrite(conn, installation.organisation_id, installation.id, wanted, installation.changed_at)
