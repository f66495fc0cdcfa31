"""Which notices failed in a drain: in production they are tried again later, in a test somebody must know."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask.errors import HostError

from .witness import Witness


@dataclass(frozen=True, slots=True)
class Failed:
    """A notice after a failed attempt. `why` begins with the code."""

    hook: str
    state: str
    attempts: int
    next_at: dt.datetime
    why: str


Standing = Mapping[str, Failed]


def standing(conn: Connection, organisation_id: str) -> Standing:
    """Notices that have failed so far and wait for another attempt, or were given up: by id."""
    columns = t.delivery.c
    query = sa.select(columns.id, columns.hook, columns.state, columns.attempts, columns.next_at, columns.last_error)
    query = query.where(
        columns.organisation_id == organisation_id,
        columns.state.in_(("waiting", "dead")),
        columns.last_error.is_not(None),
    )
    return {row[0]: Failed(*row[1:]) for row in conn.execute(query.order_by(columns.position))}


def raise_failures(before: Standing, after: Standing, witness: Witness) -> None:
    """Raises what a hook raised meanwhile, or else HostError with the code of what went wrong."""
    failed = [row for delivery_id, row in after.items() if before.get(delivery_id) != row]
    if not failed:
        return
    raised = next((error for row in failed if (error := witness.raised(row.hook)) is not None), None)
    if raised is not None:
        raise raised
    first = failed[0]
    code = first.why.partition(":")[0]
    raise HostError(code, f"The notice {first.hook} was not delivered: {first.why}")
