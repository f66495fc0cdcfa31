"""Clients and their secrets, as they were at one epoch of their organisation."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask.oauth import clients
from assigntask.oauth.clients import Client
from assigntask.oauth.hot import Hot

CACHED_CLIENTS = 10_000


@dataclass(frozen=True, slots=True)
class KnownClient:
    """`secrets`: digest → until when it opens; None: until it is replaced."""

    epoch: int
    client: Client
    secrets: Mapping[str, datetime | None]

    def opens(self, digest: str, now: datetime) -> bool:
        if digest not in self.secrets:
            return False
        until = self.secrets[digest]
        return until is None or now < until


class KnownClients:
    """What is kept is content; each look asks the database whether the epoch is still the same.

    Units of work read from it, in threads of the database; it is filled with what a committed unit read.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[str, KnownClient] = OrderedDict()
        self._guard = threading.Lock()

    def look(self, conn: Connection, client_id: str) -> KnownClient | None:
        known = self._known.get(client_id)
        if known is not None and _epoch(conn, known.client.organisation_id) == known.epoch:
            return known
        return load(conn, client_id)

    def keep(self, known: KnownClient) -> None:
        """Only what was read by a unit that has been committed: what it saw may have been undone otherwise."""
        if self._known.get(known.client.id) is known:
            return
        with self._guard:
            self._known[known.client.id] = known
            self._known.move_to_end(known.client.id)
            while len(self._known) > CACHED_CLIENTS:
                self._known.popitem(last=False)


def load(conn: Connection, client_id: str) -> KnownClient | None:
    """Whose the client is, its id says: it is unique on the whole host."""
    organisation_id = conn.scalar(sa.select(t.oauth_client.c.organisation_id).where(t.oauth_client.c.id == client_id))
    if organisation_id is None:
        return None
    epoch = _epoch(conn, organisation_id)  # before what it vouches for, so that this can only be newer
    client = clients.by_id(conn, client_id)
    if client is None:
        return None
    secrets = conn.execute(
        sa.select(t.oauth_secret.c.digest, t.oauth_secret.c.expires_at).where(
            t.oauth_secret.c.organisation_id == organisation_id, t.oauth_secret.c.client_id == client_id
        )
    )
    return KnownClient(epoch, client, {row.digest: row.expires_at for row in secrets})


_EPOCH = Hot(sa.select(t.organisation.c.epoch).where(t.organisation.c.id == sa.bindparam("id")), ["id"])


def _epoch(conn: Connection, organisation_id: str) -> int:
    return int(_EPOCH.scalar(conn, {"id": organisation_id}))
