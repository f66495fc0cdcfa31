"""Producers, drains and receivers, killed at random moments: what was committed arrives, in order, at least once.

Time goes thirty times as fast for all of them, so that leases and the waits between attempts are over soon.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import random
import signal
import socket
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import psycopg
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.app import Platform
from assigntask.db import tables as t
from assigntask.events.events import Event, record
from assigntask.people import people
from assigntask.people.facts import Doer
from assigntask.settings import LOOPBACK_NETWORKS
from assigntask.tasks import projects, tasks

from .arrivals import judged
from .place import Place, furnish
from .receiver import APPS, receive
from .series import READY_WITHIN, Child, Say, await_backends, in_child
from .witness import Diary, read

FACTOR = 30
SOONEST, LATEST = 0.05, 0.35  # seconds between two kills
SETTLED_WITHIN = 90.0
TASKS = 8

Role = Literal["producer", "drain", "receiver"]


class RolledBack(Exception):
    """What a producer changed and recorded before this is not stored."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """`begun`: seconds since 1970, from which on time goes faster. `drains`: how many processes tell."""

    place: Place
    port: int
    begun: float
    drains: int

    def now(self) -> dt.datetime:
        real = time.time()
        return dt.datetime.fromtimestamp(self.begun + (real - self.begun) * FACTOR, dt.UTC)

    @property
    def secrets(self) -> Path:
        return self.place.folder / "secrets"

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Platform]:
        settings = replace(self.place.settings(), url="http://127.0.0.1:9", outgoing_allow=LOOPBACK_NETWORKS)
        async with Platform.open(settings, clock=self.now) as platform:
            yield platform

    def others(self) -> list[Role]:
        """All but the receiver, which comes first."""
        drains: list[Role] = ["drain"] * self.drains
        return ["producer", *drains]


def run_fleet(place: Place, kills: int, seed: int, tell: Say) -> bool:
    """Tells of all kills once everything has arrived or time is up. Whether there is nothing to complain of."""
    rng = random.Random(seed)
    drains = 3 if place.database.startswith("postgresql") else 1
    fleet = Fleet(place, _free_port(), time.time(), drains)
    fleet.secrets.mkdir(parents=True)
    _in_child(lambda: furnish(place))
    receiver = _start(fleet, "receiver", 0)
    _in_child(lambda: _install(fleet))
    crew: list[tuple[Role, Child]] = [("receiver", receiver)]
    try:
        crew += [(role, _start(fleet, role, rng.getrandbits(32))) for role in fleet.others()]
        killed = _killed(fleet, crew, kills, rng)
        _end(crew, "producer")
        _await_told(fleet)
    finally:
        _end(crew, "producer", "drain", "receiver")
    await_backends(place.database)
    found: dict[str, Any] = in_child(lambda say: _judged(fleet, say))
    tell({"kills": kills, "seed": seed, "killed": killed, **found})
    return not found["complaints"]


def _killed(fleet: Fleet, crew: list[tuple[Role, Child]], kills: int, rng: random.Random) -> dict[str, int]:
    """How often one of each role was killed, and another took its place."""
    killed: Counter[str] = Counter()
    for _ in range(kills):
        time.sleep(rng.uniform(SOONEST, LATEST))
        role, child = crew.pop(rng.randrange(len(crew)))
        _kill(child, role)
        killed[role] += 1
        crew.append((role, _start(fleet, role, rng.getrandbits(32))))
    return dict(killed)


def _end(crew: list[tuple[Role, Child]], *roles: Role) -> None:
    for one in [each for each in crew if each[0] in roles]:
        crew.remove(one)
        _kill(one[1], one[0])


# --- what each process does ---------------------------------------------------------------------------------------


def _start(fleet: Fleet, role: Role, seed: int) -> Child:
    async def work(say: Say) -> None:
        def ready() -> None:
            say("ready")

        if role == "receiver":
            await receive(fleet.port, fleet.secrets, Diary(fleet.place.witness), fleet.now, ready)
        elif role == "drain":
            async with fleet.opened() as platform:
                await platform.start()
                ready()
                await asyncio.Event().wait()
        else:
            async with fleet.opened() as platform:
                await _produce(platform, random.Random(seed), Diary(fleet.place.witness), ready)

    child = Child(work)
    try:
        child.hear(READY_WITHIN)
    except (EOFError, TimeoutError):
        raise RuntimeError(f"a {role} did not start ({child.end(kill=True)})") from None
    return child


async def _produce(platform: Platform, rng: random.Random, diary: Diary, ready: Callable[[], None]) -> None:
    [here] = await platform.db.read(_organisations)
    ids = await platform.db.read(_task_ids, here)
    doer = await platform.db.read(_admin, here)
    ready()
    while True:
        task, summary = rng.choice(ids), f"{rng.getrandbits(64):016x}"
        if rng.random() < 0.2:
            diary.note("undone", summary=summary)
            with suppress(RolledBack):
                await platform.db.write(_undone, doer, task, summary, platform.clock())
        else:
            diary.note("saving", summary=summary)
            stored = await platform.tasks.edit(doer, task, {"summary": summary})
            diary.note("saved", summary=summary, task=task, version=stored.version)
        await asyncio.sleep(rng.uniform(0, 0.02))


def _undone(conn: Connection, doer: Doer, task_id: str, summary: str, now: dt.datetime) -> None:
    before = tasks.get(conn, doer.organisation_id, task_id)
    assert before is not None
    after = tasks.update(conn, doer.organisation_id, before, replace(before, summary=summary))
    if after is not None:
        event = Event("task.changed", "task", task_id, now, version=after.version, changed=["summary"])
        record(conn, doer.organisation_id, replace(event, facts={"undone": 1}), hook="task_changed")
    raise RolledBack


async def _install(fleet: Fleet) -> None:
    async with fleet.opened() as platform:
        [here] = await platform.db.read(_organisations)
        doer = await platform.db.read(_admin, here)
        project = (await platform.db.read(projects.listed, here))[0].id
        for number in range(TASKS):
            await platform.tasks.create(doer, project=project, summary=f"Task {number}")
        for app in APPS:
            await platform.remotes.add(f"http://127.0.0.1:{fleet.port}/{app}")
            await platform.installing.install(doer, app)


# --- how it ends --------------------------------------------------------------------------------------------------


def _await_told(fleet: Fleet) -> None:
    """Until nothing waits any more, or time is up: then it is complained of."""
    until = time.monotonic() + SETTLED_WITHIN
    while time.monotonic() < until and _waiting(fleet.place.database):
        time.sleep(0.1)


def _waiting(database: str) -> int:
    """Asked of the driver: opening a host for it would keep the drains from their work."""
    connect: Any = psycopg.connect if database.startswith("postgresql") else sqlite3.connect
    with closing(connect(database.removeprefix("sqlite:///"))) as conn:
        row = conn.execute("SELECT count(*) FROM delivery WHERE state = 'waiting'").fetchone()
    return int(row[0])


async def _judged(fleet: Fleet, say: Say) -> None:
    async with fleet.opened() as platform:
        deliveries = await platform.db.read(_deliveries)
        apps = await platform.db.read(_apps)
        torn = await platform.db.read(_undone_events)
    seen = read(fleet.place.witness)
    complaints = judged(deliveries, apps, seen.lines)
    complaints += [{"code": "undone_recorded", "event": each} for each in torn]
    states = Counter(row.state for row in deliveries)
    say(
        {
            "complaints": complaints,
            "counts": {
                "saved": len(seen.of("saved")),
                "undone": len(seen.of("undone")),
                "deliveries": len(deliveries),
                "arrived": len(seen.of("arrived")),
                "told_again": sum(row.attempts > 1 for row in deliveries),
                **states,
            },
        }
    )


# --- rows ---------------------------------------------------------------------------------------------------------


def _organisations(conn: Connection) -> list[str]:
    return list(conn.scalars(sa.select(t.organisation.c.id)))


def _task_ids(conn: Connection, here: str) -> list[str]:
    return list(conn.scalars(sa.select(t.task.c.id).where(t.task.c.organisation_id == here).order_by(t.task.c.number)))


def _admin(conn: Connection, here: str) -> Doer:
    staff = people.load(conn, here, people.everyone(conn, here))
    admin = next(each for each in staff.values() if each.role == "admin")
    return Doer(here, admin.id, "admin")


def _deliveries(conn: Connection) -> list[Any]:
    return list(conn.execute(sa.select(t.delivery).where(t.delivery.c.hook == "task_changed")).all())


def _apps(conn: Connection) -> dict[str, str]:
    rows = conn.execute(sa.select(t.installation.c.id, t.installation.c.app_id))
    return {row[0]: row[1] for row in rows}


def _undone_events(conn: Connection) -> list[str]:
    rows = conn.execute(sa.select(t.event.c.id, t.event.c.facts))
    return [row.id for row in rows if "undone" in row.facts]


# --- processes ----------------------------------------------------------------------------------------------------


def _kill(child: Child, role: str) -> None:
    status = child.end(kill=True)
    if status != -signal.SIGKILL:
        raise RuntimeError(f"a {role} ended by itself ({status})")


def _in_child(work: Callable[[], Any]) -> None:
    async def call(_: Say) -> None:
        await work()

    in_child(call)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port
