"""What notices say about people: what is new about them, or the id by which the app knew who is to be erased."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy.engine import Connection

from assigntask.events.deliveries import Delivery
from assigntask.gate.gate import Slot
from assigntask.grants.grant import Grant
from assigntask.people import people
from assigntask_sdk.records import Person

from .listeners import Listener
from .telling import NothingToTell, Telling, changed_of, opened_of, same

CHANGES: Mapping[str, str] = {"person.joined": "joined", "person.left": "left"}
"""By the event's kind; whatever else happens to somebody is "changed"."""


def person_changed(conn: Connection, delivery: Delivery, listener: Listener, grant: Grant) -> Telling:
    """Nothing at all about somebody who is withheld: the marker for them would say that somebody was changed."""
    event = delivery.event
    person = people.load(conn, delivery.organisation_id, [event.record_id]).get(event.record_id)
    if person is None or person.state == "forgotten":
        raise NothingToTell("record_gone")
    if grant.withholds(person.id):
        raise NothingToTell("not_shared")
    changed = changed_of(delivery, opened_of("person", listener, grant))
    plain = {**same(delivery), "change": CHANGES.get(event.kind, "changed"), "changed": changed}
    return Telling({"person": Slot(person)}, plain, needed="person")


def person_gone(conn: Connection, delivery: Delivery, listener: Listener, grant: Grant) -> Telling:
    """The id by which the app knew them, and nothing else. A restored app knew them under another credential."""
    facts = delivery.event.facts
    credential = facts.get("credential")
    if credential is not None:
        grant = replace(grant, credential=str(credential), ids={}, opened={})
    known_as = grant.pairwise_of_generation(str(facts["person_id"]), int(facts["generation"]))
    person = Person({"id": known_as, "version": 0, "withheld": False})
    return Telling({}, {**same(delivery), "person": person})
