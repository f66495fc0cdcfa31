"""Loads grants. What is cached is content, never validity: it holds for one epoch of its organisation."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask.db.database import Database
from assigntask.errors import HostError
from assigntask.grants.grant import Actor, Grant, assurance
from assigntask.grants.rules import opened
from assigntask.people.rights import rights_of
from assigntask_sdk.errors import NotFound

CACHED_GRANTS = 10_000


@dataclass(frozen=True, slots=True)
class Subscription:
    """One active installation that listens to a hook, and the details it gets there."""

    installation_id: str
    app_id: str
    ordinal: int
    details: frozenset[str]


@dataclass(slots=True)
class _Organisation:
    """`seen` is the version of the data at which `epoch` was read last."""

    epoch: int
    seen: int
    subscriptions: dict[str, Sequence[Subscription]]


class Grants:
    def __init__(self, db: Database, pairwise_key: bytes) -> None:
        self._db = db
        self._key = pairwise_key
        self._organisations: dict[str, _Organisation] = {}
        self._grants: OrderedDict[tuple[str, str, Actor], tuple[int, Grant]] = OrderedDict()
        self._persons: OrderedDict[tuple[str, str], tuple[int, Mapping[str, str]]] = OrderedDict()

    async def current(
        self, organisation_id: str, installation_id: str, actor: Actor, *, any_state: bool = False
    ) -> Grant:
        """The grant of this moment, whatever other processes did a moment ago.

        Raises HostError `installation_unknown`; `installation_inactive` unless `any_state`, which only
        goodbyes may use.
        """
        epoch = await self.epoch(organisation_id)
        cached = self._grants.get((organisation_id, installation_id, actor))
        if cached is not None and cached[0] == epoch:
            grant = cached[1]
        else:
            grant = await self._db.read(load, organisation_id, installation_id, actor, self._key, epoch)
            self._grants[(organisation_id, installation_id, actor)] = (epoch, grant)
            while len(self._grants) > CACHED_GRANTS:
                self._grants.popitem(last=False)
        if grant.state != "active" and not any_state:
            raise HostError(
                "installation_inactive",
                f"{grant.app_id} is {grant.state} in this organisation: nothing reaches it until an admin enables it.",
                app=grant.app_id,
                state=grant.state,
            )
        return grant

    async def person_of(self, grant: Grant, pairwise: str) -> str:
        """The person behind an id that this installation was given. Raises NotFound, for a withheld one too."""
        at = (grant.organisation_id, grant.installation_id)
        cached = self._persons.get(at)
        if cached is None or cached[0] != grant.epoch:  # not today's epoch: the ids are those of this grant
            everyone = await self._db.read(_everyone, grant.organisation_id)
            cached = (grant.epoch, {grant.pairwise(person_id): person_id for person_id in everyone})
            self._persons[at] = cached
            while len(self._persons) > 100:
                self._persons.popitem(last=False)
        person_id = cached[1].get(pairwise)
        if person_id is None or grant.withholds(person_id):
            raise NotFound("There is no such person, or this app may not know of them.", person=pairwise)
        return person_id

    async def subscriptions(self, organisation_id: str, hook: str) -> Sequence[Subscription]:
        """Who listens to a hook, in install order."""
        await self.epoch(organisation_id)
        known = self._organisations[organisation_id]
        found = known.subscriptions.get(hook)
        if found is None:
            found = known.subscriptions[hook] = await self._db.read(_subscriptions, organisation_id, hook)
        return found

    async def epoch(self, organisation_id: str) -> int:
        """As of this moment; it rises with each change of anybody's rights. Raises HostError `organisation_unknown`."""
        version = self._db.data_version()
        known = self._organisations.get(organisation_id)
        if known is not None and known.seen == version:
            return known.epoch
        if self._db.dialect == "sqlite":
            epoch = self._db.read_inline(_epoch, organisation_id)
        else:  # over a socket: the event loop must not wait for it
            epoch = await self._db.read(_epoch, organisation_id)
            known = self._organisations.get(organisation_id)
        if known is None or known.epoch != epoch:
            known = self._organisations[organisation_id] = _Organisation(epoch, version, {})
        known.seen = version
        return epoch


# Read after every commit, so it is put together once.
_EPOCH = sa.select(t.organisation.c.epoch).where(t.organisation.c.id == sa.bindparam("organisation"))


def _epoch(conn: Connection, organisation_id: str) -> int:
    epoch = conn.execute(_EPOCH, {"organisation": organisation_id}).scalar()
    if epoch is None:
        raise HostError("organisation_unknown", "There is no such organisation.")
    return int(epoch)


