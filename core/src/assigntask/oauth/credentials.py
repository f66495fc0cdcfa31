"""An installation's credentials: its client's secret, and the keys under which host and app sign to each other."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask.db.database import Database
from assigntask.errors import HostError
from assigntask.installations import authority, installations
from assigntask.installations.handing import queue_credentials
from assigntask.installations.installations import Installation
from assigntask.installations.occasion import Occasion
from assigntask.ledger.keys import KeyRing
from assigntask.ledger.ledger import Ledger
from assigntask.oauth import clients
from assigntask.oauth.clients import Client
from assigntask.oauth.secrets import digest, new_secret
from assigntask.people import organisations
from assigntask.people.facts import Doer
from assigntask.settings import Settings

KEPT_SECRETS = 4
"""How many older secrets of one client may still open, however often a new one is made: the last ones, and the oldest,
which is what an app goes on with that could not be given any of those after it.
"""


class Signing(Protocol):
    """What of a client says how calls to its app are signed, also after it was revoked. `Client` has it."""

    @property
    def id(self) -> str: ...
    @property
    def generation(self) -> int: ...
    @property
    def previous_until(self) -> datetime | None: ...


@dataclass(frozen=True, slots=True)
class Issued:
    """Shown or sent once. `previous_until`: how long the credentials before still hold; None: there were none."""

    client_id: str
    client_secret: str = field(repr=False)
    previous_until: datetime | None


@dataclass(frozen=True, slots=True)
class Shown:
    """What an admin may see at any time. `opens_until`: of each secret that holds; None: until it is replaced."""

    client_id: str
    auth_method: str
    generation: int
    created_at: datetime
    rotated_at: datetime | None
    previous_until: datetime | None
    delivered_at: datetime | None
    opens_until: tuple[datetime | None, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "client_id": self.client_id,
            "auth_method": self.auth_method,
            "generation": self.generation,
            "created_at": self.created_at.isoformat(),
            "rotated_at": _text(self.rotated_at),
            "previous_until": _text(self.previous_until),
            "delivered_at": _text(self.delivered_at),
            "secrets": [{"opens_until": _text(until)} for until in self.opens_until],
        }


class Credentials:
    def __init__(
        self, db: Database, ledger: Ledger, keys: KeyRing, clock: Callable[[], datetime], settings: Settings
    ) -> None:
        self._db = db
        self._ledger = ledger
        self._keys = keys
        self._clock = clock
        self._settings = settings

    async def client(self, installation: Installation) -> Client:
        """Made where it is missing: an installation may be older than this host's authorization server.

        Raises HostError `client_revoked` for an installation that is neither active nor disabled.
        """
        found = await self._db.read(clients.of_installation, installation.organisation_id, installation.id)
        return found if found is not None else await self._db.write(_ensured, installation, self._clock())

    async def issue(self, installation: Installation) -> Issued:
        """A new client secret beside the older ones, which open for the overlap of the settings.

        Signing secrets stay as they are. Raises HostError `client_revoked`.
        """
        return await self._db.write(self._issue, installation, new_secret("cs_"), self._clock())

    async def rotate(self, doer: Doer, app_id: str, *, at_once: bool = False) -> Issued:
        """A new client secret and a new signing secret; both of the ones before hold for the overlap.

        `at_once`, for a secret that leaked: they end now, and with them all access tokens of the app. For admins,
        recorded. Raises NotAllowed, HostError `not_installed`, `client_revoked`.
        """
        overlap = timedelta(0) if at_once else self._settings.lifetimes.overlap
        return await self._db.write(self._rotate, doer, app_id, new_secret("cs_"), self._clock(), overlap)

    async def show(self, doer: Doer, app_id: str) -> Shown:
        """No secret: they were shown or sent when they were made. Raises what `rotate` does."""
        return await self._db.read(_shown, doer, app_id, self._clock())

    async def delivered(self, installation: Installation, generation: int) -> None:
        """Notes that the app's install endpoint took credentials of this generation; an older one means nothing."""
        await self._db.write(_delivered, installation, generation, self._clock())

    def signing_secrets(self, client: Signing) -> tuple[bytes, ...]:
        """32 bytes each, the one to sign with first. Nothing of them is stored.

        Of the current generation, and of the one before while `previous_until` is ahead; each under the current
        credentials key and under retired ones.
        """
        generations = [client.generation]
        if client.previous_until is not None and client.previous_until > self._clock() and client.generation > 1:
            generations.append(client.generation - 1)
        keys = self._keys.derived("app signing")
        return tuple(
            hmac.digest(key, f"{client.id}\n{generation}".encode(), "sha256")
            for generation in generations
            for key in keys
        )

    def host_key(self) -> Ed25519PrivateKey:
        """Signs what the host sends to an app that has no secret yet. Published in the key set."""
        return self.host_keys()[0]

    def host_keys(self) -> tuple[Ed25519PrivateKey, ...]:
        """The current one, then those of retired credentials keys."""
        return host_keys(self._keys)

    def _issue(self, conn: Connection, installation: Installation, secret: str, now: datetime) -> Issued:
        organisations.raise_epoch(conn, installation.organisation_id)
        return _replaced(conn, _ensured(conn, installation, now), secret, now, self._settings.lifetimes.overlap)

    def _rotate(
        self, conn: Connection, doer: Doer, app_id: str, secret: str, now: datetime, overlap: timedelta
    ) -> Issued:
        occasion = Occasion.begin(conn, self._ledger, doer, now)
        authority.admin(conn, doer, "rotate an app's credentials")
        installation = installations.require(conn, doer.organisation_id, app_id)
        client = _ensured(conn, installation, now)
        table = t.oauth_client
        replaced = {"rotated_at": now, "previous_until": now + overlap, "delivered_at": None}
        conn.execute(
            sa.update(table)
            .where(table.c.organisation_id == client.organisation_id, table.c.id == client.id)
            .values(generation=table.c.generation + 1, **replaced)
        )
        issued = _replaced(conn, client, secret, now, overlap)
        if not overlap:
            _end_access(conn, installation)
        facts: dict[str, str | int] = {"client": client.id, "generation": client.generation + 1}
        if not overlap:
            facts["older"] = "ended at once"
        occasion.recorded("rotate", installation, facts)
        occasion.told("rotated", installation)
        queue_credentials(occasion, installation)
        return issued


