"""What a notice says: the facts of its record as they are now, and which slots of the gate they go through."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.engine import Connection

from assigntask.events.deliveries import Delivery
from assigntask.gate.gate import Slot
from assigntask.grants.grant import Grant
from assigntask.jobs import rows as jobs
from assigntask.ledger.channel import Channel
from assigntask.people import people
from assigntask.people.facts import PersonFacts
from assigntask.tasks import comments, tasks
from assigntask_sdk.records import Person

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


def telling(conn: Connection, delivery: Delivery, listener: Listener, grant: Grant) -> Telling:
    """Raises NothingToTell where the record is gone, nothing that changed may be told, or there is no such notice."""
    make = _HOOKS.get(delivery.hook)
    if make is None:
        raise NothingToTell("no_such_hook")
    return make(conn, delivery, listener, grant)


def _installed(conn: Connection, delivery: Delivery, listener: Listener, grant: Grant) -> Telling:
    wanted = listener.manifest.contacts
    named = {
        contact: person_id
        for contact, person_id in listener.contacts.items()
        if contact in wanted and not grant.withholds(person_id)
    }
    known = people.load(conn, delivery.organisation_id, named.values())
    own: dict[str, frozenset[str]] = {}
    for contact, details in wanted.items():
        if contact in named:
            own[named[contact]] = own.get(named[contact], frozenset()) | frozenset(details)
    contacts = {contact: known[person_id] for contact, person_id in named.items() if person_id in known}
    slots = {"by": _changer(conn, delivery), "contacts": Slot(contacts, own=own)}
    return Telling(slots, _same(delivery), channel=Channel.INSTALL)


def _upgraded(conn: Connection, delivery: Delivery, listener: Listener, grant: Grant) -> Telling:
    before = str(delivery.event.facts["from_version"])
    return Telling({}, {**_same(delivery), "from_version": before})


def _uninstalling(conn: Connection, delivery: Delivery, listener: Listener, grant: Grant) -> Telling:
    wiped_at = dt.datetime.fromisoformat(str(delivery.event.facts["wiped_at"]))
    return Telling({}, {**_same(delivery), "wiped_at": wiped_at})


def _person_gone(conn: Connection, delivery: Delivery, listener: Listener, grant: Grant) -> Telling:
    """The id by which the app knew them, and nothing else. A restored app knew them under another credential."""
    facts = delivery.event.facts
    credential = facts.get("credential")
    if credential is not None:
        grant = replace(grant, credential=str(credential), ids={}, opened={})
    known_as = grant.pairwise_of_generation(str(facts["person_id"]), int(facts["generation"]))
    person = Person({"id": known_as, "version": 0, "withheld": False})
    return Telling({}, {**_same(delivery), "person": person})


def _task_changed(conn: Connection, delivery: Delivery, listener: Listener, grant: Grant) -> Telling:
    event = delivery.event
    task = tasks.get(conn, delivery.organisation_id, event.record_id)
    if task is None:
        raise NothingToTell("record_gone")
    if not grant.reaches(task.project):
        raise NothingToTell("not_shared")
    opened = grant.opens(listener.details)
    changed = [name for name in event.changed if f"task.{name}" in opened]
    if not changed:
        raise NothingToTell("not_shared")
    slots = {"task": Slot(task), "by": _changer(conn, delivery)}
    return Telling(slots, {**_same(delivery), "changed": changed}, needed="task")


def _comment_added(conn: Connection, delivery: Delivery, listener: Listener, grant: Grant) -> Telling:
    event = delivery.event
    comment = comments.load(conn, delivery.organisation_id, [event.record_id]).get(event.record_id)
    if comment is None:
        raise NothingToTell("record_gone")
    if not any(name.startswith("comment.") for name in grant.opens(listener.details)):
        raise NothingToTell("not_shared")  # that somebody wrote, and when, is told by the notice itself
    return Telling({"comment": Slot(comment)}, _same(delivery), needed="comment")


def _job(conn: Connection, delivery: Delivery, listener: Listener, grant: Grant) -> Telling:
    """What the app itself wrote. `id` is the job's: the same each time, and what `ctx.jobs` knows it by."""
    job_id = delivery.event.record_id
    asked = jobs.asked(conn, delivery.organisation_id, delivery.installation_id, job_id)
    if asked is None:
        raise NothingToTell("record_gone")
    return Telling({}, {"id": job_id, "at": delivery.event.at, "name": asked[0], "args": asked[1]})


def _same(delivery: Delivery) -> dict[str, Any]:
    """The delivery's id, not the event's: it is the same each time, and joins nothing across installations."""
    return {"id": delivery.id, "at": delivery.event.at}


def _changer(conn: Connection, delivery: Delivery) -> Slot:
    person_id = delivery.event.by_person_id
    found: PersonFacts | None = None
    if person_id is not None:
        found = people.load(conn, delivery.organisation_id, [person_id]).get(person_id)
    return Slot(found, detail=CHANGER)


_HOOKS: Mapping[str, Callable[[Connection, Delivery, Listener, Grant], Telling]] = {
    "installed": _installed,
    "upgraded": _upgraded,
    "uninstalling": _uninstalling,
    "person_forgotten": _person_gone,
    "person_withdrawn": _person_gone,
    "task_changed": _task_changed,
    "comment_added": _comment_added,
    "job": _job,
}
