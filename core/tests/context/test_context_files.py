"""Files on tasks: whole or not there at all, for whoever may read them and as long as they may."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import tracemalloc
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from assigntask.db import tables as t
from assigntask.files.rows import CHUNK, UNFINISHED
from assigntask.files.sweeping import sweep
from assigntask.hooks.crossing import Crossing
from assigntask.hooks.loop import AppLoop
from assigntask.tasks import attachments
from assigntask_sdk.details import SCOPES
from assigntask_sdk.errors import FileTooLarge, Gone, Invalid, NotFound, Refused

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40
READING = "attachments:content"


async def pieces(*parts: Any) -> AsyncIterator[Any]:
    for part in parts:
        yield part


async def read(ctx: Any, id: str) -> bytes:
    return b"".join([chunk async for chunk in ctx.attachments.content(id)])


async def counts(world: Any) -> tuple[int, int]:
    """Files and chunks that are stored."""

    def unit(conn: sa.Connection) -> tuple[int, int]:
        files, chunks = (conn.scalar(sa.select(sa.func.count()).select_from(one)) for one in (t.file, t.file_chunk))
        return files or 0, chunks or 0

    found: tuple[int, int] = await world.db.read(unit)
    return found


async def added(world: Any, content: bytes = PNG, *, key: str = "k", ctx: Any = None) -> str:
    ctx = ctx or await world.ctx()
    made: str = await ctx.attachments.add_file(world.ids["north"]["near task"], "plan.png", pieces(content), key=key)
    return made


async def test_a_file_comes_back_as_it_was_with_what_is_known_about_it(world: Any) -> None:
    ctx = await world.ctx()
    content = PNG + bytes(range(256)) * 3000
    made = await added(world, content)
    assert await read(ctx, made) == content
    [found] = [one for one in await ctx.attachments.list(world.ids["north"]["near task"]) if one.id == made]
    assert (found.name, found.url, found.media_type, found.size) == ("plan.png", None, "image/png", len(content))
    assert found.sha256 == hashlib.sha256(content).hexdigest()
    assert all(len(chunk) <= CHUNK for chunk in [chunk async for chunk in ctx.attachments.content(made)])


async def test_an_empty_file_is_one_too(world: Any) -> None:
    ctx = await world.ctx()
    assert await read(ctx, await added(world, b"")) == b""


async def test_a_link_has_nothing_of_a_file(world: Any) -> None:
    ctx, north = await world.ctx(), world.ids["north"]
    [link, *_] = await ctx.attachments.list(north["near task"])
    assert (link.media_type, link.size, link.sha256) == (None, None, None)
    with pytest.raises(Invalid, match="link"):
        await read(ctx, north["near attachment of ben"])


async def test_the_same_key_is_the_same_file_and_nothing_of_the_second_is_read(world: Any) -> None:
    ctx = await world.ctx()
    first = await added(world)
    asked = []

    async def unread() -> AsyncIterator[bytes]:
        asked.append(1)
        yield b"other"

    again = await ctx.attachments.add_file(world.ids["north"]["near task"], "other.txt", unread(), key="k")
    assert (first, asked) == (again, [])
    await ctx.attachments.remove(first)
    with pytest.raises(Gone):
        await added(world)


async def test_of_two_uploads_with_one_key_at_once_one_is_kept(world: Any) -> None:
    made = await asyncio.gather(added(world, b"one"), added(world, b"two"))
    assert made[0] == made[1]
    assert await counts(world) == (1, 1)


async def test_what_the_content_raises_is_raised_and_nothing_stays(world: Any) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * CHUNK
        raise ConnectionResetError("went away")

    ctx, task = await world.ctx(), world.ids["north"]["near task"]
    with pytest.raises(ConnectionResetError, match="went away"):
        await ctx.attachments.add_file(task, "a.bin", broken(), key="k")
    with pytest.raises(Invalid, match="bytes"):
        await ctx.attachments.add_file(task, "a.bin", pieces(b"x", "text"), key="k")
    assert await counts(world) == (0, 0)
    assert await read(ctx, await added(world))  # the key is still free


async def test_a_file_over_the_limit_is_refused_by_its_number_and_nothing_stays(world: Any) -> None:
    world.factory._services = replace(world.factory._services, file_bytes=1000)
    ctx = await world.ctx()
    with pytest.raises(FileTooLarge) as caught:
        await added(world, b"x" * 1001, ctx=ctx)
    assert caught.value.to_json()["code"] == "file_too_large"
    assert caught.value.limit == 1000
    assert await counts(world) == (0, 0)
    assert await read(ctx, await added(world, b"x" * 1000, ctx=ctx)) == b"x" * 1000


async def test_removing_an_attachment_removes_its_bytes(world: Any) -> None:
    ctx = await world.ctx()
    made = await added(world)
    await ctx.attachments.remove(made)
    assert await counts(world) == (0, 0)
    with pytest.raises(NotFound):
        await read(ctx, made)


async def test_an_upload_that_broke_off_is_swept_after_an_hour_and_others_stay(world: Any) -> None:
    made = await added(world)
    begun = asyncio.Event()

    async def hanging() -> AsyncIterator[bytes]:
        yield b"x" * CHUNK
        begun.set()
        await asyncio.Event().wait()

    ctx = await world.ctx()
    upload = asyncio.create_task(ctx.attachments.add_file(world.ids["north"]["near task"], "a", hanging(), key="h"))
    await begun.wait()
    upload.cancel()
    await asyncio.gather(upload, return_exceptions=True)
    assert await counts(world) == (2, 2)
    assert await world.db.write(sweep, world.now) == 0
    assert await world.db.write(sweep, world.now + UNFINISHED) == 1
    assert await counts(world) == (1, 1)
    assert await read(ctx, made) == PNG


async def test_an_upload_that_was_swept_meanwhile_says_so_and_leaves_no_half(world: Any) -> None:
    async def slow() -> AsyncIterator[bytes]:
        yield b"x" * CHUNK
        await world.db.write(sweep, world.now + UNFINISHED)
        yield b"x" * CHUNK

    ctx = await world.ctx()
    with pytest.raises(Gone, match="Send it again"):
        await ctx.attachments.add_file(world.ids["north"]["near task"], "a", slow(), key="k")
    assert await counts(world) == (0, 0)


async def test_reading_a_file_needs_its_own_scope_and_is_recorded_before_the_first_byte(world: Any) -> None:
    ctx = await world.ctx()
    made = await added(world)
    await world.grant(set(SCOPES) - {READING})
    with pytest.raises(Refused) as caught:
        await read(ctx, made)
    assert caught.value.scope == READING
    await world.grant({READING})
    before = len(await world.given())
    assert await read(ctx, made) == PNG
    entry = (await world.given())[-1]
    assert (entry.channel, set(entry.details)) == ("file", {"attachment.content"})
    assert len(await world.given()) == before + 1
    world.now += dt.timedelta(days=1)
    world.ledger.failing = True
    with pytest.raises(Exception, match="inside the host"):
        await anext(ctx.attachments.content(made))


async def stop_disabled(world: Any, _: str) -> None:
    await world.state("disabled")


async def stop_declined(world: Any, _: str) -> None:
    await world.grant(set(SCOPES) - {READING})


async def stop_removed(world: Any, made: str) -> None:
    await world.db.write(attachments.delete, world.ids["north"]["organisation"], made)


async def stop_objected(world: Any, _: str) -> None:
    await world.objections.object(world.doer("ben"), "an-app")


STOPS: list[tuple[Any, type[Exception]]] = [
    (stop_disabled, Gone),
    (stop_declined, Refused),
    (stop_removed, Gone),
    (stop_objected, NotFound),
]


@pytest.mark.parametrize(("stop", "error"), STOPS, ids=lambda each: getattr(each, "__name__", ""))
async def test_what_is_decided_while_a_file_is_read_holds_from_the_next_chunk(
    world: Any, stop: Any, error: type[Exception]
) -> None:
    made = await added(world, b"x" * (3 * CHUNK))
    mine = sa.update(t.attachment).where(t.attachment.c.id == made).values(author_id=world.ids["north"]["ben"])
    await world.db.write(lambda conn: conn.execute(mine))
    reading = (await world.ctx()).attachments.content(made)
    assert len(await anext(reading)) == CHUNK
    await stop(world, made)
    with pytest.raises(error):
        await anext(reading)


async def test_files_of_who_is_withheld_are_absent(world: Any) -> None:
    ctx = await world.ctx()
    made = await added(world)
    mine = sa.update(t.attachment).where(t.attachment.c.id == made).values(author_id=world.ids["north"]["ben"])
    await world.db.write(lambda conn: conn.execute(mine))
    await world.objections.object(world.doer("ben"), "an-app")
    with pytest.raises(NotFound):
        await read(ctx, made)
    assert made not in {one.id for one in await ctx.attachments.list(world.ids["north"]["near task"])}


async def test_a_file_of_another_organisation_or_out_of_reach_is_not_there(world: Any) -> None:
    south = await world.ctx("south")
    far = await south.attachments.add_file(world.ids["south"]["far task"], "a", pieces(PNG), key="k")
    assert await read(south, far) == PNG
    north = await world.ctx()
    for other in (far, "x", world.ids["north"]["far attachment of ben"]):
        with pytest.raises(NotFound):
            await read(north, other)
    for task in (world.ids["south"]["far task"], world.ids["north"]["far task"]):
        with pytest.raises(NotFound):
            await north.attachments.add_file(task, "a", pieces(PNG), key="k")


async def test_attaching_needs_the_power_and_a_name(world: Any) -> None:
    ctx = await world.ctx()
    with pytest.raises(Invalid, match="name"):
        await ctx.attachments.add_file(world.ids["north"]["near task"], "../", pieces(PNG), key="k")
    await world.grant(set(SCOPES) - {"attachments:write"})
    with pytest.raises(Refused):
        await added(world, ctx=ctx)


MIB = 1024 * 1024


async def blocks(number: int) -> AsyncIterator[bytes]:
    for index in range(number):
        yield bytes([index % 251]) * MIB


async def through_the_apps_loop(ctx: Any, call: Any) -> Any:
    loop = AppLoop()
    try:
        return await loop.run(lambda span: call(Crossing(ctx, span)), limit=60)
    finally:
        await loop.close()


@pytest.mark.timeout(120)
async def test_twenty_mebibytes_pass_both_ways_a_few_chunks_at_a_time(world: Any) -> None:
    ctx, task = await world.ctx(), world.ids["north"]["near task"]

    async def there_and_back(crossing: Any) -> tuple[int, str]:
        made = await crossing.attachments.add_file(task, "large.bin", blocks(20), key="large")
        digest, size = hashlib.sha256(), 0
        async for chunk in crossing.attachments.content(made):
            digest.update(chunk)
            size += len(chunk)
        return size, digest.hexdigest()

    tracemalloc.start()
    try:
        size, digest = await through_the_apps_loop(ctx, there_and_back)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    expected = hashlib.sha256()
    async for block in blocks(20):
        expected.update(block)
    assert (size, digest) == (20 * MIB, expected.hexdigest())
    assert peak < 10 * MIB


async def test_across_the_loops_errors_come_out_where_they_belong(world: Any) -> None:
    ctx, task = await world.ctx(), world.ids["north"]["near task"]

    async def broken() -> AsyncIterator[bytes]:
        yield b"x"
        raise KeyError("the app's own")

    async def own(crossing: Any) -> Any:
        try:
            await crossing.attachments.add_file(task, "a", broken(), key="k")
        except KeyError as error:
            return str(error)

    async def refused(crossing: Any) -> Any:
        taken = []

        async def endless() -> AsyncIterator[bytes]:
            while True:
                taken.append(1)
                yield b"x"

        with pytest.raises(NotFound):
            await crossing.attachments.add_file(world.ids["north"]["far task"], "a", endless(), key="k")
        return len(taken)

    assert await through_the_apps_loop(ctx, own) == repr("the app's own")
    assert await through_the_apps_loop(ctx, refused) < 100
