"""Notices to a service that fails in every way that HTTP has: what follows, what is kept, and what is on record."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa
from aiohttp import web

from assigntask.db import tables as t
from assigntask.events import deliveries
from assigntask.hooks import breakers, problems
from assigntask.hooks.outcomes import wait
from assigntask_sdk.webhooks import secret_from_text, verify

from .conftest import World
from .test_delivery_boundary import closed_port, moved

pytestmark = pytest.mark.timeout(60)

APP = "listening-app"
LIMIT = 1.5
GOOD = '{"answer":null}'

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Receiver:
    """A service that answers hooks with whatever the test says. `sent`: bytes of an endless answer that were taken."""

    answer: Answer
    asked: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    secrets: list[bytes] = field(default_factory=list)
    sent: int = 0
    url: str = ""

    async def hook(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        if self.secrets:
            headers, later = request.headers, dt.timedelta(days=9)  # tests move the host's clock
            self.ids.append(verify(headers, raw, secrets=self.secrets, now=dt.datetime.now(dt.UTC), tolerance=later))
        self.asked.append(request.path)
        return await self.answer(request)


@asynccontextmanager
async def receiving(answer: Answer) -> AsyncIterator[Receiver]:
    made = Receiver(answer)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.hook)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield made
    finally:
        await runner.cleanup()


def saying(status: int, text: str = "", **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=text, headers=named)

    return answer


good = saying(200, GOOD)


async def hang(_: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


async def slow(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(0.1)
    return web.Response(text=GOOD)


async def cut(request: web.Request) -> web.StreamResponse:
    begun = web.StreamResponse(headers={"Content-Length": "100"})
    await begun.prepare(request)
    await begun.write(b'{"answer":')
    assert request.transport is not None
    request.transport.close()
    return begun


def endless(receiver: list[Receiver], status: int) -> Answer:
    """A gigabyte, as far as somebody takes it."""

    async def answer(request: web.Request) -> web.StreamResponse:
        begun = web.StreamResponse(status=status)
        await begun.prepare(request)
        try:
            for _ in range(1 << 14):
                await begun.write(b"x" * (1 << 16))
                receiver[0].sent += 1 << 16
        except ConnectionError:
            pass
        return begun

    return answer


async def listener(world: World, receiver: Receiver) -> None:
    """The listening app, installed and told that it is; from here on the receiver is its service."""
    service = await world.scripted_app("listening_app")
    receiver.secrets = [secret_from_text(service.installs[-1].secret)]
    await moved(world, APP, receiver.url)


async def last(world: World) -> Any:
    return (await world.deliveries(APP))[-1]


async def outcomes(world: World) -> list[tuple[Any, ...]]:
    """Of each attempt at a change, as the ledger has it: number, outcome, status."""
    told = [each.facts for each in await world.entries(APP) if each.kind == "delivery"]
    return [(each["attempt"], each["outcome"], each.get("status")) for each in told if each["hook"] == "task_changed"]


async def failures(world: World) -> int:
    known = await world.platform.db.read(breakers.get, world.ids["here"], world.ids[APP], "task_changed")
    return known.failures


async def installation(world: World, app_id: str = APP) -> Any:
    query = sa.select(t.installation).where(
        t.installation.c.organisation_id == world.ids["here"], t.installation.c.id == world.ids[app_id]
    )
    return await world.platform.db.read(lambda conn: conn.execute(query).one())


Expected = tuple[str, int | None, str | None, str]
"""Outcome, status, the beginning of the answer that is kept, and the error's code."""

FAILS: dict[str, tuple[Answer, Expected]] = {
    "fails": (saying(500, "no\x1b[31m\n good\u202e"), ("unknown", 500, "no[31m good", "hook_raised")),
    "refuses": (saying(400, "x" * 5000), ("refused", 400, "x" * 1024, "hook_raised")),
    "is not there": (saying(404), ("refused", 404, None, "hook_raised")),
    "is busy": (saying(503, "later"), ("unknown", 503, "later", "hook_raised")),
    "answers late": (hang, ("unknown", None, None, "hook_timeout")),
    "breaks off": (cut, ("unknown", None, None, "hook_raised")),
    "answers nonsense": (saying(200, "<p>"), ("sent", 200, "<p>", "hook_wrong_answer")),
    "raises": (
        saying(200, '{"error":{"code":"hook_raised","message":"KeyError"}}'),
        ("sent", 200, '{"error":{"code":"hook_raised","message":"KeyError"}}', "hook_raised"),
    ),
}


