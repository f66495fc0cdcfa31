"""What is to be told: slots for the gate, and what is said beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import Connection

from assigntask.events.deliveries import Delivery
from assigntask.gate.gate import Slot
from assigntask.grants.grant import Grant
from assigntask.ledger.channel import Channel
from assigntask.people import people
from assigntask.people.facts import PersonFacts

from .listeners import Listener

CHANGER = "viewer.change"


class NothingToTell(Exception):
    """The notice is skipped; the message is a code that says why."""


@dataclass(frozen=True, slots=True)
class Telling:
    """`needed`: the slot without which there is nothing to tell."""

    slots: Mapping[str, Slot]
    plain: Mapping[str, Any]
    needed: str | None = None
    channel: Channel = Channel.NOTICE


def same(delivery: Delivery) -> dict[str, Any]:
    """The delivery's id, not the event's: it is the same each time, and joins nothing across installations."""
    return {"id": delivery.id, "at": delivery.event.at}


def changer(conn: Connection, delivery: Delivery) -> Slot:
    """Who did it, for those who may know."""
    person_id = delivery.event.by_person_id
    found: PersonFacts | None = None
    if person_id is not None:
        found = people.load(conn, delivery.organisation_id, [person_id]).get(person_id)
    return Slot(found, detail=CHANGER)


def opened_of(record: str, listener: Listener, grant: Grant) -> frozenset[str]:
    """The details of this kind of record that the hook wants and the grant opens.

    Without one of them not even the id may be told: that something happened to it, and when, is told by the notice.
    Raises NothingToTell then.
    """
    opened = frozenset(name for name in grant.opens(listener.details) if name.startswith(f"{record}."))
    if not opened:
        raise NothingToTell("not_shared")
    return opened


def changed_of(delivery: Delivery, opened: frozenset[str]) -> list[str]:
    """The fields that changed and are opened. Raises NothingToTell where there are none."""
    event = delivery.event
    changed = [name for name in event.changed if f"{event.record_kind}.{name}" in opened]
    if not changed:
        raise NothingToTell("not_shared")
    return changed
