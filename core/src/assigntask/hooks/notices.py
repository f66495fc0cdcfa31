"""Tells apps what happened: per installation one at a time, in order, at least once, by the grant of the moment."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import structlog

from assigntask.db.database import Database
from assigntask.events import deliveries
from assigntask.events.deliveries import CREDENTIALS, FAREWELLS, JOB, Delivery
from assigntask.gate.gate import Gate
from assigntask.grants.grant import Actor, Grant
from assigntask.grants.grants import Grants
from assigntask_sdk.errors import AppError, TryLater
from assigntask_sdk.hooks import Hooks, More

from . import lines, problems
from .errors import CallFailed
from .listeners import Listeners
from .noticing import NothingToTell, telling
from .proxy import Callee, Proxies

LEASE = dt.timedelta(seconds=150)
"""Longer than an import and the longest call together; whoever dies in between is followed after it."""
AT_ONCE = 8
"""Installations that are told beside each other."""
SOON = dt.timedelta(seconds=5)
AWAY = dt.timedelta(minutes=10)
"""How rarely, in the end, to look for an app that dials in; when it does, its line is woken."""
LATEST = dt.timedelta(hours=24)

Outcome = Literal["delivered", "skipped", "more", "later", "dead"]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Again:
    """Try again at this moment; `counts` says whether it was an attempt."""

    at: dt.datetime
    counts: bool


def after_failure(
    error: Exception, attempts: int, now: dt.datetime, waited: dt.timedelta = dt.timedelta(0)
) -> Again | None:
    """What follows from a failed attempt; None: it is given up. `waited`: since it happened."""
    code = error.code if isinstance(error, AppError) else ""
    if code == "breaker_open" and isinstance(error, AppError):
        return Again(dt.datetime.fromisoformat(error.facts["until"]), counts=False)
    if code in ("hook_held_up", "installation_inactive", "host_without_address"):
        return Again(now + SOON, counts=False)
    if code == "app_offline":
        # Soon at first: another process of the host, such as a command, is never the one that it dialled in to.
        return Again(now + min(max(waited / 10, SOON), AWAY), counts=False)
    wait = deliveries.schedule(attempts)
    if wait is None:
        return None
    if isinstance(error, TryLater):
        wait = _asked_for(error) or wait
    return Again(now + wait, counts=True)


def _asked_for(error: TryLater) -> dt.timedelta | None:
    """How long an app asks to be left alone. What it wrote may be no number at all."""
    try:
        after = error.after
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return None if after is None else dt.timedelta(seconds=max(1.0, min(after, LATEST.total_seconds())))


class Notices:
    def __init__(
        self, db: Database, gate: Gate, grants: Grants, proxies: Proxies, clock: Callable[[], dt.datetime]
    ) -> None:
        self._db = db
        self._gate = gate
        self._grants = grants
        self._proxies = proxies
        self._clock = clock
        self._listeners = Listeners(db, grants)

    async def drain_due(self, *, limit: int = 100) -> int:
        """Every line in which something is due, up to `limit` notices each; how many were delivered."""
        due = await self._db.read(lines.due, self._clock())
        gap = asyncio.Semaphore(AT_ONCE)

        async def one(organisation_id: str, installation_id: str) -> int:
            async with gap:
                return await self.drain(organisation_id, installation_id, limit=limit)

        return sum(await asyncio.gather(*(one(*line) for line in due)))

    async def drain(self, organisation_id: str, installation_id: str, *, limit: int = 100) -> int:
        """What waits for one installation, up to `limit` calls; how many notices were delivered.

        Safe to call from several processes at once: one tells, the others find nothing to do.
        """
        delivered = 0
        for _ in range(limit):
            delivery = await self._db.write(lines.claim, organisation_id, installation_id, self._clock(), LEASE)
            if delivery is None:
                break
            outcome = await self._tell(delivery)
            delivered += outcome == "delivered"
            if outcome == "later":
                break
        return delivered

    async def _tell(self, delivery: Delivery) -> Outcome:
        try:
            more = await self._call(delivery)
        except NothingToTell as nothing:
            await self._db.write(lines.skip, delivery, self._clock(), str(nothing))
            return "skipped"
        except Exception as error:  # whatever it was, the line must not stand still for ever
            return await self._failed(delivery, error)
        if not await self._db.write(lines.more if more else lines.done, delivery, self._clock()):
            log.info("delivery_overtaken", installation=delivery.installation_id, delivery=delivery.id)
        if delivery.attempts > 1:
            key = f"notice.{delivery.hook}"
            await self._db.write(problems.clear, *_whose(delivery), key, by_host=True)
        return "more" if more else "delivered"

    async def _call(self, delivery: Delivery) -> bool:
        """Whether it is to be called again at once. Raises NothingToTell, AppError."""
        if delivery.hook == CREDENTIALS:
            await self._proxies.introduce(await self._grant(delivery), renew=True)
            return False
        spec = Hooks.all.get(delivery.hook)
        listener = await self._listeners.one(*_whose(delivery), delivery.hook)
        if spec is None or delivery.hook not in listener.manifest.hooks:
            raise NothingToTell("no_such_hook")
        grant = await self._grant(delivery)
        if not await self._proxies.introduce(grant):
            raise NothingToTell("never_connected")
        await self._proxies.ready(grant, listener.manifest, spec)
        told = await self._db.read(telling, delivery, listener, grant)
        released = await self._gate.release(grant, listener.details, told.slots, channel=told.channel)
        if told.needed is not None and not released.values[told.needed]:
            raise NothingToTell("not_shared")
        callee = Callee(grant, listener.manifest, listener.settings)
        if delivery.hook == JOB:
            await self._db.write(lines.begin, delivery, self._clock())
        answer = await self._proxies.call(callee, spec, released, told.plain)
        return isinstance(answer, More)

    async def _grant(self, delivery: Delivery) -> Grant:
        farewell = delivery.hook in FAREWELLS
        return await self._grants.current(*_whose(delivery), Actor.installation(), any_state=farewell)

    async def _failed(self, delivery: Delivery, error: Exception) -> Outcome:
        code = str(getattr(error, "code", type(error).__name__))
        why = f"{code}: {error.why}" if isinstance(error, CallFailed) else code
        log.warning("notice_failed", installation=delivery.installation_id, hook=delivery.hook, code=code)
        now = self._clock()
        again = after_failure(error, delivery.attempts, now, now - delivery.event.at)
        if again is None:
            await self._db.write(lines.dead, delivery, now, why)
            text = f"{delivery.hook} failed {delivery.attempts} times and was given up. The last time: {why}"
            await self._report(delivery, f"given_up.{delivery.hook}", text, "error")
            return "dead"
        settle = deliveries.failed if again.counts else lines.put_back
        if not await self._db.write(settle, delivery, again.at, why):
            return "skipped"  # an uninstall, for example, emptied the line meanwhile
        if again.counts and isinstance(error, CallFailed):
            text = f"{delivery.hook} failed and is tried again: {why}"
            await self._report(delivery, f"notice.{delivery.hook}", text, "warning")
        return "later"

    async def _report(self, delivery: Delivery, key: str, text: str, severity: problems.Severity) -> None:
        whose, now = _whose(delivery), self._clock()
        await self._db.write(problems.report, *whose, key, text, now=now, severity=severity, by_host=True)


def _whose(delivery: Delivery) -> tuple[str, str]:
    return delivery.organisation_id, delivery.installation_id