async def test_a_notice_that_fails_is_kept_recorded_and_tried_again_with_the_same_id(
    open_world: Callable[..., Any],
) -> None:
    async with open_world(limits={"task_changed": LIMIT}) as world, receiving(good) as receiver:
        await listener(world, receiver)
        for name, (answer, (outcome, status, words, code)) in FAILS.items():
            receiver.answer = answer
            receiver.ids.clear()
            before = world.clock()
            await world.task(name)
            await world.drain()
            row = await last(world)
            assert (row.state, row.attempts, row.status, row.answer) == ("waiting", 1, status, words), name
            assert row.last_error.partition(":")[0] == code, name
            assert before <= row.attempted_at <= world.clock() and 0 <= row.took < 10_000
            pause = wait(row.id, 1)
            assert pause is not None and abs((row.next_at - row.attempted_at - pause).total_seconds()) < 2 * LIMIT
            assert (await installation(world)).failing_since is not None
            receiver.answer = slow
            await hurried(world)
            row = await last(world)
            assert (row.state, row.attempts, row.status, row.answer) == ("delivered", 2, 200, None), name
            assert set(receiver.ids) == {row.id}, name
            assert (await outcomes(world))[-2:] == [(1, outcome, status), (2, "sent", 200)], name
            assert (await installation(world)).failing_since is None


async def hurried(world: World) -> None:
    """It is tried again at once, whatever failed before."""
    await world.platform.proxies.breakers.reset(world.ids["here"], world.ids[APP])
    await world.platform.db.write(deliveries.hurry, world.ids["here"], world.ids[APP], world.clock())
    await world.drain()


async def test_a_redirect_is_a_failure_and_nobody_is_asked_there(world: World) -> None:
    async with receiving(good) as elsewhere, receiving(good) as receiver:
        await listener(world, receiver)
        for status in (301, 302, 303, 307, 308):
            receiver.answer = saying(status, Location=f"{elsewhere.url}/hooks/task_changed")
            await world.task(f"{status}")
            await world.drain()
            row = await last(world)
            assert (row.state, row.attempts, row.status) == ("waiting", 1, status)
            receiver.answer = good
            await hurried(world)
        assert elsewhere.asked == []
        assert [each[1:] for each in await outcomes(world)][::2] == [
            ("refused", status) for status in (301, 302, 303, 307, 308)
        ]


async def test_a_gigabyte_is_not_read(world: World) -> None:
    async with receiving(good) as receiver:
        await listener(world, receiver)
        for status, expected in ((200, ("sent", 200, None)), (500, ("unknown", 500, "x" * 1024))):
            receiver.answer, receiver.sent = endless([receiver], status), 0
            began = time.perf_counter()
            await world.task("Oil")
            await world.drain()
            row = await last(world)
            assert ((await outcomes(world))[-1][1], row.status, row.answer) == expected
            assert time.perf_counter() - began < 15
            assert receiver.sent < 64 << 20  # what the machine's own buffers take, and no more
            receiver.answer = good
            await hurried(world)


@pytest.mark.parametrize("status", [429, 503])
async def test_whoever_says_when_to_come_back_is_left_alone_until_then_and_is_no_failure(
    world: World, status: int
) -> None:
    async with receiving(good) as receiver:
        await listener(world, receiver)
        receiver.answer = saying(status, "busy", Retry_After="7200")
        await world.task("Oil")
        await world.drain()
        row = await last(world)
        assert (row.state, row.attempts, row.status, row.answer) == ("waiting", 1, status, "busy")
        assert 7190 < (row.next_at - world.clock()).total_seconds() <= 7200
        assert await failures(world) == 0
        world.clock.later(seconds=7100)
        await world.drain()
        assert len(receiver.asked) == 1
        receiver.answer = saying(status, "busy", Retry_After="99999999")
        world.clock.later(seconds=101)
        await world.drain()
        assert 86_390 < ((await last(world)).next_at - world.clock()).total_seconds() <= 86_400


