"""What it costs to tell remote apps what happened, and how soon they hear of it."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import psycopg
from bench.load import running
from bench.measure import Measure, Turn, compared, interleaved, tell
from bench.place import Place, furnished, settings_for
from bench.postgresql import postgresql
from bench.sink import HOOK

from assigntask.settings import LOOPBACK_NETWORKS
from assigntask_sdk.wire import hook_path

APPS = 50
CHANGES = 10  # each app hears of all of them, in one turn
AT_ONCE = 50
SECONDS = 30.0
PER_SECOND, EVENTS = 50, 500
QUIET = (10, 1_000)
FLAT_SECONDS = 10.0
HERE = Path(__file__).parent

Post = Callable[[str, int], Awaitable[None]]
"""To the app of that name; the number makes an id."""


async def run(folder: Path) -> None:
    async with _sink() as sink, aiohttp.ClientSession() as session:
        await _told("sqlite", folder / "sqlite", None, sink, session)
        with postgresql() as url:
            await _told("postgresql", folder / "postgresql", url, sink, session)
        await _flat(folder / "flat", sink)


async def _told(name: str, folder: Path, database: str | None, sink: str, session: aiohttp.ClientSession) -> None:
    async with _host(folder, database, sink, [f"app-{number}" for number in range(APPS)]) as place:
        numbers = itertools.count()
        await _change(place, numbers, 1)
        await _drained(place, APPS)
        post = _posting(session, sink, await _last_body(session, sink))
        sides = {"ours": _draining(place, numbers), "bare": _sending(post)}
        for side in sides.values():
            await side()
        found = await interleaved(sides, seconds=SECONDS)
        what = f"deliveries, {name}, {APPS} apps / bare sending loop"
        tell(compared(what, found["ours"], found["bare"], rate=True), found["ours"], found["bare"])
    async with _host(folder / "soon", _second(database), sink, ["app-0"]) as place:
        await _soon(name, place, sink, session, post)


# --- how many -----------------------------------------------------------------------------------------------------


def _draining(place: Place, numbers: itertools.count[int]) -> Turn:
    """Durable: an app has been told when that is on the disk."""

    async def turn() -> float:
        await _change(place, numbers, CHANGES)
        begun = time.perf_counter()
        await _drained(place, APPS * CHANGES)
        return APPS * CHANGES / (time.perf_counter() - begun)

    return turn


def _sending(post: Post) -> Turn:
    """So many posts with so many at once, nothing signed, nothing written down."""

    async def turn() -> float:
        posts = iter(range(APPS * CHANGES))

        async def one() -> None:
            for number in posts:
                await post(f"app-{number % APPS}", number)

        begun = time.perf_counter()
        await asyncio.gather(*(one() for _ in range(AT_ONCE)))
        return APPS * CHANGES / (time.perf_counter() - begun)

    return turn


async def _change(place: Place, numbers: itertools.count[int], how_many: int) -> None:
    for number in itertools.islice(numbers, how_many):
        task = place.tasks[number % len(place.tasks)]
        await place.platform.tasks.edit(place.doer, task, {"summary": f"Mend crane number {number} at last"})


async def _drained(place: Place, expected: int) -> None:
    delivered = 0
    while found := await place.platform.drain():
        delivered += found
    if delivered != expected:
        raise AssertionError(f"{delivered} notices were delivered, and {expected} were to be")


# --- how soon -----------------------------------------------------------------------------------------------------


async def _soon(name: str, place: Place, sink: str, session: aiohttp.ClientSession, post: Post) -> None:
    """From the commit of a change to its arrival, against a post of the same bytes at the same pace."""
    numbers = itertools.count()
    await _change(place, numbers, 1)
    await _drained(place, 1)
    await place.platform.start()

    async def changed(_: int) -> None:
        await _change(place, numbers, 1)

    async def posted(number: int) -> None:
        asked.append(time.monotonic_ns())
        await post("app-0", number)

    ours = await _waits(session, sink, changed)
    asked: list[int] = []
    bare = await _waits(session, sink, posted, asked)
    for what, part in (("p50", 50), ("p99", 99)):
        mine, floor = (statistics.quantiles(waits, n=100)[part - 1] / 1e3 for waits in (ours, bare))
        words = f"commit to arrival {what} at {PER_SECOND}/s, {name} / bare post"
        said = Measure(words, round(mine, 1), round(floor, 1), round(mine / floor, 3), "µs", "lower")
        print(json.dumps(asdict(said), ensure_ascii=False), flush=True)
        print(f"  {words}: {mine / 1e3:.1f} ms, {floor / 1e3:.1f} ms", file=sys.stderr, flush=True)


async def _waits(
    session: aiohttp.ClientSession, sink: str, act: Callable[[int], Awaitable[None]], begun: list[int] | None = None
) -> list[int]:
    """Nanoseconds, one for each. `begun`: when each began; without it, it counts from when `act` has returned."""
    before = len(await _arrivals(session, sink, 0))
    at: list[int] = [] if begun is None else begun
    first = time.monotonic()
    for number in range(EVENTS):
        await asyncio.sleep(first + number / PER_SECOND - time.monotonic())
        await act(number)
        if begun is None:
            at.append(time.monotonic_ns())
    async with asyncio.timeout(30):
        while len(arrived := await _arrivals(session, sink, before)) < EVENTS:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.1)
    return [came - left for left, (_, came) in zip(at, arrived, strict=True)]


# --- flat ---------------------------------------------------------------------------------------------------------


async def _flat(folder: Path, sink: str) -> None:
    """A change and one notice of it, on hosts with so many installations that want nothing of it."""
    async with AsyncExitStack() as stack:
        sides: dict[str, Turn] = {}
        for count in QUIET:
            print(f"  making a host with {count} installations", file=sys.stderr, flush=True)
            apps = ["app-0", *(f"quiet-{number}" for number in range(count))]
            place = await stack.enter_async_context(_host(folder / str(count), None, sink, apps))
            sides[str(count)] = _one_told(place)
            await sides[str(count)]()
        found = await interleaved(sides, seconds=FLAT_SECONDS)
    few, many = (found[str(count)] for count in QUIET)
    tell(
        compared(f"flat: a change told beside {QUIET[1]:,} that don't listen / beside {QUIET[0]}", many, few), many, few
    )


def _one_told(place: Place) -> Turn:
    numbers = itertools.count()

    async def turn() -> float:
        begun = time.perf_counter()
        await _change(place, numbers, 1)
        await _drained(place, 1)
        return time.perf_counter() - begun

    return turn


def _second(database: str | None) -> str | None:
    """Another database of the same server."""
    if database is None:
        return None
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute("CREATE DATABASE soon")
    parts = urlsplit(database)
    return urlunsplit(parts._replace(path="/soon"))


# --- servers ------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _sink() -> AsyncIterator[str]:
    async with running([sys.executable, "-m", "bench.sink"], cwd=HERE.parent, env=os.environ) as url:
        yield url


@asynccontextmanager
async def _host(folder: Path, database: str | None, sink: str, apps: Sequence[str]) -> AsyncIterator[Place]:
    settings = replace(settings_for(folder, database), url="http://127.0.0.1:1", outgoing_allow=LOOPBACK_NETWORKS)
    async with furnished(settings, []) as place:
        for app in apps:
            await place.platform.remotes.add(f"{sink}/{app}")
            await place.platform.installing.install(place.doer, app)
        while await place.platform.drain():
            pass  # they have their credentials from now on
        yield place


def _posting(session: aiohttp.ClientSession, sink: str, body: bytes) -> Post:
    async def post(app: str, number: int) -> None:
        headers = {"webhook-id": f"bare_{number}", "Content-Type": "application/json"}
        async with session.post(f"{sink}/{app}{hook_path(HOOK)}", data=body, headers=headers) as answer:
            await answer.read()
            answer.raise_for_status()

    return post


async def _last_body(session: aiohttp.ClientSession, sink: str) -> bytes:
    async with session.get(f"{sink}/last") as answer:
        answer.raise_for_status()
        return await answer.read()


async def _arrivals(session: aiohttp.ClientSession, sink: str, after: int) -> Any:
    async with session.get(f"{sink}/arrivals", params={"after": after}) as answer:
        return await answer.json()
