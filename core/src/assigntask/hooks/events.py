"""An installation's line of notices, as its app reads it: each said as it would be told at this moment."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy.engine import Connection

from assigntask.db.database import Database
from assigntask.events import deliveries
from assigntask.events.deliveries import Delivery
from assigntask.gate.gate import Gate, Slot
from assigntask.grants.grant import Grant
from assigntask.grants.grants import Grants
from assigntask.ledger.channel import Channel
from assigntask_sdk.events import Event, EventPage
from assigntask_sdk.hooks import Hooks

from .listeners import Listener, Listeners
from .noticing import telling
from .telling import NothingToTell, Telling


@dataclass(frozen=True, slots=True)
class _Told:
    delivery: Delivery
    listener: Listener
    telling: Telling


class Events:
    """Implements ctx's EventReader."""

    def __init__(self, db: Database, gate: Gate, grants: Grants) -> None:
        self._db = db
        self._gate = gate
        self._listeners = Listeners(db, grants)

    async def page(self, grant: Grant, after: int, limit: int) -> EventPage:
        """One release for all of the page. What may not be told, or is there no more, is left out.

        Raises HostError `installation_unknown`.
        """
        of = (grant.organisation_id, grant.installation_id)
        # One more than asked for tells whether there is more; it is not released.
        found = await self._db.read(deliveries.behind, *of, after, limit + 1)
        line = found[:limit]
        listeners = await self._heard(grant, {delivery.hook for delivery in line})
        told = await self._db.read(_told, line, listeners, grant)
        items = await self._released(grant, told) if told else ()
        return EventPage(items, str(line[-1].position if line else after), len(found) > limit)

    async def _heard(self, grant: Grant, hooks: Collection[str]) -> Mapping[str, Listener]:
        """The hooks that the accepted manifest has, each with what it wants."""
        heard: dict[str, Listener] = {}
        for hook in sorted(hooks & Hooks.all.keys()):
            listener = await self._listeners.one(grant.organisation_id, grant.installation_id, hook)
            if hook in listener.manifest.hooks:
                heard[hook] = listener
        return heard

    async def _released(self, grant: Grant, told: Sequence[_Told]) -> tuple[Event, ...]:
        slots = {
            f"{place}.{name}": replace(slot, needs=_needs(each.listener, slot))
            for place, each in enumerate(told)
            for name, slot in each.telling.slots.items()
        }
        needs = frozenset[str]().union(*(each.listener.details for each in told))
        released = await self._gate.release(grant, needs, slots, channel=Channel.API)
        events = (
            _event(each, {name: released.values[f"{place}.{name}"] for name in each.telling.slots})
            for place, each in enumerate(told)
        )
        return tuple(event for event in events if event is not None)


def _told(
    conn: Connection, line: Sequence[Delivery], listeners: Mapping[str, Listener], grant: Grant
) -> Sequence[_Told]:
    told: list[_Told] = []
    for delivery in line:
        listener = listeners.get(delivery.hook)
        if listener is None:
            continue
        try:
            told.append(_Told(delivery, listener, telling(conn, delivery, listener, grant)))
        except NothingToTell:
            continue
    return told


def _needs(listener: Listener, slot: Slot) -> frozenset[str]:
    """Other notices of the page want other details: each place takes what its own hook wants."""
    return listener.details if slot.needs is None else listener.details & slot.needs


def _event(told: _Told, values: Mapping[str, object]) -> Event | None:
    """None where the gate left nothing of what the notice is about."""
    needed = told.telling.needed
    if needed is not None and not values[needed]:
        return None
    delivery = told.delivery
    ask = Hooks.all[delivery.hook].ask(**values, **told.telling.plain)
    return Event(delivery.id, delivery.hook, delivery.event.at, delivery.position, ask)
