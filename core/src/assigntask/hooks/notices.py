"""Tells apps what happened: per installation one at a time, at least once, by the grant of the moment."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import structlog

from assigntask.db.database import Database
from assigntask.events.deliveries import CREDENTIALS, FAREWELLS, JOB, Attempted, Delivery
from assigntask.gate.gate import Gate
from assigntask.grants.grant import Actor, Grant
from assigntask.grants.grants import Grants
from assigntask.installations import failing
from assigntask.jobs.engine import Line
from assigntask.ledger.ledger import Ledger
from assigntask.metrics.meter import SILENT, Meter
from assigntask_sdk.hooks import Hooks, More

from . import lines
from .attempts import Attempt
from .errors import CallFailed
from .listeners import Listeners
from .noticing import telling
from .outcomes import Again, Dead, Disable, Tried, after_failure, sending
from .proxy import Callee, Proxies
from .running import Running
from .settling import End, Settlement, settle, settle_and_claim
from .telling import NothingToTell

LEASE = dt.timedelta(seconds=150)
"""Longer than an import and the longest call together; whoever dies in between is followed after it."""
AT_ONCE = 64
"""Installations that are told beside each other: so many that a few slow ones keep nobody waiting."""
ROUND = 50
"""Calls for one installation before the next has its turn, where more wait than can be told at once."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Turn:
    """One attempt, while it lasts. `began` is aware; `started` is the moment of the call, as `time.perf_counter`."""

    delivery: Delivery
    attempt: Attempt
    began: dt.datetime
    started: float = field(default_factory=time.perf_counter)
    grant: Grant | None = None

    @classmethod
    def of(cls, delivery: Delivery, now: dt.datetime) -> _Turn:
        return cls(delivery, Attempt(delivery.id, delivery.attempts, delivery.leased_until), now)

    @property
    def remote(self) -> bool:
        return self.grant is not None and self.grant.remote

    @property
    def active(self) -> bool:
        return self.grant is not None and self.grant.state == "active"

    def made(self) -> Attempted:
        seen = self.attempt.seen
        took = round((time.perf_counter() - self.started) * 1000)
        return Attempted(self.began, took, seen.status if seen else None, seen.answer if seen else None)


