"""Whether an access token may be used now, and what for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask.db.database import Database
from assigntask.errors import HostError
from assigntask.grants.grant import Actor, ActorKind, Grant
from assigntask.grants.grants import Grants
from assigntask.ledger.keys import KeyRing
from assigntask.oauth import call_tokens
from assigntask.oauth.bearer import Bearer, InvalidToken
from assigntask.oauth.call_tokens import CallToken
from assigntask.oauth.secrets import TEXT_LENGTH, digest
from assigntask.people.facts import Doer

CACHED_TOKENS = 20_000


@dataclass(frozen=True, slots=True)
class _Known:
    """What was true at one epoch of the organisation."""

    epoch: int
    bearer: Bearer


class Tokens:
    """Checks tokens that were issued, and tokens of hook calls. Content is kept; validity never outlives an epoch."""

    def __init__(self, db: Database, grants: Grants, keys: KeyRing, clock: Callable[[], datetime]) -> None:
        self._db = db
        self._grants = grants
        self._keys = keys
        self._clock = clock
        self._known: OrderedDict[str, _Known] = OrderedDict()

    async def check(self, token: str) -> Bearer:
        """What the token says at this moment, whatever other processes did a moment ago.

        It is valid while it has not expired, nobody revoked it or what it came of, its installation is active
        (a goodbye's token excepted) and has the credential that it had then, and its person is active, is not
        withheld from this app and has not objected to it since. Raises InvalidToken.
        """
        key = digest(token)
        known = self._known.get(key)
        if known is not None and known.epoch == await self._grants.epoch(known.bearer.organisation_id):
            self._known.move_to_end(key)
        else:
            known = await self._load(token, key)
            self._known[key] = known
            while len(self._known) > CACHED_TOKENS:
                self._known.popitem(last=False)
        if known.bearer.expires_at <= self._clock():
            self._known.pop(key, None)
            raise InvalidToken
        return known.bearer

    async def _load(self, token: str, key: str) -> _Known:
        self._known.pop(key, None)
        if token.startswith(call_tokens.PREFIX):
            call = call_tokens.read(self._keys.derived(call_tokens.KEY_USE), token)
            return await self._of_call(call)
        if not (token.startswith("at_") and len(token) == TEXT_LENGTH and token.isascii()):
            raise InvalidToken
        return await self._of_issued(key)

    async def _of_call(self, call: CallToken) -> _Known:
        epoch, person = await self._db.read(_standing, call.organisation_id, call.person_id)
        actor = _actor(call.actor_kind, call.organisation_id, call.person_id, person)
        grant = await self._grant(call.organisation_id, call.installation_id, actor, any_state=call.goodbye)
        if grant.credential != call.credential:
            raise InvalidToken
        bearer = Bearer(
            call.organisation_id,
            call.installation_id,
            client_id="",
            kind="call",
            actor=actor,
            scopes=None,
            expires_at=call.expires_at,
            dpop_thumbprint=None,
            goodbye=call.goodbye,
            fence=call.fence,
        )
        return _Known(epoch, bearer)

    async def _of_issued(self, key: str) -> _Known:
        row = await self._db.read(issued, key)
        if row is None or row.revoked_at is not None or row.family_revoked_at is not None:
            raise InvalidToken
        kind: ActorKind = "installation" if row.person_id is None else "person"
        actor = _actor(kind, row.organisation_id, row.person_id, row)
        grant = await self._grant(row.organisation_id, row.installation_id, actor)
        if grant.credential != row.credential:
            raise InvalidToken
        if row.person_id is not None:
            await self._check_person(grant, row.person_id, row.authorized_at)
        bearer = Bearer(
            row.organisation_id,
            row.installation_id,
            client_id=row.client_id,
            kind="installation" if row.person_id is None else "person",
            actor=actor,
            scopes=None if row.scopes is None else frozenset(row.scopes),
            expires_at=row.expires_at,
            dpop_thumbprint=row.dpop_thumbprint,
        )
        return _Known(row.epoch, bearer)

    async def _grant(
        self, organisation_id: str, installation_id: str, actor: Actor, *, any_state: bool = False
    ) -> Grant:
        try:
            return await self._grants.current(organisation_id, installation_id, actor, any_state=any_state)
        except HostError as error:
            if error.code in ("installation_unknown", "installation_inactive", "organisation_unknown"):
                raise InvalidToken from None
            raise

    async def _check_person(self, grant: Grant, person_id: str, authorized_at: datetime) -> None:
        if grant.withholds(person_id) or await self._db.read(
            objected_since, grant.organisation_id, grant.app_id, person_id, authorized_at
        ):
            raise InvalidToken


_ISSUED = (
    sa.select(
        t.oauth_access_token,
        t.organisation.c.epoch,
        t.oauth_authorization.c.revoked_at.label("family_revoked_at"),
        t.oauth_authorization.c.created_at.label("authorized_at"),
        t.person.c.role,
        t.person.c.state,
    )
    .join(t.organisation, t.organisation.c.id == t.oauth_access_token.c.organisation_id)
    .outerjoin(
        t.oauth_authorization,
        sa.and_(
            t.oauth_authorization.c.organisation_id == t.oauth_access_token.c.organisation_id,
            t.oauth_authorization.c.id == t.oauth_access_token.c.authorization_id,
        ),
    )
    .outerjoin(
        t.person,
        sa.and_(
            t.person.c.organisation_id == t.oauth_access_token.c.organisation_id,
            t.person.c.id == t.oauth_access_token.c.person_id,
        ),
    )
    .where(t.oauth_access_token.c.digest == sa.bindparam("digest"))
)


def issued(conn: Connection, digest: str) -> sa.Row[Any] | None:
    """The row of an access token, with the epoch, its authorization's revocation, and its person's role and state.

    Whose it is, the digest of its 256 random bits says.
    """
    return conn.execute(_ISSUED, {"digest": digest}).one_or_none()


def objected_since(conn: Connection, organisation_id: str, app_id: str, person_id: str, since: datetime) -> bool:
    """Whether the person objected to the app at that moment or after, also where they withdrew the objection.

    Withdrawing it lets the app be used again; it does not give back what the objection ended.
    """
    found = conn.execute(
        sa.select(t.objection.c.id)
        .where(
            t.objection.c.organisation_id == organisation_id,
            t.objection.c.app_id == app_id,
            t.objection.c.person_id == person_id,
            t.objection.c.made_at >= since,
        )
        .limit(1)
    )
    return found.first() is not None


def _standing(conn: Connection, organisation_id: str, person_id: str | None) -> tuple[int, sa.Row[Any] | None]:
    epoch = conn.execute(sa.select(t.organisation.c.epoch).where(t.organisation.c.id == organisation_id)).scalar()
    if epoch is None:
        raise InvalidToken
    if person_id is None:
        return int(epoch), None
    query: sa.Select[Any] = sa.select(t.person.c.role, t.person.c.state).where(
        t.person.c.organisation_id == organisation_id, t.person.c.id == person_id
    )
    return int(epoch), conn.execute(query).one_or_none()


def _actor(kind: ActorKind, organisation_id: str, person_id: str | None, person: sa.Row[Any] | None) -> Actor:
    if kind == "installation" or person_id is None:
        return Actor.installation()
    if person is None or person.state != "active":
        raise InvalidToken
    doer = Doer(organisation_id, person_id, person.role)
    return Actor.viewer(doer) if kind == "viewer" else Actor.person(doer)
