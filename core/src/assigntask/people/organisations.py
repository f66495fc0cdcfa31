"""Organisations: the tenants. Nothing else here is looked up without the id of one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from assigntask.db import tables as t
from assigntask.db.ids import new_id
from assigntask.errors import HostError
from assigntask_sdk.details import nearest
from assigntask_sdk.errors import Invalid, NotFound

from .facts import OrganisationFacts
from .text import checked, checked_time_zone

POLICY: Mapping[str, Any] = {"members_may_install": "request"}
"""What holds where an organisation has not decided."""

_INSTALLING = ("no", "request", "self")
_ORGANISATION = sa.select(t.organisation.c.id, t.organisation.c.version, t.organisation.c.name,
                          t.organisation.c.time_zone)  # fmt: skip


def create(conn: Connection, name: str, time_zone: str, now: dt.datetime) -> OrganisationFacts:
    """Raises HostError `organisation_exists`, Invalid."""
    facts = OrganisationFacts(new_id(), 1, checked("name", name, limit=200), checked_time_zone(time_zone))
    values = {"id": facts.id, "name": facts.name, "time_zone": facts.time_zone, "policy": {}, "created_at": now}
    try:
        with conn.begin_nested():
            conn.execute(sa.insert(t.organisation).values(**values))
    except IntegrityError as error:
        raise HostError(
            "organisation_exists", f"There is an organisation {name!r} already; choose another name.", name=name
        ) from error
    return facts


def get(conn: Connection, organisation_id: str) -> OrganisationFacts:
    """Raises NotFound."""
    row = conn.execute(_ORGANISATION.where(t.organisation.c.id == organisation_id)).one_or_none()
    if row is None:
        raise NotFound("There is no such organisation.")
    return OrganisationFacts(*row)


def by_name(conn: Connection, name: str) -> OrganisationFacts:
    """Raises HostError `organisation_unknown`, naming the one that was most likely meant."""
    row = conn.execute(_ORGANISATION.where(t.organisation.c.name == name.strip())).one_or_none()
    if row is not None:
        return OrganisationFacts(*row)
    names = conn.execute(sa.select(t.organisation.c.name)).scalars().all()
    meant = nearest(name, names)
    hint = f" Did you mean {meant!r}?" if meant else " Import a board to make one." if not names else ""
    raise HostError("organisation_unknown", f"There is no organisation {name!r}.{hint}", name=name, nearest=meant)


def listed(conn: Connection) -> list[OrganisationFacts]:
    """All of the host's, by name; for the operator only."""
    return [OrganisationFacts(*row) for row in conn.execute(_ORGANISATION.order_by(t.organisation.c.name))]


def policy(conn: Connection, organisation_id: str) -> dict[str, Any]:
    """What the organisation decided, over `POLICY`. `members_may_install`: "no", "request" or "self"."""
    own = conn.execute(sa.select(t.organisation.c.policy).where(t.organisation.c.id == organisation_id)).scalar_one()
    return {**POLICY, **own}


def set_policy(conn: Connection, organisation_id: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The whole policy after `changes`. Raises Invalid for a name or value that means nothing."""
    unknown = {name: "there is no such policy" for name in changes if name not in POLICY}
    if changes.get("members_may_install", "no") not in _INSTALLING:
        unknown["members_may_install"] = f"must be one of {', '.join(_INSTALLING)}"
    if unknown:
        raise Invalid(unknown)
    decided = {**policy(conn, organisation_id), **changes}
    conn.execute(
        sa.update(t.organisation)
        .where(t.organisation.c.id == organisation_id)
        .values(policy=decided, version=t.organisation.c.version + 1, epoch=t.organisation.c.epoch + 1)
    )
    return decided


def raise_epoch(conn: Connection, organisation_id: str) -> None:
    """Ends every cache of rights and grants. Call it before events are recorded: locks are taken in that order."""
    conn.execute(
        sa.update(t.organisation).where(t.organisation.c.id == organisation_id).values(epoch=t.organisation.c.epoch + 1)
    )


def lock(conn: Connection, organisation_id: str) -> None:
    """Until the unit ends, no other unit that locks the organisation runs; on SQLite writes never overlap anyway."""
    conn.execute(
        sa.select(t.organisation.c.id).where(t.organisation.c.id == organisation_id).with_for_update(key_share=True)
    )
