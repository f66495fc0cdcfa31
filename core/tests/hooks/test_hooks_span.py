"""Crossing between the apps' loop and the host's."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from assigntask.hooks.crossing import Crossing
from assigntask.hooks.loop import AppLoop, TimedOut
from assigntask.hooks.span import BATCH, Span
from assigntask_sdk import Ctx, Put
from assigntask_sdk.errors import Conflict, Gone

IN_HOST: contextvars.ContextVar[str] = contextvars.ContextVar("in_host", default="unset")


@pytest.fixture
async def loop() -> AsyncIterator[AppLoop]:
    running = AppLoop(grace=0.15)
    yield running
    await running.close()


async def test_what_crosses_runs_in_the_hosts_thread_and_context(loop: AppLoop) -> None:
    IN_HOST.set("the caller's")

    async def host() -> tuple[str, str]:
        return threading.current_thread().name, IN_HOST.get()

    async def call(span: Span) -> Any:
        return await span.cross(host)

    assert await loop.run(call, limit=1) == (threading.current_thread().name, "the caller's")


async def test_errors_cross_as_they_are(loop: AppLoop) -> None:
    async def host() -> None:
        raise Conflict("somebody else was first", keys=["a"])

    async def call(span: Span) -> list[str]:
        try:
            await span.cross(host)
        except Conflict as conflict:
            return conflict.keys
        return []

    assert await loop.run(call, limit=1) == ["a"]


async def test_a_time_limit_cancels_what_the_call_asked_of_the_host(loop: AppLoop) -> None:
    cancelled = asyncio.Event()

    async def host() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async def call(span: Span) -> None:
        await span.cross(host)

    with pytest.raises(TimedOut):
        await loop.run(call, limit=0.5)  # long enough to reach the host on a busy machine
    async with asyncio.timeout(2):
        await cancelled.wait()


async def test_cancelling_in_the_app_cancels_in_the_host(loop: AppLoop) -> None:
    cancelled = asyncio.Event()

    async def host() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async def call(span: Span) -> str:
        try:
            async with asyncio.timeout(0.5):
                await span.cross(host)
        except TimeoutError:
            return "gave up"
        return "waited"

    assert await loop.run(call, limit=5) == "gave up"
    async with asyncio.timeout(2):
        await cancelled.wait()


async def test_after_the_call_nothing_crosses(loop: AppLoop) -> None:
    kept: list[Span] = []
    asked = 0

    async def host() -> None:
        nonlocal asked
        asked += 1

    async def keep(span: Span) -> None:
        kept.append(span)
        await span.cross(host)

    async def late(span: Span) -> str:
        try:
            await kept[0].cross(host)
        except Gone as gone:
            return gone.message
        return "crossed"

    await loop.run(keep, limit=1)
    assert "ended" in await loop.run(late, limit=1)
    assert asked == 1


async def test_an_iterator_crosses_in_order_and_is_closed_when_it_is_left(loop: AppLoop) -> None:
    closed = asyncio.Event()
    given = 0

    async def numbers() -> AsyncIterator[int]:
        nonlocal given
        try:
            for number in range(10 * BATCH):
                given += 1
                yield number
        finally:
            closed.set()

    async def all_of_them(span: Span) -> list[int]:
        return [number async for number in span.iterate(numbers)]

    async def first(span: Span) -> int:
        async for number in span.iterate(numbers):
            return number
        return -1

    assert await loop.run(all_of_them, limit=5) == list(range(10 * BATCH))
    closed.clear()
    given = 0
    assert await loop.run(first, limit=5) == 0
    async with asyncio.timeout(2):
        await closed.wait()
    assert given <= BATCH  # what is behind the first batch was never read


async def test_an_iterator_gives_what_came_before_its_error(loop: AppLoop) -> None:
    async def failing() -> AsyncIterator[int]:
        yield 1
        yield 2
        raise Conflict("the third")

    async def call(span: Span) -> list[object]:
        seen: list[object] = []
        try:
            async for number in span.iterate(failing):
                seen.append(number)
        except Conflict as error:
            seen.append(error.message)
        return seen

    assert await loop.run(call, limit=1) == [1, 2, "the third"]


class Recorder:
    """A ctx that writes down what was asked of it, and in which thread."""

    def __init__(self, path: str = "", calls: list[tuple[str, str, Any]] | None = None) -> None:
        self.path = path
        self.calls: list[tuple[str, str, Any]] = [] if calls is None else calls

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Recorder(f"{self.path}.{name}", self.calls)

    def __call__(self, *args: Any, **options: Any) -> Any:
        here = threading.current_thread().name
        if self.path.endswith((".storage.task", ".storage.person", ".as_person", ".now", ".granted")):
            self.calls.append((self.path, here, (args, options)))
            return Recorder(f"{self.path}()", self.calls)
        if self.path.endswith((".tasks.list", ".people.list", ".scan")):
            return self.each(args, options)
        return self.answer(args, options)

    async def each(self, args: Any, options: Any) -> AsyncIterator[str]:
        self.calls.append((self.path, threading.current_thread().name, (args, options)))
        yield self.path

    async def answer(self, args: Any, options: Any) -> Any:
        if self.path.endswith(".apply"):
            args = [operation async for operation in args[0]]
        self.calls.append((self.path, threading.current_thread().name, (args, options)))
        return []


async def use_all(ctx: Ctx) -> None:
    other: Any = ctx
    await other.tasks.get("t", fields=["due"])
    await other.tasks.get_many(["t"])
    assert [task async for task in other.tasks.list(project="p", done=True)] == [".tasks.list"]
    await other.tasks.create("summary", project="p", key="k", due=None)
    await other.tasks.edit("t", if_version=3, status="Done")
    await other.tasks.comment("t", "text", key="k")
    await other.tasks.archive("t")
    await other.comments.list("t")
    await other.people.get("p")
    await other.people.get_many(["p"], fields=["name"])
    assert [person async for person in other.people.list()] == [".people.list"]
    await other.projects.get("p")
    await other.projects.list()
    await other.attachments.list("t")
    await other.attachments.add("t", "name", "https://example.org", key="k")
    await other.attachments.remove("a")
    for store in (other.storage, other.storage.task("t"), other.storage.person("p")):
        await store.get("k")
        await store.get_many(["k"])
        assert len([entry async for entry in store.scan("a", after="b")]) == 1
        await store.commit(Put("k", 1))
        await store.apply(several())
    await other.problems.report("k", "text", severity="error")
    await other.problems.clear("k")
    await other.refresh("t")
    await other.as_person("p").tasks.get("t")


async def several() -> AsyncIterator[Put]:
    for number in range(1201):
        yield Put(f"{number}", "x")


async def test_every_method_of_ctx_reaches_the_host_with_its_arguments(loop: AppLoop) -> None:
    there, here = Recorder(), Recorder()

    async def call(span: Span) -> None:
        await use_all(Crossing(there, span))  # type: ignore[arg-type]  # a recorder has everything

    await use_all(here)  # type: ignore[arg-type]
    await loop.run(call, limit=10)
    host = threading.current_thread().name

    def asked(recorder: Recorder) -> list[tuple[str, list[str]]]:
        """What was asked for, with all that was said; defaults may be said or left out."""
        calls = [(path, what) for path, _, what in recorder.calls if not path.endswith(".apply")]
        return [
            (path, [*map(str, args), *(str(said) for said in options.values() if said is not None)])
            for path, (args, options) in calls
        ]

    assert asked(there) == asked(here)
    for path, thread, _ in there.calls:
        assert thread == host or path.endswith((".task", ".person", ".as_person")), path
    chunks = [what[0] for path, _, what in there.calls if path == ".storage.apply"]
    assert [put.key for chunk in chunks for put in chunk] == [str(number) for number in range(1201)]
    assert max(len(chunk) for chunk in chunks) <= 1000


async def test_ctx_kept_beyond_its_call_is_gone(loop: AppLoop) -> None:
    kept: list[Any] = []
    ctx = Recorder()

    async def keep(span: Span) -> None:
        kept.append(Crossing(ctx, span))  # type: ignore[arg-type]

    async def late(span: Span) -> list[str]:
        said = []
        for use in (
            lambda c: c.tasks.get("t"),
            lambda c: c.storage.commit(Put("k", 1)),
            lambda c: c.storage.task("t").get("k"),
            lambda c: c.refresh("t"),
        ):
            try:
                await use(kept[0])
            except Gone as gone:
                said.append(gone.code)
        for sync in (lambda c: c.granted("tasks:read"), lambda c: c.as_person("p"), lambda c: c.log):
            try:
                sync(kept[0])
            except Gone as gone:
                said.append(gone.code)
        return said

    await loop.run(keep, limit=1)
    assert await loop.run(late, limit=1) == ["gone"] * 7
    assert not [path for path, _, _ in ctx.calls if not path.endswith(".task")]