@pytest.mark.parametrize("where", ["http://10.1.2.3:9", "nobody listens"])
async def test_what_surely_did_not_arrive_is_recorded_so(world: World, where: str) -> None:
    async with receiving(good) as receiver:
        await listener(world, receiver)
        await moved(world, APP, where if where.startswith("http") else f"http://127.0.0.1:{closed_port()}")
        await world.task("Oil")
        await world.drain()
        row = await last(world)
        assert (row.state, row.attempts, row.status, row.answer) == ("waiting", 1, None, None)
        assert await outcomes(world) == [(1, "refused", None)]


async def test_gone_disables_at_once_and_enabling_tries_again(stored_world: World) -> None:
    world = stored_world
    async with receiving(good) as receiver:
        await listener(world, receiver)
        receiver.answer = saying(410)
        await world.task("Oil")
        await world.task("Rope")
        await world.drain()
        assert len(receiver.asked) == 1
        row = await installation(world)
        assert (row.state, row.disabled_why) == ("disabled", "gone")
        said = {each.key: each for each in await found_problems(world)}
        assert "410" in said["host.disabled"].text and "enable it" in said["host.disabled"].text
        entry = [each for each in await world.entries(APP) if each.kind == "disable"][-1]
        assert (entry.actor, entry.facts["why"]) == ("host", "gone")
        receiver.answer = good
        await world.platform.leaving.enable(world.doer(), APP)
        assert await world.drain() == 2
        row = await installation(world)
        assert (row.state, row.disabled_why, row.failing_since) == ("active", None, None)
        assert "host.disabled" not in {each.key for each in await found_problems(world)}


async def found_problems(world: World) -> list[Any]:
    return await world.platform.db.read(problems.listed, world.ids["here"], world.ids[APP])


async def test_a_goodbye_that_is_answered_with_gone_is_given_up(world: World) -> None:
    async with receiving(good) as receiver:
        await listener(world, receiver)
        receiver.answer = saying(410)
        await world.platform.leaving.uninstall(world.doer(), APP)
        await world.drain()
        assert (await world.lines(APP))[-1] == ("uninstalling", "dead")
        assert (await installation(world)).state == "uninstalled"


async def test_a_service_that_hangs_keeps_no_other_waiting_and_is_given_back_at_the_end(world: World) -> None:
    asked, other = asyncio.Event(), asyncio.Event()

    async def hanging(request: web.Request) -> web.StreamResponse:
        asked.set()
        return await hang(request)

    async def told(_: web.Request) -> web.StreamResponse:
        other.set()
        return web.Response(text=GOOD)

    async with receiving(hanging) as receiver, receiving(told) as quick:
        await listener(world, receiver)
        await second(world, quick)
        notices = world.platform.notices
        for number in range(3):
            other.clear()
            await world.task(f"task {number}")
            await notices.start_due()
            await asyncio.wait_for(other.wait(), 10)
        await asyncio.wait_for(asked.wait(), 10)
        assert len(receiver.asked) == 1  # one call of a line at a time, however often it was started
        await notices.close()
        row = next(each for each in await world.deliveries(APP) if each.state == "waiting")
        assert (row.leased_until, row.attempts, row.last_error) == (None, 0, "host_stopped")
        assert await outcomes(world) == [(1, "unknown", None)]
        assert await notices.start_due() >= 1
        assert len(receiver.asked) == 1  # nothing is started any more


async def second(world: World, receiver: Receiver) -> None:
    """Another app that hears of changes, with a service of its own."""
    manifest = (await world.platform.remotes.listed())[0].manifest or ""
    url, service = await world.scripted("listening_app")
    service.manifest = manifest.replace('id = "listening-app"', 'id = "other-app"').encode()
    await world.platform.remotes.add(url)
    await world.install("other-app")
    await world.drain()
    await moved(world, "other-app", receiver.url)


async def test_the_manifest_says_whether_order_matters_and_an_upgrade_changes_it(world: World) -> None:
    url, service = await world.scripted("listening_app")
    ordered = service.manifest.decode()
    service.manifest = ordered.replace("sdk = 1\n", "sdk = 1\nin_order = false\n").encode()
    await world.platform.remotes.add(url)
    await world.install(APP)
    await world.drain()
    assert (await installation(world)).in_order is False
    service.manifest = ordered.replace('version = "1.0.0"', 'version = "1.0.1"').encode()
    assert [each.outcome for each in await world.platform.follow()] == ["upgraded"]
    assert (await installation(world)).in_order is True
