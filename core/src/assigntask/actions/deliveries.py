"""Looking at what became of an app's deliveries, and having them told once more."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask.db.database import Database
from assigntask.errors import HostError, NotAllowed
from assigntask.events import history
from assigntask.events.history import Wanted
from assigntask.people import doers
from assigntask.people.facts import Doer
from assigntask_sdk.deliveries import Delivery, DeliveryState
from assigntask_sdk.errors import Invalid, NotFound

from .ledger import Acts

POWER = "deliveries:manage"
ENDED: tuple[DeliveryState, ...] = ("delivered", "skipped", "dead")
_HAS_A_LINE = ("active", "disabled")

Clock = Callable[[], dt.datetime]


@dataclass(frozen=True, slots=True)
class Since:
    """What happened at `at` (aware) or later, and is in one of these states."""

    at: dt.datetime
    states: tuple[DeliveryState, ...] = history.STATES


@dataclass(frozen=True, slots=True)
class _Place:
    """The installation as it is in this transaction."""

    organisation_id: str
    id: str
    app_id: str
    state: str
    scopes: Collection[str]
    only_person_id: str | None


class DeliveryActions:
    """For an admin, whoever installed the app for themselves alone, the operator, and the app itself.

    The app itself is shown what it was told of, and tells again with the power `deliveries:manage`; so does an admin
    who acts through it. Everything raises NotAllowed, and NotFound where there is no such installation or delivery.
    """

    def __init__(self, db: Database, ledger: Acts, clock: Clock) -> None:
        self._db = db
        self._ledger = ledger
        self._clock = clock

    async def list(self, doer: Doer, installation_id: str, wanted: Wanted = Wanted()) -> list[Delivery]:  # noqa: B008 - frozen
        """The newest first."""
        return await self._db.read(_list, doer, installation_id, wanted)

    async def get(self, doer: Doer, installation_id: str, delivery_id: str) -> Delivery:
        return await self._db.read(_get, doer, installation_id, delivery_id)

    async def replay(self, doer: Doer, installation_id: str, delivery_id: str, *, dry_run: bool = False) -> int:
        """Tells it once more, at the place that it had in the line, or tries it now; how many that were: 1 or 0.

        0: it is being told, or is about to be. Raises Invalid where it is nothing that is told twice, HostError
        `installation_state`; so does the next.
        """
        found = await self._db.read(_get, doer, installation_id, delivery_id)
        if found.state != "waiting" and found.hook not in history.REPLAYABLE:
            raise Invalid({"id": f"{found.hook} is not told twice: only notices of changes are"})
        return await self._replay(doer, installation_id, delivery_id, dry_run=dry_run)

    async def replay_since(self, doer: Doer, installation_id: str, which: Since, *, dry_run: bool = False) -> int:
        """Tells all of it once more, in its old order and before what is newer; how many they are.

        With `dry_run` nothing is changed.
        """
        if not which.states:
            raise Invalid({"states": f"name at least one of {', '.join(history.STATES)}"})
        return await self._replay(doer, installation_id, which, dry_run=dry_run)

    async def _replay(self, doer: Doer, installation_id: str, which: str | Since, *, dry_run: bool) -> int:
        if dry_run:
            return await self._db.read(_count, doer, installation_id, which, self._clock())
        return await self._db.write(_replay, self._ledger, doer, installation_id, which, self._clock())


def _list(conn: Connection, doer: Doer, installation_id: str, wanted: Wanted) -> list[Delivery]:
    place = _looking(conn, doer, installation_id)
    return history.listed(conn, place.organisation_id, place.id, wanted, own=_itself(doer))


def _get(conn: Connection, doer: Doer, installation_id: str, delivery_id: str) -> Delivery:
    place = _looking(conn, doer, installation_id)
    found = history.get(conn, place.organisation_id, place.id, delivery_id, own=_itself(doer))
    if found is None:
        raise NotFound("There is no such delivery to this app. Deliveries are kept for 30 days, those given up for 90.")
    return found


def _count(conn: Connection, doer: Doer, installation_id: str, which: str | Since, now: dt.datetime) -> int:
    place = _telling(conn, doer, installation_id)
    return history.replayable(conn, place.organisation_id, place.id, _condition(place, which), now)


def _replay(
    conn: Connection, ledger: Acts, doer: Doer, installation_id: str, which: str | Since, now: dt.datetime
) -> int:
    place = _telling(conn, doer, installation_id)
    told = history.replay(conn, place.organisation_id, place.id, _condition(place, which), now)
    if told:
        facts: dict[str, str | int | tuple[str, ...]] = {"deliveries": told}
        if isinstance(which, Since):
            facts |= {"since": which.at.astimezone(dt.UTC).isoformat(), "states": which.states}
        else:
            facts["delivery"] = which
        if doer.installation_id is not None:
            facts["through"] = "api"
        ledger.act(
            conn,
            place.organisation_id,
            "replay",
            app_id=place.app_id,
            installation_id=place.id,
            doer=None if _itself(doer) else doer,
            facts=facts,
        )
    return told


def _condition(place: _Place, which: str | Since) -> sa.ColumnElement[bool]:
    if isinstance(which, Since):
        return history.since(place.organisation_id, which.at, which.states)
    return history.one(which)


def _looking(conn: Connection, doer: Doer, installation_id: str) -> _Place:
    place = _place(conn, doer.organisation_id, installation_id)
    if doer.installation_id is not None and _itself(doer) and doer.installation_id == place.id:
        return place
    _require_manager(conn, doer, place, "see what is delivered to an app")
    return place


def _telling(conn: Connection, doer: Doer, installation_id: str) -> _Place:
    place = _place(conn, doer.organisation_id, installation_id)
    if _itself(doer):
        if doer.installation_id != place.id or POWER not in place.scopes:
            raise NotAllowed("This app may not have its notices told once more. An admin may.", needs=POWER)
    else:
        _require_manager(conn, doer, place, "have notices told once more")
    if place.state not in _HAS_A_LINE:
        raise HostError(
            "installation_state",
            f"An app that is {place.state} is told nothing. Install or restore it first.",
            state=place.state,
            act="replay",
            possible=[],
        )
    return place


def _itself(doer: Doer) -> bool:
    """The app, and nobody through it."""
    return doer.installation_id is not None and doer.person_id is None


def _require_manager(conn: Connection, doer: Doer, place: _Place, what: str) -> None:
    """`what` completes "Only an admin may …"."""
    current = doers.current(conn, doer)
    if current.installation_id is None:
        if current.person_id is None or current.person_id != place.only_person_id:
            doers.require_admin(current, what)
    elif current.installation_id != place.id or current.role != "admin" or POWER not in place.scopes:
        raise NotAllowed(f"Through an app only an admin may {what}, and the app needs {POWER} for it.", needs=POWER)


def _place(conn: Connection, organisation_id: str, installation_id: str) -> _Place:
    i = t.installation.c
    row = conn.execute(
        sa.select(i.id, i.app_id, i.state, i.scopes, i.only_person_id).where(
            i.organisation_id == organisation_id, i.id == installation_id
        )
    ).one_or_none()
    if row is None:
        raise NotFound("There is no such installation in this organisation.")
    return _Place(organisation_id, row.id, row.app_id, row.state, row.scopes, row.only_person_id)
