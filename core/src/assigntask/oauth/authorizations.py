"""What one person gave one installation's client: the family of all codes and tokens that came of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask.oauth.clients import Client
from assigntask.oauth.tokens import objected_since
from assigntask.people import organisations


@dataclass(frozen=True, slots=True)
class Authorization:
    """`client_name`: the client as it named itself. `scopes` were granted. `created_at` is aware, in UTC."""

    id: str
    organisation_id: str
    installation_id: str
    client_name: str
    person_id: str
    scopes: frozenset[str]
    dpop_thumbprint: str | None
    created_at: datetime
    revoked: bool


def get(conn: Connection, organisation_id: str, authorization_id: str) -> Authorization:
    row = conn.execute(
        sa.select(t.oauth_authorization).where(
            t.oauth_authorization.c.organisation_id == organisation_id, t.oauth_authorization.c.id == authorization_id
        )
    ).one()
    return Authorization(
        id=row.id,
        organisation_id=row.organisation_id,
        installation_id=row.installation_id,
        client_name=row.client_id,
        person_id=row.person_id,
        scopes=frozenset(row.scopes),
        dpop_thumbprint=row.dpop_thumbprint,
        created_at=row.created_at,
        revoked=row.revoked_at is not None,
    )


def of_person(conn: Connection, organisation_id: str, installation_id: str, person_id: str) -> list[Authorization]:
    """Those that stand, oldest first."""
    table = t.oauth_authorization
    ids = conn.scalars(
        sa.select(table.c.id)
        .where(
            table.c.organisation_id == organisation_id,
            table.c.installation_id == installation_id,
            table.c.person_id == person_id,
            table.c.revoked_at.is_(None),
        )
        .order_by(table.c.created_at, table.c.id)
    ).all()
    return [get(conn, organisation_id, authorization_id) for authorization_id in ids]


def revoke(conn: Connection, organisation_id: str, authorization_id: str, why: str, now: datetime) -> None:
    """Ends it with all its codes and tokens, in every process from the next request. Twice is allowed."""
    organisations.raise_epoch(conn, organisation_id)
    conn.execute(
        sa.update(t.oauth_authorization)
        .where(
            t.oauth_authorization.c.organisation_id == organisation_id,
            t.oauth_authorization.c.id == authorization_id,
            t.oauth_authorization.c.revoked_at.is_(None),
        )
        .values(revoked_at=now, revoked_why=why)
    )


def bind(conn: Connection, authorization: Authorization, thumbprint: str) -> None:
    """To a key: from here on its refresh tokens are used with proofs of that key only (RFC 9449, section 5)."""
    conn.execute(
        sa.update(t.oauth_authorization)
        .where(
            t.oauth_authorization.c.organisation_id == authorization.organisation_id,
            t.oauth_authorization.c.id == authorization.id,
        )
        .values(dpop_thumbprint=thumbprint)
    )


def stands(conn: Connection, authorization: Authorization, client: Client) -> bool:
    """Whether it still gives anything: nobody ended it, and its person is active and not withheld from the app."""
    if authorization.revoked or client.only_person_id not in (None, authorization.person_id):
        return False
    state = conn.scalar(
        sa.select(t.person.c.state).where(
            t.person.c.organisation_id == authorization.organisation_id, t.person.c.id == authorization.person_id
        )
    )
    if state != "active" or _restricted(conn, authorization):
        return False
    if _objecting(conn, authorization, client.app_id):
        return False
    since = authorization.created_at
    return not objected_since(conn, authorization.organisation_id, client.app_id, authorization.person_id, since)


def _restricted(conn: Connection, authorization: Authorization) -> bool:
    table = t.restriction
    return _any(
        conn,
        sa.select(table.c.id).where(
            table.c.organisation_id == authorization.organisation_id,
            table.c.person_id == authorization.person_id,
            table.c.lifted_at.is_(None),
        ),
    )


def _objecting(conn: Connection, authorization: Authorization, app_id: str) -> bool:
    table = t.objection
    return _any(
        conn,
        sa.select(table.c.id).where(
            table.c.organisation_id == authorization.organisation_id,
            table.c.app_id == app_id,
            table.c.person_id == authorization.person_id,
            table.c.withdrawn_at.is_(None),
        ),
    )


def _any(conn: Connection, query: sa.Select[Any]) -> bool:
    return conn.execute(query.limit(1)).first() is not None
