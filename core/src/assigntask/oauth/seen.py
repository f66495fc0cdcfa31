"""Ids that may be used once only: of client assertions (RFC 7523) and of DPoP proofs (RFC 9449)."""

from __future__ import annotations

import json
from datetime import datetime
from hashlib import sha256
from typing import Literal

from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.engine import Connection

from assigntask.db import tables as t

Kind = Literal["assertion", "dpop"]


def first_use(conn: Connection, kind: Kind, issuer: str, id: str, expires_at: datetime) -> bool:
    """Remembers the id, and says whether nobody had used it: of several who come at once, one is first.

    `issuer` is whose id it is: a client id, or a key's thumbprint. After `expires_at` (aware) the proof itself is
    too old, so that the id may be forgotten.
    """
    digest = sha256(json.dumps([kind, issuer, id]).encode()).hexdigest()
    insert = sqlite_insert if conn.dialect.name == "sqlite" else postgresql_insert
    added = conn.execute(
        insert(t.oauth_seen).on_conflict_do_nothing().returning(t.oauth_seen.c.digest),
        {"digest": digest, "expires_at": expires_at},
    )
    return added.first() is not None
