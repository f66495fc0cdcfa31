"""Erasures asked of apps' vendors: of one forgotten person, or of all that an installation was given.

One row for each installation and person, or installation alone. Each step is an entry of the ledger, written in the
unit that takes it: `erasure_asked`, `erasure_delivered`, `erasure_answered`, `erasure_silent`. They name no person.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask.db.ids import new_id
from assigntask.events.deliveries import FAREWELLS, Delivery
from assigntask.ledger import rows as entries
from assigntask.ledger.entry import Act, Fact, act_row

Kind = Literal["person", "installation"]
Outcome = Literal["delivered", "answered", "silent"]

PATIENCE = dt.timedelta(days=30)
"""After so long without an answer a vendor counts as silent, whether it was reached or not: the organisation has a
month to tell the person what was done (GDPR, article 12(3)).
"""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """`generation`: of the person's ids, the one that the app knows."""

    person_id: str
    generation: int


def ask(
    conn: Connection,
    organisation_id: str,
    installation_id: str,
    about: Forgotten | None,
    delivery_id: str | None,
    now: dt.datetime,
) -> None:
    """An erasure is asked for, about one person or about all; what was asked before and not answered is asked anew.

    `delivery_id`: of the notice that asks; None: the app has no hook for it, and is silent from the start.
    """
    kind: Kind = "installation" if about is None else "person"
    person_id, generation = (None, 0) if about is None else (about.person_id, about.generation)
    why = "no_hook" if delivery_id is None else None
    values = {"delivery_id": delivery_id, "asked_at": now, "silent_at": now if why else None, "why": why}
    asked = conn.execute(
        sa.update(t.erasure)
        .where(*_about(organisation_id, installation_id, kind, person_id), t.erasure.c.answered_at.is_(None))
        .values(**values, generation=generation, delivered_at=None)
        .returning(t.erasure.c.id)
    ).scalar_one_or_none()
    if asked is None:
        asked = new_id()
        whose = {"organisation_id": organisation_id, "installation_id": installation_id}
        whom = {"kind": kind, "person_id": person_id, "generation": generation}
        conn.execute(sa.insert(t.erasure).values(id=asked, **whose, **whom, **values))
    step = "erasure_silent" if why else "erasure_asked"
    _recorded(conn, organisation_id, installation_id, step, _facts(asked, kind, why), now)


def settle(conn: Connection, delivery: Delivery, outcome: Outcome, now: dt.datetime, why: str = "given_up") -> None:
    """What came of an attempt to deliver, in the unit that settles the delivery; of any other notice it is nothing.

    `delivered`: the app has it, and did not say that it is done. `answered`: it did. `silent`: the delivery is over
    without that, and `why` is a code that says for what reason. Who answers late has answered.
    """
    if delivery.hook not in FAREWELLS:
        return
    e = t.erasure.c
    open_ = [e.organisation_id == delivery.organisation_id, e.delivery_id == delivery.id, e.answered_at.is_(None)]
    values: dict[str, object] = {"delivered_at": sa.func.coalesce(e.delivered_at, sa.literal(now, e.delivered_at.type))}
    if outcome == "delivered":
        open_.append(e.delivered_at.is_(None))
    elif outcome == "answered":
        values["answered_at"] = now
    else:
        open_.append(e.silent_at.is_(None))
        values = {"silent_at": now, "why": why}
    _moved(conn, open_, values, outcome, now)


def withdraw(conn: Connection, organisation_id: str, installation_id: str, now: dt.datetime) -> None:
    """The app is back, so it is no longer asked to erase all that it has."""
    e = t.erasure.c
    open_ = [*_about(organisation_id, installation_id, "installation", None), e.answered_at.is_(None)]
    _moved(conn, [*open_, e.silent_at.is_(None)], {"silent_at": now, "why": "restored"}, "silent", now)


def standing(conn: Connection, organisation_id: str, installation_id: str, since: dt.datetime) -> str | None:
    """How the erasure of all that the installation was given stands, where it was asked `since` then; None: it was
    not. `asked`, `delivered`, `answered`, `silent`, or `no_hook`, which is silent for good.
    """
    e = t.erasure.c
    query = sa.select(e.delivered_at, e.answered_at, e.silent_at, e.why).where(
        *_about(organisation_id, installation_id, "installation", None), e.asked_at >= since
    )
    row = conn.execute(query.order_by(e.asked_at.desc()).limit(1)).one_or_none()
    if row is None or row.why == "no_hook":
        return None if row is None else "no_hook"
    return state(row.delivered_at, row.answered_at, row.silent_at)