class Notices:
    """`lease`: how long a delivery is nobody else's, once it was claimed. `at_once`: lines told beside each other."""

    def __init__(
        self,
        db: Database,
        gate: Gate,
        grants: Grants,
        proxies: Proxies,
        ledger: Ledger,
        clock: Callable[[], dt.datetime],
        *,
        lease: dt.timedelta = LEASE,
        at_once: int = AT_ONCE,
        meter: Meter = SILENT,
    ) -> None:
        self._db = db
        self._gate = gate
        self._grants = grants
        self._proxies = proxies
        self._ledger = ledger
        self._clock = clock
        self._lease = lease
        self._meter = meter
        self._listeners = Listeners(db, grants)
        self._running = Running(self._round, at_once)

    async def drain_due(self, *, limit: int = 100) -> int:
        """Every line in which something is due, up to `limit` calls each; how many notices were delivered.

        Waits for the slowest of them: for commands and tests. A server calls `start_due`.
        """
        due = await self._db.read(lines.due, self._clock())
        gap = asyncio.Semaphore(AT_ONCE)

        async def one(organisation_id: str, installation_id: str) -> int:
            async with gap:
                return await self.drain(organisation_id, installation_id, limit=limit)

        return sum(await asyncio.gather(*(one(*line) for line in due)))

    async def start_due(self) -> int:
        """Starts telling wherever something is due and nobody is told yet, and does not wait; how many lines are due.

        What keeps one line waiting keeps no other. `close` ends what was started.
        """
        due = await self._db.read(lines.due, self._clock())
        for line in due:
            self._running.start(line)
        return len(due)

    def offer(self, line: Line) -> bool:
        """Starts telling what waits in this line, as `start_due` does. False: this process has its hands full."""
        return self._running.offer(line)

    async def run(self, line: Line) -> None:
        """Tells what waits in this line until nothing is due, unless that goes on already. Cancelled, it gives back
        what it was telling.
        """
        await self._running.run(line)

    async def close(self, seconds: float = 0) -> None:
        """Lets calls that are under way end for so long, and gives back what is told still: it is told again at once.

        Nothing more is started.
        """
        await self._running.close(seconds)

    async def drain(self, organisation_id: str, installation_id: str, *, limit: int = 100) -> int:
        """What waits for one installation, up to `limit` calls; how many notices were delivered.

        Safe to call from several processes at once: one tells, the others find nothing to do. Cancelled, it gives back
        what it was telling.
        """
        return (await self._drain(organisation_id, installation_id, limit))[1]

    async def _round(self, line: Line) -> bool:
        """Whether something may be left."""
        calls, _ = await self._drain(*line, ROUND)
        return calls == ROUND

    async def _drain(self, organisation_id: str, installation_id: str, limit: int) -> tuple[int, int]:
        """How many calls were made, and how many notices delivered by them."""
        delivery = await self._claim(organisation_id, installation_id)
        calls = delivered = 0
        while delivery is not None:
            calls += 1
            where = {"delivery": delivery.id, "attempt": delivery.attempts, "installation": installation_id}
            with structlog.contextvars.bound_contextvars(**where):
                how = await self._tell(delivery)
                self._meter.attempted(delivery.hook, how.end)
                delivered += how.end == "delivered"
                delivery = await self._settle(how, go_on=calls < limit and not self._running.closing)
        return calls, delivered

    async def _claim(self, organisation_id: str, installation_id: str) -> Delivery | None:
        unit = self._db.write(lines.claim, organisation_id, installation_id, self._clock(), self._lease)
        return await self._kept(unit)

    async def _settle(self, how: Settlement, *, go_on: bool) -> Delivery | None:
        """What is told next, with `go_on`."""

        async def both() -> Delivery | None:
            if go_on:
                settled, following = await self._db.write(settle_and_claim, self._ledger, how, self._lease)
            else:
                settled, following = await self._db.write(settle, self._ledger, how), None
            if not settled:
                log.info("delivery_overtaken", installation=how.delivery.installation_id, delivery=how.delivery.id)
            return following

        return await self._kept(both())

    async def _kept(self, unit: Awaitable[Delivery | None]) -> Delivery | None:
        """What was claimed for a drain that is cancelled meanwhile does not wait until its lease is over."""
        task = asyncio.ensure_future(unit)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            with suppress(Exception):  # it is only waited for: what matters now is the end of the drain
                if (taken := await task) is not None:
                    await self._db.write(lines.put_back, taken, self._clock())
            raise

    async def _tell(self, delivery: Delivery) -> Settlement:
        turn = _Turn.of(delivery, self._clock())
        try:
            more = await self._call(turn)
        except NothingToTell as nothing:
            return self._ended(turn, "skipped", why=str(nothing))
        except asyncio.CancelledError as error:
            how = self._ended(turn, "put_back", error, why="host_stopped")
            await asyncio.shield(self._db.write(settle, self._ledger, how))
            raise
        except Exception as error:  # whatever it was, the line must not stand still for ever
            return await self._failed(turn, error)
        return self._ended(turn, "more" if more else "delivered", made=turn.made())

    async def _call(self, turn: _Turn) -> bool:
        """Whether it is to be called again at once. Raises NothingToTell, AppError."""
        delivery = turn.delivery
        if delivery.hook == CREDENTIALS:
            turn.grant = await self._grant(delivery)
            await self._proxies.introduce(turn.grant, renew=True)
            return False
        spec = Hooks.all.get(delivery.hook)
        listener = await self._listeners.one(*_whose(delivery), delivery.hook)
        if spec is None or delivery.hook not in listener.manifest.hooks:
            raise NothingToTell("no_such_hook")
        grant = turn.grant = await self._grant(delivery)
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
        turn.attempt.released, turn.started = True, time.perf_counter()
        answer = await self._proxies.call(callee, spec, released, told.plain, turn.attempt)
        return isinstance(answer, More)

    async def _grant(self, delivery: Delivery) -> Grant:
        farewell = delivery.hook in FAREWELLS
        return await self._grants.current(*_whose(delivery), Actor.installation(), any_state=farewell)

    async def _failed(self, turn: _Turn, error: Exception) -> Settlement:
        delivery, now = turn.delivery, self._clock()
        code = str(getattr(error, "code", type(error).__name__))
        why = f"{code}: {error.why}" if isinstance(error, CallFailed) else code
        log.warning("notice_failed", installation=delivery.installation_id, hook=delivery.hook, code=code)
        made = turn.made()
        tried = Tried(
            delivery.id,
            delivery.attempts,
            delivery.event.at,
            now,
            delivery.failing_since,
            turn.active,
            turn.attempt.seen,
        )
        match after_failure(error, tried):
            case Dead(shows):
                says = f"{delivery.hook} failed {delivery.attempts} times and was given up. The last time: {why}"
                return self._ended(turn, "dead", error, why=why, made=made, failing=shows, says=says)
            case Again(at, counts=False):
                return self._ended(turn, "put_back", error, why=why, next_at=at)
            case Again(at, _, shows):
                called = isinstance(error, CallFailed)
                warning = f"{delivery.hook} failed and is tried again: {why}" if called else None
                return self._ended(turn, "later", error, why=why, made=made, next_at=at, failing=shows, says=warning)
            case Disable(reason):
                await self._disable(delivery, reason)
                return self._ended(turn, "later", error, why=why, made=made, next_at=now, failing=True)

    async def _disable(self, delivery: Delivery, reason: failing.Why) -> None:
        """Before the delivery is settled: nobody sends it meanwhile."""
        if await self._db.write(failing.disable, self._ledger, *_whose(delivery), reason, self._clock()):
            log.warning("installation_disabled", installation=delivery.installation_id, why=reason)

    def _ended(self, turn: _Turn, end: End, error: BaseException | None = None, **how: Any) -> Settlement:
        return Settlement(
            turn.delivery,
            end,
            self._clock(),
            sending=sending(error, turn.attempt, remote=turn.remote),
            app_id=turn.grant.app_id if turn.grant else None,
            **how,
        )


def _whose(delivery: Delivery) -> tuple[str, str]:
    return delivery.organisation_id, delivery.installation_id
