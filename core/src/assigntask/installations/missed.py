"""Whom an app lost while it was uninstalled: people who were forgotten, who objected, or who were restricted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask.erasures import rows as erasures
from assigntask.installations.installations import Installation
from assigntask.ledger.ledger import Ledger
from assigntask.people import people

Farewell = Literal["person_forgotten", "person_withdrawn"]
_HOOKS: tuple[Farewell, ...] = ("person_forgotten", "person_withdrawn")


@dataclass(frozen=True, slots=True, order=True)
class Missed:
    """`generation` is the one under which the app knew the person when it was uninstalled."""

    hook: Farewell
    person_id: str
    generation: int


def missed(conn: Connection, ledger: Ledger, installation: Installation) -> list[Missed]:
    """What was queued for it and never told, and who withdrew meanwhile of those it was ever given anything about.

    A forgotten person's key is gone, so only what was queued when they were forgotten says that it concerns this app.
    """
    queued = _never_told(conn, installation)
    known = {one.person_id for one in queued}
    withdrawn = [
        Missed("person_withdrawn", person_id, _generation_then(conn, installation, person_id))
        for person_id in sorted(_withdrew(conn, installation) - known)
        if _was_given(conn, ledger, installation, person_id)
    ]
    return sorted([*queued, *withdrawn])


def _never_told(conn: Connection, installation: Installation) -> list[Missed]:
    """What is in its line, and the erasures that it did not answer: they are kept longer than deliveries are."""
    queued = _queued(conn, installation)
    unanswered = erasures.unanswered(conn, installation.organisation_id, installation.id)
    known = {one.person_id for one in queued if one.hook == "person_forgotten"}
    more = [
        Missed("person_forgotten", person_id, generation)
        for person_id, generation in unanswered.items()
        if person_id not in known
    ]
    return [one for one in queued if one.hook == "person_forgotten" or one.person_id not in unanswered] + more


def settle_waiting(conn: Connection, installation: Installation, now: datetime) -> None:
    """Farewells still in the line are told anew, or, as the goodbye, no longer true."""
    conn.execute(
        sa.update(t.delivery)
        .where(
            t.delivery.c.organisation_id == installation.organisation_id,
            t.delivery.c.installation_id == installation.id,
            t.delivery.c.state == "waiting",
        )
        .values(state="skipped", done_at=now, leased_until=None)
    )


def _queued(conn: Connection, installation: Installation) -> list[Missed]:
    """Deliveries that did not arrive, the newest about each person."""
    rows = conn.execute(
        sa.select(t.delivery.c.hook, t.delivery.c.state, t.delivery.c.done_at, t.event.c.facts)
        .join(t.event, t.event.c.id == t.delivery.c.event_id)
        .where(
            t.delivery.c.organisation_id == installation.organisation_id,
            t.event.c.organisation_id == installation.organisation_id,
            t.delivery.c.installation_id == installation.id,
            t.delivery.c.hook.in_(_HOOKS),
        )
        .order_by(t.delivery.c.position)
    )
    latest: dict[tuple[Farewell, str], Missed | None] = {}
    for hook, state, done_at, facts in rows:
        person_id = str(facts["person_id"])
        lost = state in ("waiting", "dead") or (state == "skipped" and _since(installation, done_at))
        latest[hook, person_id] = Missed(hook, person_id, int(facts.get("generation", 0))) if lost else None
    forgotten = {person_id for (hook, person_id), one in latest.items() if hook == "person_forgotten" and one}
    wanted = [one for one in latest.values() if one is not None]
    return [one for one in wanted if one.hook == "person_forgotten" or one.person_id not in forgotten]


def _since(installation: Installation, moment: datetime | None) -> bool:
    return moment is None or installation.uninstalled_at is None or moment >= installation.uninstalled_at


def _withdrew(conn: Connection, installation: Installation) -> set[str]:
    objected = sa.select(t.objection.c.person_id).where(
        t.objection.c.organisation_id == installation.organisation_id,
        t.objection.c.app_id == installation.app_id,
        t.objection.c.made_at >= installation.uninstalled_at,
    )
    restricted = sa.select(t.restriction.c.person_id).where(
        t.restriction.c.organisation_id == installation.organisation_id,
        t.restriction.c.made_at >= installation.uninstalled_at,
    )
    return set(conn.scalars(objected)) | set(conn.scalars(restricted))


def _was_given(conn: Connection, ledger: Ledger, installation: Installation, person_id: str) -> bool:
    person = people.load(conn, installation.organisation_id, [person_id]).get(person_id)
    return person is not None and installation.id in ledger.recipients(conn, installation.organisation_id, person)


def _generation_then(conn: Connection, installation: Installation, person_id: str) -> int:
    """Each objection withdrawn and each restriction lifted since then began a new one."""
    now = conn.scalar(
        sa.select(t.pairwise_generation.c.generation).where(
            t.pairwise_generation.c.organisation_id == installation.organisation_id,
            t.pairwise_generation.c.person_id == person_id,
            t.pairwise_generation.c.app_id == installation.app_id,
        )
    )
    withdrawn = conn.scalar(
        sa.select(sa.func.count())
        .select_from(t.objection)
        .where(
            t.objection.c.organisation_id == installation.organisation_id,
            t.objection.c.person_id == person_id,
            t.objection.c.app_id == installation.app_id,
            t.objection.c.withdrawn_at >= installation.uninstalled_at,
        )
    )
    lifted = conn.scalar(
        sa.select(sa.func.count())
        .select_from(t.restriction)
        .where(
            t.restriction.c.organisation_id == installation.organisation_id,
            t.restriction.c.person_id == person_id,
            t.restriction.c.lifted_at >= installation.uninstalled_at,
        )
    )
    return max(0, int(now or 0) - int(withdrawn or 0) - int(lifted or 0))
