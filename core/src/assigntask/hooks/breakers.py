"""Where breakers are kept: a row per installation and hook, written only when something changes.

A closed breaker is known from memory, so a call that goes well costs nothing. One that isn't closed is read
afresh, because it is shared by all processes, and only one of them may try.
"""

from __future__ import annotations

import datetime as dt
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from assigntask.db import tables as t
from assigntask.db.database import Database

from . import breaker as rules
from .breaker import Breaker

KEPT = 50_000
_COLUMNS = ("state", "failures", "total", "last_error", "opened_at", "changed_at")
_CLOSED = Breaker()


class Breakers:
    def __init__(self, db: Database, clock: Callable[[], dt.datetime]) -> None:
        self._db = db
        self._clock = clock
        self._known: OrderedDict[tuple[str, str], Breaker] = OrderedDict()

    async def waits_until(self, organisation_id: str, installation_id: str, hook: str) -> dt.datetime | None:
        """When the hook may be called again; None: now. Promises nothing: `admit` decides."""
        now = self._clock()
        known = await self._get(organisation_id, installation_id, hook)
        return None if rules.may_call(known, now) else rules.retry_at(known)

    async def admit(self, organisation_id: str, installation_id: str, hook: str) -> dt.datetime | None:
        """None where a call may be made now, and then, unless it is closed, by this caller alone."""
        known = self._known.get((installation_id, hook)) or await self._get(organisation_id, installation_id, hook)
        if known.state == "closed":
            return None
        now = self._clock()
        before, after = await self._db.write(
            change,
            organisation_id,
            installation_id,
            hook,
            lambda b: rules.tried(b, now) if rules.may_call(b, now) else b,
        )
        self._keep(installation_id, hook, after)
        if before.state == "closed" or after != before:
            return None
        return rules.retry_at(before)

    async def succeeded(self, organisation_id: str, installation_id: str, hook: str) -> bool:
        """Whether this closed it."""
        known = self._known.get((installation_id, hook), _CLOSED)
        if known.state == "closed" and known.failures == 0:
            return False
        now = self._clock()
        before, after = await self._db.write(
            change, organisation_id, installation_id, hook, lambda b: rules.succeeded(b, now)
        )
        self._keep(installation_id, hook, after)
        return before.state != "closed"

    async def failed(
        self, organisation_id: str, installation_id: str, hook: str, error: str, *, at_once: bool = False
    ) -> bool:
        """Whether this opened it. `at_once`: one such failure is enough."""
        now = self._clock()
        before, after = await self._db.write(
            change, organisation_id, installation_id, hook, lambda b: rules.failed(b, now, error, at_once=at_once)
        )
        self._keep(installation_id, hook, after)
        return before.state == "closed" and after.state == "open"

    async def reset(self, organisation_id: str, installation_id: str) -> None:
        """Closes all of them: somebody says that the app was mended."""
        await self._db.write(clear, organisation_id, installation_id)
        for place in [place for place in self._known if place[0] == installation_id]:
            del self._known[place]

    async def _get(self, organisation_id: str, installation_id: str, hook: str) -> Breaker:
        known = self._known.get((installation_id, hook))
        if known is None or known.state != "closed":
            known = await self._db.read(get, organisation_id, installation_id, hook)
            self._keep(installation_id, hook, known)
        return known

    def _keep(self, installation_id: str, hook: str, breaker: Breaker) -> None:
        self._known[installation_id, hook] = breaker
        while len(self._known) > KEPT:
            self._known.popitem(last=False)


def get(conn: Connection, organisation_id: str, installation_id: str, hook: str) -> Breaker:
    row = conn.execute(_row(organisation_id, installation_id, hook)).one_or_none()
    return _CLOSED if row is None else Breaker(*row)


def listed(conn: Connection, organisation_id: str, installation_id: str) -> dict[str, Breaker]:
    """By hook; those that never failed have no row."""
    query = sa.select(t.breaker.c.hook, *(t.breaker.c[name] for name in _COLUMNS)).where(
        t.breaker.c.organisation_id == organisation_id, t.breaker.c.installation_id == installation_id
    )
    return {row[0]: Breaker(*row[1:]) for row in conn.execute(query.order_by(t.breaker.c.hook))}


def clear(conn: Connection, organisation_id: str, installation_id: str) -> None:
    conn.execute(
        sa.delete(t.breaker).where(
            t.breaker.c.organisation_id == organisation_id, t.breaker.c.installation_id == installation_id
        )
    )


def change(
    conn: Connection, organisation_id: str, installation_id: str, hook: str, step: Callable[[Breaker], Breaker]
) -> tuple[Breaker, Breaker]:
    """The breaker before and after `step`; nobody else changes it meanwhile."""
    query = _row(organisation_id, installation_id, hook).with_for_update()
    row = conn.execute(query).one_or_none()
    before = _CLOSED if row is None else Breaker(*row)
    after = step(before)
    if after == before:
        return before, before
    place = {"organisation_id": organisation_id, "installation_id": installation_id, "hook": hook}
    values = {name: getattr(after, name) for name in _COLUMNS}
    if row is None:
        try:
            with conn.begin_nested():
                conn.execute(sa.insert(t.breaker).values(**place, **values))
        except IntegrityError:  # somebody else's failure was the first; this one counts on top of it
            return change(conn, organisation_id, installation_id, hook, step)
    else:
        conn.execute(sa.update(t.breaker).where(*(t.breaker.c[name] == place[name] for name in place)).values(**values))
    return before, after


def _row(organisation_id: str, installation_id: str, hook: str) -> sa.Select[Any]:
    return sa.select(*(t.breaker.c[name] for name in _COLUMNS)).where(
        t.breaker.c.organisation_id == organisation_id,
        t.breaker.c.installation_id == installation_id,
        t.breaker.c.hook == hook,
    )
