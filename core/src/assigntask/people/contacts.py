"""Whom vendors may turn to: an organisation's technical and billing contacts."""

from __future__ import annotations

from typing import Literal, get_args

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask_sdk.errors import Invalid

from .organisations import raise_epoch
from .people import active

ContactKind = Literal["technical", "billing"]
KINDS: tuple[ContactKind, ...] = get_args(ContactKind)


def get(conn: Connection, organisation_id: str, kind: ContactKind) -> str | None:
    """The person's id, None where nobody was named."""
    query = sa.select(t.contact.c.person_id).where(
        t.contact.c.organisation_id == organisation_id, t.contact.c.kind == kind
    )
    return conn.execute(query).scalar_one_or_none()


def put(conn: Connection, organisation_id: str, kind: ContactKind, person_id: str | None) -> None:
    """Names an active person, or nobody. Raises Invalid."""
    if kind not in KINDS:
        raise Invalid({"contact": f"must be one of {', '.join(KINDS)}"})
    raise_epoch(conn, organisation_id)  # which also keeps two from naming a contact of one kind at once
    if person_id is not None and not active(conn, organisation_id, [person_id], hold=True):
        raise Invalid({"contact": "must be an active person of this organisation"})
    conn.execute(sa.delete(t.contact).where(t.contact.c.organisation_id == organisation_id, t.contact.c.kind == kind))
    if person_id is not None:
        conn.execute(sa.insert(t.contact).values(organisation_id=organisation_id, kind=kind, person_id=person_id))


def clear_person(conn: Connection, organisation_id: str, person_id: str) -> None:
    """Takes somebody out of every contact that they were."""
    conn.execute(
        sa.delete(t.contact).where(t.contact.c.organisation_id == organisation_id, t.contact.c.person_id == person_id)
    )
