"""Signing in and out. Whoever runs the host makes the link, gives it to the person, and the ledger says so."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from sqlalchemy.engine import Connection

from assigntask.db.database import Database
from assigntask.errors import HostError, NotAllowed
from assigntask.people import people, sessions
from assigntask.people.facts import Doer
from assigntask.people.sessions import Session

from .ledger import Acts

Clock = Callable[[], dt.datetime]


class SigningIn:
    def __init__(self, db: Database, ledger: Acts, clock: Clock) -> None:
        self._db = db
        self._ledger = ledger
        self._clock = clock

    async def make_link(self, doer: Doer, person_id: str) -> str:
        """The secret of a link that signs this person in once, within 10 minutes.

        Raises NotAllowed for anybody but the operator, NotFound, HostError `person_inactive`.
        """
        return await self._db.write(_make_link, doer, person_id, self._ledger, self._clock())

    async def sign_in(self, link: str, before: Session | None) -> tuple[str, Session]:
        """The value of a new cookie, and the session that it opens. `before`, of the same browser, ends.

        Raises HostError `sign_in_link_invalid`.
        """
        return await self._db.write(_sign_in, link, before, self._clock())

    async def current(self, cookie: str | None) -> Session | None:
        """The session that a cookie opens now; that it is in use is noted."""
        if not cookie:
            return None
        now = self._clock()
        session = await self._db.read(sessions.find, cookie, now)
        if session is not None and session.stale:
            await self._db.write(sessions.touch, session, now)
        return session

    async def sign_out(self, session: Session) -> None:
        await self._db.write(sessions.end, session)

    async def sweep(self, limit: int = 1000) -> int:
        """Removes what is over, so many at most; how many were removed."""
        return await self._db.write(sessions.sweep, self._clock(), limit)


def _make_link(conn: Connection, doer: Doer, person_id: str, ledger: Acts, now: dt.datetime) -> str:
    if not doer.operator:
        raise NotAllowed("Only whoever runs this host may make a link that signs somebody in.", needs="operator")
    person = people.get(conn, doer.organisation_id, person_id)
    if person.state != "active":
        raise HostError(
            "person_inactive", "This person has left or was forgotten, and can't sign in.", person=person_id
        )
    ledger.act(conn, doer.organisation_id, "sign_in_link", doer=doer, subjects=[person])
    return sessions.make_link(conn, doer.organisation_id, person.id, now)


def _sign_in(conn: Connection, link: str, before: Session | None, now: dt.datetime) -> tuple[str, Session]:
    value, session = sessions.redeem(conn, link, now)
    if before is not None:
        sessions.end(conn, before)
    return value, session
