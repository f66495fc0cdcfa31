"""Fences: what a call writes is stored only while its delivery is still its own.

A call that was given up, or whose process stood still for longer than its lease, may go on and not know it. Another
one has begun meanwhile, or will; of the two only the later one may change anything.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask_sdk.errors import Superseded


@dataclass(frozen=True, slots=True)
class Fence:
    """Whose turn a delivery is: of the one who claimed it until `leased_until` (aware, UTC), while that stands there.

    That moment may be past: as long as nobody else has claimed it, the turn goes on.
    """

    organisation_id: str
    delivery_id: str
    leased_until: dt.datetime

    def check(self, conn: Connection) -> None:
        """Raises Superseded."""
        _look(conn, self._standing())

    def hold(self, conn: Connection) -> None:
        """As `check`; and nobody takes the delivery over, nor ends it, before this transaction does. Raises Superseded.

        Look with it last, as those who take it over lock the installation first.
        """
        _look(conn, self._standing().with_for_update(read=True))

    def _standing(self) -> sa.Select[tuple[str]]:
        d = t.delivery.c
        return sa.select(d.id).where(
            d.organisation_id == self.organisation_id,
            d.id == self.delivery_id,
            d.state == "waiting",
            d.leased_until == self.leased_until,
        )


def _look(conn: Connection, query: sa.Select[tuple[str]]) -> None:
    if conn.execute(query).first() is None:
        raise Superseded(
            "This run is over: another one has taken its place, or will. Stop here; what was stored before stays."
        )
