"""What all parts of one ctx share: which installation calls, on whose behalf, and what it may do at this moment."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.actions.checklists import ChecklistActions
from assigntask.actions.tasks import TaskActions
from assigntask.context.storage import Sealing
from assigntask.db import tables as t
from assigntask.db.database import Database
from assigntask.db.guarded import GuardedDatabase
from assigntask.events.fences import Fence
from assigntask.gate.gate import Gate, Slot
from assigntask.grants.grant import Actor, Grant
from assigntask.grants.grants import Grants
from assigntask.ledger.channel import Channel
from assigntask.people import doers
from assigntask.people.facts import Doer
from assigntask.settings import Limits
from assigntask_sdk.errors import Gone, Refused

Clock = Callable[[], dt.datetime]
Refresh = Callable[[str, str, str], Awaitable[None]]
"""Given organisation, installation and task: what the app shows on the task is out of date."""


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of the host that a ctx leads to."""

    db: Database
    gate: Gate
    grants: Grants
    actions: TaskActions
    sealing: Sealing
    clock: Clock
    refresh: Refresh
    checklists: ChecklistActions
    file_bytes: int = Limits().file_bytes  # of one attached file


def fenced(services: Services, fence: Fence) -> Services:
    """The same, where everything that writes is refused once the fence does not stand. What only reads goes on."""
    db = GuardedDatabase(services.db, fence.check, fence.hold)

    async def refresh(organisation_id: str, installation_id: str, task_id: str) -> None:
        await db.read(fence.check)  # it changes nothing in the database
        await services.refresh(organisation_id, installation_id, task_id)

    actions, checklists = services.actions.on(db), services.checklists.on(db)
    return replace(services, db=db, actions=actions, checklists=checklists, refresh=refresh)


class Access:
    """Loads the grant anew for every call, so that what an admin or a person decides holds at once.

    Made with the grant of an installation that is not active (a goodbye), it leads to the app's own
    storage, problems and log, and to nothing else. `scopes`: what every grant is narrowed to; None: nothing.
    """

    def __init__(self, services: Services, grant: Grant, scopes: frozenset[str] | None = None) -> None:
        self.services = services
        self.organisation_id = grant.organisation_id
        self.installation_id = grant.installation_id
        self.app_id = grant.app_id
        self.scopes = scopes
        self.last = grant if scopes is None else grant.narrowed_to(scopes)
        self._actor = grant.actor
        self._goodbye = grant.state != "active"

    async def grant(self) -> Grant:
        """Raises Gone in a goodbye, HostError `installation_inactive` otherwise."""
        if self._goodbye:
            raise Gone("This installation is not active: its own storage is all that is left to it.")
        self.last = await self._current(any_state=False)
        return self.last

    async def own_grant(self) -> Grant:
        """For what is the app's own: open in a goodbye too."""
        return await self._current(any_state=self._goodbye)

    async def powered(self, scope: str) -> Grant:
        """Raises Refused where the power is missing."""
        grant = await self.grant()
        if not grant.has(scope):
            raise Refused(scope)
        return grant

    async def release(self, grant: Grant, needs: frozenset[str], slots: Mapping[str, Slot]) -> Mapping[str, Any]:
        """The records that the grant opens, by slot; recorded before they are returned."""
        released = await self.services.gate.release(grant, needs, slots, channel=Channel.API)
        return released.values

    def doer(self, grant: Grant) -> Doer:
        """The app, for the person where it acts as one. Whoever merely looks on does nothing themself."""
        actor = grant.actor
        if actor.kind != "person":
            return Doer(self.organisation_id, None, None, installation_id=self.installation_id)
        return Doer(self.organisation_id, actor.person_id, actor.role, installation_id=self.installation_id)

    def as_person(self, pairwise: str) -> Access:
        return PersonAccess(self, pairwise)

    async def _current(self, *, any_state: bool) -> Grant:
        grant = await self.services.grants.current(
            self.organisation_id, self.installation_id, self._actor, any_state=any_state
        )
        return grant if self.scopes is None else grant.narrowed_to(self.scopes)


class PersonAccess(Access):
    """The same with one person's rights too. Who it is, and whether they may still be known, is asked at each call."""

    def __init__(self, base: Access, pairwise: str) -> None:
        super().__init__(base.services, base.last, base.scopes)
        self._base = base
        self._pairwise = pairwise

    async def grant(self) -> Grant:
        """Raises NotFound where there is no such person, they left, or they are withheld from this app."""
        base = await self._base.grant()
        person_id = await self.services.grants.person_of(base, self._pairwise)
        doer = await self.services.db.read(doers.doer, self.organisation_id, person_id)
        theirs = await self.services.grants.current(self.organisation_id, self.installation_id, Actor.person(doer))
        self.last = narrowed(theirs, base)
        return self.last

    async def powered(self, scope: str) -> Grant:
        """Raises Refused where the power is missing, and where the person has no part in this app.

        To look with somebody's rights only narrows; to do something is done in their name.
        """
        grant = await super().powered(scope)
        person_id = grant.actor.person_id
        looking = self._base.last.actor.person_id
        if person_id != looking and not await self.services.db.read(
            enrolled, self.organisation_id, self.installation_id, person_id
        ):
            raise Refused(
                "enrolment",
                "This person does not take part in this app, so it can't act in their name. They do once they have "
                "chosen settings of their own for it.",
            )
        return grant


def enrolled(conn: Connection, organisation_id: str, installation_id: str, person_id: str | None) -> bool:
    return conn.execute(
        sa.select(
            sa.exists().where(
                t.enrolment.c.organisation_id == organisation_id,
                t.enrolment.c.installation_id == installation_id,
                t.enrolment.c.person_id == person_id,
            )
        )
    ).scalar_one()


def narrowed(grant: Grant, by: Grant) -> Grant:
    """What both open: acting as somebody never opens what was closed before."""
    return replace(
        grant,
        scopes=grant.scopes & by.scopes,
        details=grant.details & by.details,
        withheld=grant.withheld | by.withheld,
        opened={},
    )


def opened(grant: Grant, record: str, scope: str) -> None:
    """Raises Refused, naming `scope`, where the grant opens no detail of this kind of record at all."""
    if not any(detail.startswith(f"{record}.") for detail in grant.details):
        raise Refused(scope)
