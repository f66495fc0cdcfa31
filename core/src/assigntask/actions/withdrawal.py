"""What apps are told when somebody may no longer be known to them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask.events.events import Event, record
from assigntask.people.facts import Doer, PersonFacts
from assigntask.stores import rows as stores

Installed = Mapping[str, list[str]]
"""App id → ids of its installations."""


def installed(
    conn: Connection,
    organisation_id: str,
    *,
    app_id: str | None = None,
    among: Collection[str] | None = None,
    states: Collection[str] = ("active", "disabled"),
) -> Installed:
    """Installations in these states; of one app, or `among` these ids."""
    query = sa.select(t.installation.c.app_id, t.installation.c.id).where(
        t.installation.c.organisation_id == organisation_id, t.installation.c.state.in_(sorted(states))
    )
    if app_id is not None:
        query = query.where(t.installation.c.app_id == app_id)
    found: dict[str, list[str]] = {}
    for row in conn.execute(query.order_by(t.installation.c.id).with_for_update(key_share=True)):
        if among is None or row.id in among:
            found.setdefault(row.app_id, []).append(row.id)
    return found


def generations(conn: Connection, organisation_id: str, person_id: str) -> dict[str, int]:
    """App id → which of the person's ids it knows now; apps that are not named know the first, 0."""
    query = sa.select(t.pairwise_generation.c.app_id, t.pairwise_generation.c.generation).where(
        t.pairwise_generation.c.organisation_id == organisation_id, t.pairwise_generation.c.person_id == person_id
    )
    return {row.app_id: row.generation for row in conn.execute(query)}


def next_generation(conn: Connection, organisation_id: str, app_id: str, person_id: str) -> None:
    """From now on the app knows the person by a new id, and has nothing left that would lead to the old one.

    Call it with the organisation's row held.
    """
    stores.wipe_person(conn, organisation_id, person_id, app_id=app_id)
    raised = conn.execute(
        sa.update(t.pairwise_generation)
        .where(
            t.pairwise_generation.c.organisation_id == organisation_id,
            t.pairwise_generation.c.app_id == app_id,
            t.pairwise_generation.c.person_id == person_id,
        )
        .values(generation=t.pairwise_generation.c.generation + 1)
    )
    if raised.rowcount == 0:
        conn.execute(
            sa.insert(t.pairwise_generation).values(
                organisation_id=organisation_id, app_id=app_id, person_id=person_id, generation=1
            )
        )


def tell(
    conn: Connection,
    doer: Doer,
    person: PersonFacts,
    apps: Installed,
    now: dt.datetime,
    *,
    kind: Literal["person.withdrawn", "person.forgotten"],
) -> Mapping[str, str]:
    """One event for each app, as each knows the person by another id: `facts` name which one it was.

    Installation id → id of the delivery.
    """
    known = generations(conn, doer.organisation_id, person.id)
    hook = kind.replace(".", "_")
    told: dict[str, str] = {}
    for app_id, installations in apps.items():
        event = Event(
            kind=kind,
            record_kind="person",
            record_id=person.id,
            at=now,
            version=person.version,
            facts={"person_id": person.id, "app_id": app_id, "generation": known.get(app_id, 0)},
            by_person_id=doer.person_id,
        )
        told.update(record(conn, doer.organisation_id, event, hook=hook, recipients=installations))
    return told
