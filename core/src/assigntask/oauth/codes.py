"""Authorization codes (RFC 6749, section 4.1): made when a person agrees, and taken once."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask.db.ids import new_id
from assigntask.oauth.authorizations import Authorization, get
from assigntask.oauth.clients import Client
from assigntask.oauth.secrets import digest, new_secret


@dataclass(frozen=True, slots=True)
class Code:
    """`redirect_uri_given`: whether the authorization request named it, so that the token request has to as well."""

    digest: str
    authorization: Authorization
    redirect_uri: str
    redirect_uri_given: bool
    code_challenge: str
    expires_at: datetime
    used: bool


def issue(
    conn: Connection,
    *,
    client: Client,
    organisation_id: str,
    person_id: str,
    scopes: Collection[str],
    redirect_uri: str,
    redirect_uri_given: bool,
    code_challenge: str,
    notice_digest: str,
    dpop_thumbprint: str | None,
    now: datetime,
    lifetime: timedelta,
) -> str:
    """The code, for the redirect, inside the unit that records the person's consent.

    Makes their authorization, and no more: what they did not agree to on the page, the app may not do in their name
    with a token of its own either. `code_challenge` is of S256; `notice_digest` is of the words they agreed to;
    `dpop_thumbprint`: the key that the code is bound to.
    """
    authorization_id = new_id()
    conn.execute(
        sa.insert(t.oauth_authorization).values(
            id=authorization_id,
            organisation_id=organisation_id,
            installation_id=client.installation_id,
            client_id=client.name,
            person_id=person_id,
            scopes=sorted(scopes),
            notice_digest=notice_digest,
            dpop_thumbprint=dpop_thumbprint,
            created_at=now,
        )
    )
    code = new_secret("ac_")
    conn.execute(
        sa.insert(t.oauth_code).values(
            digest=digest(code),
            organisation_id=organisation_id,
            authorization_id=authorization_id,
            redirect_uri=redirect_uri,
            redirect_uri_given=redirect_uri_given,
            code_challenge=code_challenge,
            expires_at=now + lifetime,
        )
    )
    return code


def find(conn: Connection, code: str) -> Code | None:
    """Whose it is, the digest of its 256 random bits says."""
    row = conn.execute(sa.select(t.oauth_code).where(t.oauth_code.c.digest == digest(code))).one_or_none()
    if row is None:
        return None
    return Code(
        digest=row.digest,
        authorization=get(conn, row.organisation_id, row.authorization_id),
        redirect_uri=row.redirect_uri,
        redirect_uri_given=row.redirect_uri_given,
        code_challenge=row.code_challenge,
        expires_at=row.expires_at,
        used=row.used_at is not None,
    )


def take(conn: Connection, code: Code, now: datetime) -> bool:
    """Uses it up. Of several units that try at once, one gets True."""
    taken = conn.execute(
        sa.update(t.oauth_code)
        .where(
            t.oauth_code.c.organisation_id == code.authorization.organisation_id,
            t.oauth_code.c.digest == code.digest,
            t.oauth_code.c.used_at.is_(None),
        )
        .values(used_at=now)
    )
    return taken.rowcount == 1
