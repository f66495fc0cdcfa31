"""Refresh tokens: each is used once and gives the next (RFC 9700, section 4.14.2). Idle, they expire."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask.oauth.authorizations import Authorization, get
from assigntask.oauth.secrets import digest


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """Moments are aware, in UTC."""

    digest: str
    authorization: Authorization
    issued_at: datetime
    expires_at: datetime
    used: bool


def store(conn: Connection, authorization: Authorization, text: str, issued_at: datetime, expires_at: datetime) -> None:
    conn.execute(
        sa.insert(t.oauth_refresh_token).values(
            digest=digest(text),
            organisation_id=authorization.organisation_id,
            authorization_id=authorization.id,
            issued_at=issued_at,
            expires_at=expires_at,
        )
    )


def find(conn: Connection, text: str) -> RefreshToken | None:
    """Whose it is, the digest of its 256 random bits says."""
    row = conn.execute(
        sa.select(t.oauth_refresh_token).where(t.oauth_refresh_token.c.digest == digest(text))
    ).one_or_none()
    if row is None:
        return None
    return RefreshToken(
        digest=row.digest,
        authorization=get(conn, row.organisation_id, row.authorization_id),
        issued_at=row.issued_at,
        expires_at=row.expires_at,
        used=row.used_at is not None,
    )


def take(conn: Connection, token: RefreshToken, now: datetime) -> bool:
    """Uses it up. Of several units that try at once, one gets True."""
    taken = conn.execute(
        sa.update(t.oauth_refresh_token)
        .where(
            t.oauth_refresh_token.c.organisation_id == token.authorization.organisation_id,
            t.oauth_refresh_token.c.digest == token.digest,
            t.oauth_refresh_token.c.used_at.is_(None),
        )
        .values(used_at=now)
    )
    return taken.rowcount == 1
