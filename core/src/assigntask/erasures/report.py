"""What came of erasures, for the people who have to answer for it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t

from .rows import state

WHY: Mapping[str, str] = {
    "no_hook": "the app has no hook for it: turn to its vendor",
    "given_up": "it failed at every try: turn to its vendor",
    "gone": "the app says that it is there no more: turn to its vendor",
    "never_connected": "the app never took credentials, so nothing could be signed for it: turn to its vendor",
    "never_reached": "the app could not be reached for 30 days: turn to its vendor",
    "no_answer": "the app has known for 30 days, and did not say that it is done: turn to its vendor",
    "restored": "no longer wanted: the app was restored",
}
"""What the codes of silent vendors mean."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """`person_id` None: of all that the installation was given. Moments are aware, in UTC.

    `attempts` and `next_at` are those of the delivery that asks, as long as there is one and it waits.
    """

    id: str
    installation_id: str
    app_id: str
    installation_state: str
    person_id: str | None
    asked_at: dt.datetime
    delivered_at: dt.datetime | None
    answered_at: dt.datetime | None
    silent_at: dt.datetime | None
    why: str | None
    attempts: int | None
    next_at: dt.datetime | None

    @property
    def state(self) -> str:
        """`asked`, `delivered`, `answered` or `silent`."""
        return state(self.delivered_at, self.answered_at, self.silent_at)

    @property
    def words(self) -> str:
        match self.state:
            case "answered":
                return "the app says that it is done"
            case "delivered":
                return "the app has it, and did not say yet that it is done"
            case "asked":
                return "the app was not reached yet"
            case _:
                return WHY.get(self.why or "", self.why or "")

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "installation": self.installation_id,
            "app": self.app_id,
            "installation_state": self.installation_state,
            "person": self.person_id,
            "state": self.state,
            "why": self.why if self.state == "silent" else None,
            "asked_at": _text(self.asked_at),
            "delivered_at": _text(self.delivered_at),
            "answered_at": _text(self.answered_at),
            "silent_at": _text(self.silent_at),
            "attempts": self.attempts,
            "next_at": _text(self.next_at),
        }


def listed(
    conn: Connection, organisation_id: str, *, person_id: str | None = None, app_id: str | None = None
) -> list[Erasure]:
    """What was asked for one person, of one app, or all; the oldest first."""
    e, i, d = t.erasure.c, t.installation.c, t.delivery.c
    own = ("id", "installation_id", "person_id", "asked_at", "delivered_at", "answered_at", "silent_at", "why")
    query = (
        sa.select(*(e[name] for name in own), i.app_id, i.state.label("installation_state"), d.attempts, d.next_at)
        .join(t.installation, sa.and_(i.organisation_id == e.organisation_id, i.id == e.installation_id))
        .outerjoin(
            t.delivery,
            sa.and_(d.organisation_id == e.organisation_id, d.id == e.delivery_id, d.state == "waiting"),
        )
        .where(e.organisation_id == organisation_id)
    )
    if person_id is not None:
        query = query.where(e.person_id == person_id)
    if app_id is not None:
        query = query.where(i.app_id == app_id)
    return [Erasure(**row._mapping) for row in conn.execute(query.order_by(e.asked_at, e.id))]


def _text(moment: dt.datetime | None) -> str | None:
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")