def _replaced(conn: Connection, client: Client, secret: str, now: datetime, overlap: timedelta) -> Issued:
    until = now + overlap
    table = t.oauth_secret
    own = sa.and_(table.c.organisation_id == client.organisation_id, table.c.client_id == client.id)
    older = conn.scalars(sa.select(table.c.digest).where(own).order_by(table.c.created_at.desc())).all()
    conn.execute(
        sa.delete(table).where(own, sa.or_(table.c.digest.in_(older[KEPT_SECRETS - 1 : -1]), table.c.expires_at <= now))
    )
    conn.execute(
        sa.update(table)
        .where(own, sa.or_(table.c.expires_at.is_(None), table.c.expires_at > until))
        .values(expires_at=until)
    )
    conn.execute(
        sa.insert(table).values(
            digest=digest(secret), organisation_id=client.organisation_id, client_id=client.id, created_at=now
        )
    )
    return Issued(client.id, secret, until if older and overlap else None)


def _end_access(conn: Connection, installation: Installation) -> None:
    """All access tokens of the app. What people allowed stays: a refresh needs the new secret."""
    table = t.oauth_access_token
    conn.execute(
        sa.delete(table).where(
            table.c.organisation_id == installation.organisation_id, table.c.installation_id == installation.id
        )
    )
    organisations.raise_epoch(conn, installation.organisation_id)


def host_keys(keys: KeyRing) -> tuple[Ed25519PrivateKey, ...]:
    """The host's own, to sign with the first of them; the others are of retired credentials keys."""
    return tuple(Ed25519PrivateKey.from_private_bytes(key) for key in keys.derived("host signing"))


def _ensured(conn: Connection, installation: Installation, now: datetime) -> Client:
    found = clients.of_installation(conn, installation.organisation_id, installation.id)
    if found is not None:
        return found
    current = installations.get(conn, installation.organisation_id, installation.id)
    if current.state not in ("active", "disabled"):
        raise HostError(
            "client_revoked",
            f"{current.app_id} is {current.state} here, so it has no credentials. Install or restore it first.",
            app=current.app_id,
            state=current.state,
        )
    clients.create(conn, current.organisation_id, current.id, current.credential, now)
    made = clients.of_installation(conn, current.organisation_id, current.id)
    if made is None:
        raise HostError("client_revoked", f"{current.app_id} was uninstalled meanwhile.", app=current.app_id)
    return made


def _shown(conn: Connection, doer: Doer, app_id: str, now: datetime) -> Shown:
    authority.admin(conn, doer, "see an app's credentials")
    installation = installations.require(conn, doer.organisation_id, app_id)
    client = clients.of_installation(conn, installation.organisation_id, installation.id)
    if client is None:
        raise HostError("client_revoked", f"{app_id} has no credentials here. Rotate them to make some.", app=app_id)
    table = t.oauth_secret
    until = conn.scalars(
        sa.select(table.c.expires_at)
        .where(
            table.c.organisation_id == client.organisation_id,
            table.c.client_id == client.id,
            sa.or_(table.c.expires_at.is_(None), table.c.expires_at > now),
        )
        .order_by(table.c.expires_at.is_not(None), table.c.created_at.desc())
    )
    return Shown(
        client_id=client.id,
        auth_method=client.auth_method,
        generation=client.generation,
        created_at=client.created_at,
        rotated_at=client.rotated_at,
        previous_until=client.previous_until,
        delivered_at=client.delivered_at,
        opens_until=tuple(until),
    )


def _delivered(conn: Connection, installation: Installation, generation: int, now: datetime) -> None:
    conn.execute(
        sa.update(t.oauth_client)
        .where(
            t.oauth_client.c.organisation_id == installation.organisation_id,
            t.oauth_client.c.installation_id == installation.id,
            t.oauth_client.c.generation == generation,
            t.oauth_client.c.revoked_at.is_(None),
        )
        .values(delivered_at=now)
    )


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