def load(conn: Connection, organisation_id: str, installation_id: str, actor: Actor, key: bytes, epoch: int) -> Grant:
    row = conn.execute(
        sa.select(t.installation, t.app.c.vendor_name, t.app.c.remote)
        .join(t.app, t.app.c.id == t.installation.c.app_id)
        .where(t.installation.c.organisation_id == organisation_id, t.installation.c.id == installation_id)
    ).first()
    if row is None:
        raise HostError("installation_unknown", "There is no such installation in this organisation.")
    rights, subject_id = _rights(conn, organisation_id, row.only_person_id, actor)
    scopes = frozenset(row.scopes)
    usable = scopes if rights is None else scopes & rights
    return Grant(
        organisation_id=organisation_id,
        installation_id=installation_id,
        app_id=row.app_id,
        vendor=row.vendor_name,
        state=row.state,
        epoch=epoch,
        version=row.grant_version,
        assurance=assurance(remote=row.remote),
        actor=actor,
        actor_subject_id=subject_id,
        scopes=usable,
        details=opened(usable, rights),
        withheld=_withheld(conn, organisation_id, row.app_id, row.only_person_id),
        projects=None if row.all_projects else _projects(conn, organisation_id, installation_id),
        generations=_generations(conn, organisation_id, row.app_id),
        credential=row.credential,
        key=key,
        only_person_id=row.only_person_id,
    )


def _rights(
    conn: Connection, organisation_id: str, only_person_id: str | None, actor: Actor
) -> tuple[frozenset[str] | None, str | None]:
    """Scopes that the actor's rights include (None: all), and the actor's subject id."""
    person_id = actor.person_id or only_person_id
    if person_id is None:
        return None, None
    rights, subject_id = actor_rights(conn, organisation_id, person_id)
    if only_person_id is not None and person_id != only_person_id:
        return frozenset(), subject_id
    return rights, subject_id


def actor_rights(conn: Connection, organisation_id: str, person_id: str) -> tuple[frozenset[str], str | None]:
    """The scopes that a person's rights include at this moment, and their subject id."""
    person = conn.execute(
        sa.select(t.person.c.role, t.person.c.state, t.person.c.subject_id).where(
            t.person.c.organisation_id == organisation_id, t.person.c.id == person_id
        )
    ).first()
    if person is None or person.state != "active":
        return frozenset(), None
    return rights_of(person.role), person.subject_id


def _withheld(conn: Connection, organisation_id: str, app_id: str, only_person_id: str | None) -> frozenset[str]:
    if only_person_id is not None:  # nobody else agreed to anything
        others = conn.execute(
            sa.select(t.person.c.id).where(
                t.person.c.organisation_id == organisation_id, t.person.c.id != only_person_id
            )
        )
        everybody_else = frozenset(person_id for (person_id,) in others)
    else:
        everybody_else = frozenset()
    objecting = sa.select(t.objection.c.person_id).where(
        t.objection.c.organisation_id == organisation_id,
        t.objection.c.app_id == app_id,
        t.objection.c.withdrawn_at.is_(None),
    )
    restricted = sa.select(t.restriction.c.person_id).where(
        t.restriction.c.organisation_id == organisation_id, t.restriction.c.lifted_at.is_(None)
    )
    forgotten = sa.select(t.person.c.id).where(
        t.person.c.organisation_id == organisation_id, t.person.c.state == "forgotten"
    )
    found = conn.execute(sa.union(objecting, restricted, forgotten))
    return everybody_else | {person_id for (person_id,) in found}


def _projects(conn: Connection, organisation_id: str, installation_id: str) -> frozenset[str]:
    found = conn.execute(
        sa.select(t.installation_project.c.project_id).where(
            t.installation_project.c.organisation_id == organisation_id,
            t.installation_project.c.installation_id == installation_id,
        )
    )
    return frozenset(project_id for (project_id,) in found)


def _generations(conn: Connection, organisation_id: str, app_id: str) -> Mapping[str, int]:
    found = conn.execute(
        sa.select(t.pairwise_generation.c.person_id, t.pairwise_generation.c.generation).where(
            t.pairwise_generation.c.organisation_id == organisation_id, t.pairwise_generation.c.app_id == app_id
        )
    )
    return {row[0]: row[1] for row in found}


def _everyone(conn: Connection, organisation_id: str) -> Sequence[str]:
    found: Any = conn.execute(sa.select(t.person.c.id).where(t.person.c.organisation_id == organisation_id)).scalars()
    return list(found)


def _subscriptions(conn: Connection, organisation_id: str, hook: str) -> Sequence[Subscription]:
    query = (
        sa.select(t.subscription, t.installation.c.app_id)
        .join(t.installation, t.installation.c.id == t.subscription.c.installation_id)
        .where(
            t.subscription.c.organisation_id == organisation_id,
            t.subscription.c.hook == hook,
            t.installation.c.organisation_id == organisation_id,
            t.installation.c.state == "active",
        )
        .order_by(t.subscription.c.ordinal)
    )
    return tuple(
        Subscription(row.installation_id, row.app_id, row.ordinal, frozenset(row.details))
        for row in conn.execute(query)
    )
