"""Ending tokens on their client's word (RFC 7009), and what is found when one asks about a token (RFC 7662)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask.oauth import authorizations, codes, refreshing
from assigntask.oauth.clients import Client
from assigntask.oauth.secrets import digest
from assigntask.oauth.tokens import issued
from assigntask.people import organisations


@dataclass(frozen=True, slots=True)
class Renewable:
    """What a client may hear about its refresh token. Moments are aware, in UTC."""

    client_name: str
    scopes: frozenset[str]
    issued_at: datetime
    expires_at: datetime


def revoke(conn: Connection, client: Client, text: str, now: datetime) -> None:
    """Ends an access token alone; with a refresh token all that the person gave. Another client's token stays.

    Every token is looked for by its digest, so a hint of its type is not needed.
    """
    access = issued(conn, digest(text))
    if access is not None:
        if _is_own(client, access.installation_id, access.client_id) and access.revoked_at is None:
            organisations.raise_epoch(conn, access.organisation_id)
            conn.execute(
                sa.update(t.oauth_access_token)
                .where(
                    t.oauth_access_token.c.organisation_id == access.organisation_id,
                    t.oauth_access_token.c.digest == access.digest,
                )
                .values(revoked_at=now)
            )
        return
    refresh = refreshing.find(conn, text)
    if refresh is None:
        return
    given = refresh.authorization
    if _is_own(client, given.installation_id, given.client_name) and not given.revoked:
        authorizations.revoke(conn, given.organisation_id, given.id, "revoked by the app", now)


def renewable(conn: Connection, client: Client, text: str, now: datetime) -> Renewable | None:
    """What a refresh token of this client's installation still gives; None for anything else."""
    found = refreshing.find(conn, text)
    if found is None or found.authorization.installation_id != client.installation_id:
        return None
    given = found.authorization
    if found.used or found.expires_at <= now or not authorizations.stands(conn, given, client):
        return None
    return Renewable(given.client_name, given.scopes & client.scopes, found.issued_at, found.expires_at)


def issued_at(conn: Connection, text: str) -> datetime | None:
    row = issued(conn, digest(text))
    return None if row is None else row.issued_at


def installation_of(conn: Connection, parameters: Mapping[str, str]) -> str | None:
    """Whose code or token is in a request: where a client names itself by its metadata URL, that says which it is."""
    row: sa.Row[Any] | None
    if "code" in parameters and (code := codes.find(conn, parameters["code"])) is not None:
        return code.authorization.installation_id
    for name in ("refresh_token", "token"):
        if name in parameters and (token := refreshing.find(conn, parameters[name])) is not None:
            return token.authorization.installation_id
    if "token" in parameters and (row := issued(conn, digest(parameters["token"]))) is not None:
        return str(row.installation_id)
    return None


def _is_own(client: Client, installation_id: str, client_name: str) -> bool:
    return (client.installation_id, client.name) == (installation_id, client_name)
