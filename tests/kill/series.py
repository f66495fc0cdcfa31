"""Starts processes and kills them. This process opens nothing itself, so that it can be forked cheaply."""

from __future__ import annotations

import asyncio
import json
import os
import random
import select
import signal
import time
import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Any, NoReturn

import psycopg

from . import victim, witness
from .evidence import collect
from .judge import judge
from .place import Place, furnish, opened

READY_WITHIN = 120.0
SOONEST, LATEST = 0.05, 0.4  # seconds after it is ready
GONE_WITHIN = 30.0

Say = Callable[[Any], None]
Work = Callable[[Say], Awaitable[None]]


class Child:
    """A forked process. What it says arrives here as one line of JSON each."""

    def __init__(self, work: Work) -> None:
        self._hears, says = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._hears)
            _run(work, says)
        os.close(says)
        self._text = b""
        self._open = True

    def hear(self, seconds: float) -> Any:
        """The next thing it says. Raises TimeoutError; EOFError when it has ended."""
        until = time.monotonic() + seconds
        while b"\n" not in self._text:
            ready, _, _ = select.select([self._hears], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                raise TimeoutError
            part = os.read(self._hears, 1 << 16)
            if not part:
                raise EOFError
            self._text += part
        line, _, self._text = self._text.partition(b"\n")
        return json.loads(line)

    def end(self, *, kill: bool = False) -> int:
        """How it ended: below 0 by that signal."""
        if kill:
            os.kill(self.pid, signal.SIGKILL)
        _, status = os.waitpid(self.pid, 0)
        os.close(self._hears)
        return os.waitstatus_to_exitcode(status)


def _run(work: Work, says: int) -> NoReturn:
    os.dup2(2, 1)  # what is told on stdout is the parent's
    status = 1
    with suppress(BaseException):
        try:
            asyncio.run(_as_coroutine(work, says))
            status = 0
        except BaseException:
            traceback.print_exc()
            raise
    os._exit(status)


async def _as_coroutine(work: Work, says: int) -> None:
    await work(lambda what: _say(says, what))


def _say(file: int, what: Any) -> None:
    text = json.dumps(what).encode() + b"\n"
    while text:
        text = text[os.write(file, text) :]


def in_child(work: Work, *, seconds: float = 600.0) -> Any:
    """What it says first. Raises RuntimeError where it ends badly."""
    child = Child(work)
    said = None
    try:
        said = child.hear(seconds)
    except EOFError:
        pass
    except TimeoutError:
        child.end(kill=True)
        raise RuntimeError("a process did not answer in time") from None
    status = child.end()
    if status != 0:
        raise RuntimeError(f"a process ended with {status}")
    return said


def kill_one(place: Place, step: int, seed: int, moment: float) -> None:
    """Raises RuntimeError where it ended before it was killed."""

    async def work(say: Say) -> None:
        await victim.live(place, step, seed, lambda: say("ready"))

    child = Child(work)
    try:
        child.hear(READY_WITHIN)
        with suppress(TimeoutError):
            child.hear(moment)
    except (EOFError, TimeoutError):
        status = child.end(kill=True)
        raise RuntimeError(f"the process was to be killed, and ended by itself or hung ({status})") from None
    status = child.end(kill=True)
    if status != -signal.SIGKILL:
        raise RuntimeError(f"the process ended by itself ({status})")


def await_backends(database: str) -> None:
    """PostgreSQL finishes what a killed client had sent; only then is there something to judge."""
    if not database.startswith("postgresql"):
        return
    others = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'assigntask' AND backend_type = 'client backend'"
    )
    until = time.monotonic() + GONE_WITHIN
    with psycopg.connect(database, autocommit=True) as conn:
        while (row := conn.execute(others).fetchone()) and row[0]:
            if time.monotonic() > until:
                raise RuntimeError("the server still works for a process that is gone")
            time.sleep(0.005)


async def judged(place: Place, step: float, since: str | None, *, settle: bool) -> dict[str, Any]:
    """What is wrong as it was left, and, with `settle`, after everything due was done."""
    credentials = {
        (line["installation"], line["credential"])
        for line in witness.read(place.witness).of("opened", "acted", "refused")
        if line["installation"] is not None
    }
    async with opened(place, step) as platform:
        evidence = await collect(platform, credentials, since)
        complaints = judge(evidence, witness.read(place.witness), drained=not settle)
        if settle:
            await platform.sweep()
            evidence = await collect(platform, credentials, since)
            complaints += judge(evidence, witness.read(place.witness), drained=True)
    seen = witness.read(place.witness)
    return {
        "complaints": [asdict(each) for each in dict.fromkeys(complaints)],
        "checkpoint": evidence.checkpoint,
        "counts": {
            "received": len(seen.of("received")),
            "saved": len(seen.of("saved")),
            "acts": len(seen.of("acted")),
            "torn": seen.torn,
            "entries": len(evidence.entries),
            "events": len(evidence.events),
            "delivered": sum(one["state"] == "delivered" for one in evidence.deliveries),
            "gone": sum(one["state"] in ("uninstalled", "wiped") for one in evidence.installations.values()),
            "standing": sum(one["state"] != "wiped" for one in evidence.installations.values()),
            "told_again": sum(one["attempts"] > 1 for one in evidence.deliveries),
        },
    }


def judge_in_child(place: Place, step: float, since: str | None, *, settle: bool = True) -> dict[str, Any]:
    async def work(say: Say) -> None:
        say(await judged(place, step, since, settle=settle))

    found: dict[str, Any] = in_child(work)
    return found


def furnish_in_child(place: Place) -> None:
    async def work(_: Say) -> None:
        await furnish(place)

    in_child(work)


def run(place: Place, kills: int, seed: int, tell: Say) -> bool:
    """Tells of each kill, and at the end of all. Whether there was nothing to complain of."""
    rng = random.Random(seed)
    furnish_in_child(place)
    since: str | None = None
    well = True
    for number in range(1, kills + 1):
        moment = rng.uniform(SOONEST, LATEST)
        kill_one(place, number, rng.getrandbits(32), moment)
        await_backends(place.database)
        found = judge_in_child(place, number + 0.5, since)
        since = found["checkpoint"]
        well = well and not found["complaints"]
        tell({"kill": number, "of": kills, "after_ms": round(moment * 1000), "seed": seed, **found})
    return well
