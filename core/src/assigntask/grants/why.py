"""Why an app is or isn't given a detail about somebody: reads the situation, and asks the rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask.errors import HostError
from assigntask.grants.grants import actor_rights
from assigntask.grants.rules import Rule, Situation, decide
from assigntask.people.facts import PersonFacts
from assigntask_sdk.details import DETAILS, nearest


def why(conn: Connection, organisation_id: str, app_id: str, person: PersonFacts, detail_name: str) -> Rule:
    """Raises HostError `detail_unknown`, with the nearest name."""
    detail = DETAILS.get(detail_name)
    if detail is None:
        meant = nearest(detail_name, DETAILS)
        raise HostError(
            "detail_unknown",
            f"There is no detail {detail_name!r}." + (f" Did you mean {meant!r}?" if meant else ""),
        )
    return decide(situation(conn, organisation_id, app_id, person), detail)


def situation(conn: Connection, organisation_id: str, app_id: str, person: PersonFacts) -> Situation:
    installation = conn.execute(
        sa.select(t.installation, t.app_version.c.manifest)
        .join(
            t.app_version,
            (t.app_version.c.app_id == t.installation.c.app_id) & (t.app_version.c.version == t.installation.c.version),
        )
        .where(
            t.installation.c.organisation_id == organisation_id,
            t.installation.c.app_id == app_id,
            t.installation.c.state != "declined",
        )
        .order_by(t.installation.c.ordinal.desc())
        .limit(1)
    ).first()
    manifest: Mapping[str, Any] = installation.manifest if installation else {}
    objection = conn.execute(
        sa.select(t.objection.c.disputed).where(
            t.objection.c.organisation_id == organisation_id,
            t.objection.c.app_id == app_id,
            t.objection.c.person_id == person.id,
            t.objection.c.withdrawn_at.is_(None),
        )
    ).first()
    restriction = conn.execute(
        sa.select(t.restriction.c.id).where(
            t.restriction.c.organisation_id == organisation_id,
            t.restriction.c.person_id == person.id,
            t.restriction.c.lifted_at.is_(None),
        )
    ).first()
    only = installation.only_person_id if installation else None
    contacts: Mapping[str, str] = installation.contacts if installation else {}
    hooks: Mapping[str, Sequence[str]] = manifest.get("hooks") or {}
    wanted: Mapping[str, Sequence[str]] = manifest.get("contacts") or {}
    return Situation(
        app_name=str(manifest.get("name", app_id)),
        state=installation.state if installation else None,
        granted=frozenset(installation.scopes) if installation else frozenset(),
        declined=frozenset(installation.declined) if installation else frozenset(),
        hook_details=frozenset(name for details in hooks.values() for name in details),
        contact_details=frozenset(
            name for kind, person_id in contacts.items() if person_id == person.id for name in wanted.get(kind, ())
        ),
        objected=objection is not None,
        disputed=bool(objection and objection.disputed),
        restricted=restriction is not None,
        forgotten=person.state == "forgotten",
        alone=only is not None and only != person.id,
        rights=actor_rights(conn, organisation_id, only)[0] if only is not None else None,
    )
