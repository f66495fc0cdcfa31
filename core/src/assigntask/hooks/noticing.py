"""What a notice says: the facts of its record as they are now, and which slots of the gate they go through."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping

from sqlalchemy.engine import Connection

from assigntask.events.deliveries import Delivery
from assigntask.gate.gate import Slot
from assigntask.grants.grant import Grant
from assigntask.jobs import rows as jobs
from assigntask.ledger.channel import Channel
from assigntask.people import people

from .listeners import Listener
from .noticing_people import person_changed, person_gone
from .noticing_work import attachment_added, attachment_removed, comment_added, project_changed, task_changed
from .telling import NothingToTell, Telling, changer, same

__all__ = ["NothingToTell", "Telling", "telling"]


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
    slots = {"by": changer(conn, delivery), "contacts": Slot(contacts, own=own)}
    return Telling(slots, same(delivery), channel=Channel.INSTALL)


def _upgraded(conn: Connection, delivery: Delivery, listener: Listener, grant: Grant) -> Telling:
    before = str(delivery.event.facts["from_version"])
    return Telling({}, {**same(delivery), "from_version": before})


def _uninstalling(conn: Connection, delivery: Delivery, listener: Listener, grant: Grant) -> Telling:
    wiped_at = dt.datetime.fromisoformat(str(delivery.event.facts["wiped_at"]))
    return Telling({}, {**same(delivery), "wiped_at": wiped_at})


def _job(conn: Connection, delivery: Delivery, listener: Listener, grant: Grant) -> Telling:
    """What the app itself wrote. `id` is the job's: the same each time, and what `ctx.jobs` knows it by."""
    job_id = delivery.event.record_id
    asked = jobs.asked(conn, delivery.organisation_id, delivery.installation_id, job_id)
    if asked is None:
        raise NothingToTell("record_gone")
    return Telling({}, {"id": job_id, "at": delivery.event.at, "name": asked[0], "args": asked[1]})


def _scheduled(conn: Connection, delivery: Delivery, listener: Listener, grant: Grant) -> Telling:
    facts = delivery.event.facts
    name, due_at = str(facts["name"]), dt.datetime.fromisoformat(str(facts["due_at"]))
    if name not in listener.manifest.schedule:
        raise NothingToTell("no_such_schedule")
    return Telling({}, {**same(delivery), "name": name, "due_at": due_at})


_HOOKS: Mapping[str, Callable[[Connection, Delivery, Listener, Grant], Telling]] = {
    "installed": _installed,
    "upgraded": _upgraded,
    "uninstalling": _uninstalling,
    "person_forgotten": person_gone,
    "person_withdrawn": person_gone,
    "person_changed": person_changed,
    "task_changed": task_changed,
    "comment_added": comment_added,
    "attachment_added": attachment_added,
    "attachment_removed": attachment_removed,
    "project_changed": project_changed,
    "job": _job,
    "scheduled": _scheduled,
}
