"""Runs what waits for an app unharmed, and then once for each of its steps with the app killed there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.app import Platform
from assigntask.db import tables as t
from assigntask.events import deliveries
from assigntask_sdk.testing import NotResumable

from .outcomes import Row, difference, ids, outcome
from .platforms import Copy, Opening
from .steps import Steps
from .witness import Witness

MANY = 10_000
"""Calls for one installation in one drain."""
MOST_DRAINS = 1000


@dataclass(frozen=True, slots=True)
class Whose:
    organisation_id: str
    installation_id: str


async def killed_at_every_step(
    opening: Opening, platform: Platform, witness: Witness, whose: Whose, unharmed: Callable[[], Awaitable[int]]
) -> int:
    """What `unharmed` gives, which drains `platform`. Each killed run begins where it began, on a platform of its own.

    The killed call is repeated as the host repeats it, but at once and at the same time of the clock. Raises
    NotResumable where that does not come to what the unharmed run came to, and what `unharmed` raises.
    """
    before = await platform.db.read(ids)
    copy = await Copy.of(opening, platform)
    counting = witness.steps = Steps()
    try:
        told = await unharmed()
    finally:
        witness.steps = None
    expected = await outcome(platform, whose.organisation_id, whose.installation_id, before)
    for step in range(1, counting.passed + 1):
        await _killed(copy, whose, step, before, expected)
    return told


async def _killed(copy: Copy, whose: Whose, step: int, before: frozenset[str], expected: frozenset[Row]) -> None:
    """Raises NotResumable."""
    steps, watching = Steps(step), Witness()
    watching.steps = steps
    async with copy.opened(watching) as platform:
        await _drained(platform, whose, steps, watching)
        found = await outcome(platform, whose.organisation_id, whose.installation_id, before)
    differs = difference(expected, found)
    if differs:
        raise NotResumable(steps.killed or "the run", step, differs)


async def _drained(platform: Platform, whose: Whose, steps: Steps, witness: Witness) -> None:
    """Raises NotResumable where a call fails that nobody killed."""
    accounted = False
    for _ in range(MOST_DRAINS):
        await platform.notices.drain_due(limit=MANY)
        where = f"the calls after a kill {steps.killed}" if steps.killed else "the run"
        if (raised := witness.raised()) is not None:
            raise NotResumable(where, 0, [f"raised {type(raised).__name__}: {raised}"]) from raised
        waiting = await platform.db.read(_waiting, whose)
        if not waiting:
            return
        failed = next((why for why in waiting if why), None)
        if failed is not None and (accounted or steps.killed is None):
            raise NotResumable(where, 0, [failed])
        accounted = steps.killed is not None
        await platform.db.write(deliveries.hurry, whose.organisation_id, whose.installation_id, platform.clock())
    raise NotResumable("the run", 0, [f"it did not end within {MOST_DRAINS} rounds: does it always answer More()?"])


def _waiting(conn: Connection, whose: Whose) -> list[str]:
    """For each delivery that waits, why it failed, or ""."""
    d = t.delivery.c
    mine = (d.organisation_id == whose.organisation_id, d.installation_id == whose.installation_id)
    query = sa.select(d.last_error).where(*mine, d.state == deliveries.WAITING).order_by(d.position)
    return [why or "" for why in conn.execute(query).scalars()]
