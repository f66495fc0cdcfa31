"""Clients: one of each installation. What one may do follows from its installation's state and grant of the moment."""

from __future__ import annotations

import secrets
from base64 import b32encode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from assigntask.db import tables as t

AuthMethod = Literal["client_secret_basic", "client_secret_post", "private_key_jwt", "none"]
METHODS: tuple[AuthMethod, ...] = ("client_secret_basic", "client_secret_post", "private_key_jwt", "none")
SECRET_METHODS = frozenset({"client_secret_basic", "client_secret_post"})

_ID_CHARACTERS = 26


@dataclass(frozen=True, slots=True)
class Client:
    """`id` is its row's; `name` is how it named itself, which may be its metadata URL. Moments are aware, in UTC.

    What follows from the accepted manifest's `[oauth]` table, or from the metadata document that it names:
    `redirect_uris`, `jwks_uri`, `auth_method`, `metadata_url`.
    """

    id: str
    name: str
    organisation_id: str
    installation_id: str
    app_id: str
    credential: str  # of the installation, when the client was made
    state: str  # of the installation
    scopes: frozenset[str]  # granted to the installation
    only_person_id: str | None  # who installed the app for themselves alone
    redirect_uris: tuple[str, ...]
    jwks_uri: str | None
    auth_method: AuthMethod
    metadata_url: str | None
    generation: int  # of the secret that signs calls to the app
    rotated_at: datetime | None
    previous_until: datetime | None  # how long the generation before still signs
    delivered_at: datetime | None
    created_at: datetime

    @property
    def is_public(self) -> bool:
        return self.auth_method == "none"

    @property
    def is_active(self) -> bool:
        return self.state == "active"


def new_client_id() -> str:
    """`c_` and 26 characters of base32: 128 random bits."""
    return "c_" + b32encode(secrets.token_bytes(17)).decode().lower()[:_ID_CHARACTERS]


def create(conn: Connection, organisation_id: str, installation_id: str, credential: str, now: datetime) -> str:
    """The id of the new client, inside the unit that installs or restores."""
    client_id = new_client_id()
    conn.execute(
        sa.insert(t.oauth_client).values(
            id=client_id,
            organisation_id=organisation_id,
            installation_id=installation_id,
            credential=credential,
            created_at=now,
        )
    )
    return client_id


def revoke(conn: Connection, organisation_id: str, installation_id: str, now: datetime) -> None:
    """Ends the client, its secrets and what people gave it, inside the unit that uninstalls and raises the epoch."""
    standing = sa.select(t.oauth_client.c.id).where(
        t.oauth_client.c.organisation_id == organisation_id, t.oauth_client.c.installation_id == installation_id
    )
    conn.execute(
        sa.delete(t.oauth_secret).where(
            t.oauth_secret.c.organisation_id == organisation_id, t.oauth_secret.c.client_id.in_(standing)
        )
    )
    conn.execute(
        sa.update(t.oauth_client)
        .where(
            t.oauth_client.c.organisation_id == organisation_id,
            t.oauth_client.c.installation_id == installation_id,
            t.oauth_client.c.revoked_at.is_(None),
        )
        .values(revoked_at=now)
    )
    conn.execute(
        sa.update(t.oauth_authorization)
        .where(
            t.oauth_authorization.c.organisation_id == organisation_id,
            t.oauth_authorization.c.installation_id == installation_id,
            t.oauth_authorization.c.revoked_at.is_(None),
        )
        .values(revoked_at=now, revoked_why="uninstalled")
    )


def by_id(conn: Connection, client_id: str) -> Client | None:
    """The client of this id, whatever its installation's state; None for one that was revoked.

    A client's id is unique on the whole host, and says which organisation it belongs to.
    """
    row = conn.execute(_CLIENT.where(t.oauth_client.c.id == client_id)).mappings().first()
    return None if row is None else _client(row)


def of_installation(
    conn: Connection, organisation_id: str, installation_id: str, *, goodbye: bool = False
) -> Client | None:
    """`goodbye`: also after the uninstall that revoked it, to sign what the app is told last."""
    query = (_EVER if goodbye else _CLIENT).where(
        t.oauth_client.c.organisation_id == organisation_id, t.oauth_client.c.installation_id == installation_id
    )
    row = conn.execute(query).mappings().first()
    return None if row is None else _client(row)


def by_metadata_url(conn: Connection, url: str, organisation_id: str | None = None) -> list[Client]:
    """Clients of active installations whose accepted manifest names this URL, named by it: one in each organisation.

    None for the organisation: on the whole host, for a request that does not say yet whose it is.
    """
    query = _CLIENT.where(
        t.installation.c.state == "active", t.app_version.c.manifest["oauth"]["client_metadata"].as_string() == url
    )
    if organisation_id is not None:
        query = query.where(t.oauth_client.c.organisation_id == organisation_id)
    rows = conn.execute(query.order_by(t.oauth_client.c.id)).mappings()
    return [replace(_client(row), name=url) for row in rows]


_EVER: sa.Select[Any] = (
    sa.select(
        *(t.oauth_client.c[name] for name in ("id", "organisation_id", "installation_id", "credential", "generation")),
        *(t.oauth_client.c[name] for name in ("rotated_at", "previous_until", "delivered_at", "created_at")),
        *(t.installation.c[name] for name in ("app_id", "state", "scopes", "only_person_id")),
        t.app_version.c.manifest["oauth"].label("oauth"),
    )
    .join(
        t.installation,
        sa.and_(
            t.installation.c.organisation_id == t.oauth_client.c.organisation_id,
            t.installation.c.id == t.oauth_client.c.installation_id,
        ),
    )
    .join(
        t.app_version,
        sa.and_(t.app_version.c.app_id == t.installation.c.app_id, t.app_version.c.version == t.installation.c.version),
    )
    # A restored installation has another credential, and another client.
    .where(t.installation.c.credential == t.oauth_client.c.credential)
)
_CLIENT = _EVER.where(t.oauth_client.c.revoked_at.is_(None))


def _client(row: RowMapping) -> Client:
    said: Mapping[str, Any] = row["oauth"] or {}
    known: dict[str, Any] = {name: row[name] for name in Client.__dataclass_fields__ if name in row}
    known["scopes"] = frozenset(row["scopes"])
    return Client(
        **known,
        name=row["id"],
        redirect_uris=tuple(said.get("redirect_uris") or ()),
        jwks_uri=said.get("jwks_uri"),
        auth_method=said.get("auth_method") or "client_secret_basic",
        metadata_url=said.get("client_metadata"),
    )