def state(
    delivered_at: dt.datetime | None, answered_at: dt.datetime | None, silent_at: dt.datetime | None
) -> Literal["asked", "delivered", "answered", "silent"]:
    if answered_at is not None:
        return "answered"
    if silent_at is not None:
        return "silent"
    return "asked" if delivered_at is None else "delivered"


def unanswered(conn: Connection, organisation_id: str, installation_id: str) -> dict[str, int]:
    """Forgotten people of whom the app never said that it erased them: person id → generation of the id it knows."""
    e = t.erasure.c
    query = sa.select(e.person_id, e.generation).where(
        e.organisation_id == organisation_id,
        e.installation_id == installation_id,
        e.kind == "person",
        e.answered_at.is_(None),
    )
    return {row.person_id: row.generation for row in conn.execute(query)}


def overdue(conn: Connection, now: dt.datetime, limit: int = 1000) -> list[tuple[str, str]]:
    """Organisation and erasure ids, of the whole host, of what was asked too long ago; the oldest first."""
    e = t.erasure.c
    query = sa.select(e.organisation_id, e.id).where(
        e.answered_at.is_(None), e.silent_at.is_(None), e.asked_at <= now - PATIENCE
    )
    return [(row[0], row[1]) for row in conn.execute(query.order_by(e.asked_at, e.id).limit(limit))]


def give_up(conn: Connection, organisation_id: str, erasure_id: str, now: dt.datetime) -> None:
    """The vendor is silent. An app that is still installed is told all the same, once it can be reached."""
    e, d, i = t.erasure.c, t.delivery.c, t.installation.c
    row = conn.execute(
        sa.select(e.delivery_id, e.delivered_at, i.state)
        .join(t.installation, sa.and_(i.organisation_id == e.organisation_id, i.id == e.installation_id))
        .where(e.organisation_id == organisation_id, e.id == erasure_id)
    ).one()
    if row.state in ("uninstalled", "wiped"):
        conn.execute(
            sa.update(t.delivery)
            .where(d.organisation_id == organisation_id, d.id == row.delivery_id, d.state == "waiting")
            .where(sa.or_(d.leased_until.is_(None), d.leased_until <= now))
            .values(state="dead", done_at=now, leased_until=None)
        )
    open_ = [e.organisation_id == organisation_id, e.id == erasure_id, e.answered_at.is_(None), e.silent_at.is_(None)]
    why = "never_reached" if row.delivered_at is None else "no_answer"
    _moved(conn, open_, {"silent_at": now, "why": why}, "silent", now)


def _moved(
    conn: Connection,
    where: list[sa.ColumnElement[bool]],
    values: dict[str, object],
    outcome: Outcome,
    now: dt.datetime,
) -> None:
    """Nothing is recorded where that step was taken before."""
    e = t.erasure.c
    moved = sa.update(t.erasure).where(*where).values(**values)
    for row in conn.execute(moved.returning(e.organisation_id, e.installation_id, e.id, e.kind, e.why)).all():
        why = row.why if outcome == "silent" else None
        facts = _facts(row.id, row.kind, why)
        _recorded(conn, row.organisation_id, row.installation_id, f"erasure_{outcome}", facts, now)


def _about(
    organisation_id: str, installation_id: str, kind: Kind, person_id: str | None
) -> tuple[sa.ColumnElement[bool], ...]:
    e = t.erasure.c
    whom = e.person_id.is_(None) if person_id is None else e.person_id == person_id
    return e.organisation_id == organisation_id, e.installation_id == installation_id, e.kind == kind, whom


def _facts(erasure_id: str, kind: str, why: str | None) -> dict[str, Fact]:
    facts: dict[str, Fact] = {"erasure": erasure_id, "of": kind}
    return facts if why is None else {**facts, "why": why}


def _recorded(
    conn: Connection, organisation_id: str, installation_id: str, step: str, facts: dict[str, Fact], now: dt.datetime
) -> None:
    """It is about nobody by name, so it needs nobody's key: theirs is about to be destroyed, or is already."""
    i = t.installation.c
    query = sa.select(i.app_id).where(i.organisation_id == organisation_id, i.id == installation_id)
    act = Act(organisation_id, step, facts, app_id=conn.execute(query).scalar_one(), installation_id=installation_id)
    entries.insert(conn, [act_row(act, id=new_id(), at=now, keys={})])
