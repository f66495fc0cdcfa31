"""A call whose delivery is no longer its own writes nothing more, whatever it calls, and may go on reading."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import Database, new_id
from assigntask.db import tables as t
from assigntask.db.guarded import GuardedDatabase
from assigntask.events import deliveries
from assigntask.events.deliveries import Delivery
from assigntask.events.events import Event, record
from assigntask.events.fences import Fence
from assigntask.kit.needing import EFFECTS
from assigntask_sdk.errors import Superseded
from assigntask_sdk.storage import Put

LEASE = dt.timedelta(seconds=150)


async def stream(*items: Any) -> Any:
    for item in items:
        yield item


WRITES: Mapping[str, Callable[[Any, Mapping[str, str]], Awaitable[Any]]] = {
    "tasks.create": lambda c, p: c.tasks.create("New", project=p["near"], key="k"),
    "tasks.edit": lambda c, p: c.tasks.edit(p["near task"], summary="Other"),
    "tasks.archive": lambda c, p: c.tasks.archive(p["near task"]),
    "tasks.comment": lambda c, p: c.tasks.comment(p["near task"], "Hm", key="k"),
    "checklists.add": lambda c, p: c.checklists.add(p["near task"], "Steps", ["Oil"], key="k"),
    "checklists.add_item": lambda c, p: c.checklists.add_item(p["near checklist"], "Dry", key="k"),
    "checklists.set_done": lambda c, p: c.checklists.set_done(p["near item"], True),
    "attachments.add": lambda c, p: c.attachments.add(p["near task"], "A", "https://example.org", key="k"),
    "attachments.add_file": lambda c, p: c.attachments.add_file(p["near task"], "a", stream(b"words"), key="k"),
    "attachments.remove": lambda c, p: c.attachments.remove(p["near attachment of ben"]),
    "storage.commit": lambda c, p: c.storage.commit(Put("k", 1)),
    "storage.apply": lambda c, p: c.storage.apply(stream(Put("k", 1))),
    "storage.task.commit": lambda c, p: c.storage.task(p["near task"]).commit(Put("k", 1)),
    "storage.task.apply": lambda c, p: c.storage.task(p["near task"]).apply(stream(Put("k", 1))),
    "storage.person.commit": lambda c, p: c.storage.person(p["known as"]).commit(Put("k", 1)),
    "storage.person.apply": lambda c, p: c.storage.person(p["known as"]).apply(stream(Put("k", 1))),
    "problems.report": lambda c, p: c.problems.report("k", "It broke"),
    "problems.clear": lambda c, p: c.problems.clear("before"),
    "jobs.start": lambda c, p: c.jobs.start("import", {}, key="k"),
    "jobs.progress": lambda c, p: c.jobs.progress(p["job"], 1),
    "refresh": lambda c, p: c.refresh(p["near task"]),
}


def test_the_table_names_everything_that_writes() -> None:
    assert set(WRITES) == EFFECTS


def _queued(conn: Connection, ids: Mapping[str, str], now: dt.datetime) -> Delivery:
    event = Event(kind="task.changed", record_kind="task", record_id=ids["near task"], at=now)
    record(conn, ids["organisation"], event, hook="task_changed", recipients=[ids["installation"]])
    taken = deliveries.claim(conn, ids["organisation"], ids["installation"], now, LEASE)
    assert taken is not None
    return taken


def _job(conn: Connection, ids: Mapping[str, str], now: dt.datetime) -> str:
    mine = {"organisation_id": ids["organisation"], "installation_id": ids["installation"]}
    job_id, times = new_id(), {"started_at": now, "changed_at": now}
    conn.execute(sa.insert(t.job).values(id=job_id, **mine, name="import", args={}, state="waiting", **times))
    conn.execute(sa.insert(t.subscription).values(**mine, hook="job", ordinal=1, details=[]))
    conn.execute(sa.insert(t.enrolment).values(**mine, person_id=ids["ben"], settings={}, created_at=now))
    return job_id


def _everything(conn: Connection) -> dict[str, list[tuple[Any, ...]]]:
    tables = [table for table in t.metadata.sorted_tables if table.name not in ("file", "file_chunk")]
    return {table.name: sorted((tuple(row) for row in conn.execute(sa.select(table))), key=str) for table in tables}


async def called(world: Any) -> tuple[Any, Mapping[str, str], Delivery]:
    """A ctx in a call for a delivery, the ids of what it may reach, and that delivery."""
    ids = world.ids["north"]
    delivery = await world.db.write(_queued, ids, world.now)
    job = await world.db.write(_job, ids, world.now)
    fence = Fence(delivery.organisation_id, delivery.id, delivery.leased_until)
    ctx = await world.ctx(fence=fence)
    await ctx.problems.report("before", "It broke before")
    return ctx, {**ids, "job": job, "known as": await world.known_as("ben")}, delivery


def take_over(conn: Connection, delivery: Delivery, now: dt.datetime) -> Delivery | None:
    return deliveries.claim(conn, delivery.organisation_id, delivery.installation_id, now, LEASE)


async def test_all_is_written_while_the_delivery_is_its_own_also_when_the_lease_is_over(world: Any) -> None:
    ctx, ids, _ = await called(world)
    world.now += 2 * LEASE  # nobody has taken it over
    for name, write in WRITES.items():
        before = await world.db.read(_everything)
        await write(ctx, ids)
        assert name == "refresh" or await world.db.read(_everything) != before, name


@pytest.mark.parametrize("how", ["taken over", "told", "failed", "put back"])
async def test_nothing_is_written_once_it_is_not(world: Any, how: str) -> None:
    ctx, ids, delivery = await called(world)
    mine = ctx.as_person(ids["known as"])
    now = world.now + 2 * LEASE
    match how:
        case "taken over":
            assert await world.db.write(take_over, delivery, now) is not None
        case "told":
            assert await world.db.write(deliveries.done, delivery, now)
        case "failed":
            assert await world.db.write(deliveries.failed, delivery, now, "hook_timeout")
        case _:
            assert await world.db.write(deliveries.untried, delivery, now, None)
    before = await world.db.read(_everything)
    for write in WRITES.values():
        for each in (ctx, mine):
            with pytest.raises(Superseded):
                await write(each, ids)
    assert await world.db.read(_everything) == before
    assert world.refreshed == []
    assert (await ctx.tasks.get(ids["near task"])).summary == "near task of north"
    assert await ctx.storage.get("k") is None


async def test_a_call_for_a_question_is_fenced_by_nothing(world: Any) -> None:
    _, ids, delivery = await called(world)
    ctx = await world.ctx()
    await world.db.write(deliveries.done, delivery, world.now)
    await WRITES["tasks.comment"](ctx, ids)


async def test_a_takeover_during_a_write_undoes_it_and_one_after_it_waits(world: Any, database: Database) -> None:
    if database.dialect != "postgresql":
        pytest.skip("SQLite writes one unit after the other")
    ctx, ids, delivery = await called(world)
    fence, loop, later = ctx_fence(delivery), asyncio.get_running_loop(), world.now + 2 * LEASE

    def taking_over() -> Any:
        return asyncio.run_coroutine_threadsafe(database.write(take_over, delivery, later), loop)

    def overtaken(conn: Connection) -> None:
        conn.execute(sa.update(t.task).where(t.task.c.id == ids["near task"]).values(summary="too late"))
        assert taking_over().result(10) is not None

    guarded = GuardedDatabase(database, fence.check, fence.hold)
    with pytest.raises(Superseded):
        await guarded.write(overtaken)
    assert (await ctx.tasks.get(ids["near task"])).summary == "near task of north"

    again = await world.db.write(take_over, delivery, later + 2 * LEASE)
    assert again is not None
    delivery, later = again, later + 4 * LEASE
    fence = ctx_fence(delivery)
    waiting: list[Any] = []

    def holding(conn: Connection) -> None:
        fence.hold(conn)
        waiting.append(taking_over())
        with pytest.raises(TimeoutError):
            waiting[0].result(0.2)

    await GuardedDatabase(database, fence.check, holding).write(lambda conn: None)
    assert (await asyncio.wrap_future(waiting[0])) is not None


def ctx_fence(delivery: Delivery) -> Fence:
    return Fence(delivery.organisation_id, delivery.id, delivery.leased_until)


async def test_a_file_is_not_attached_by_a_call_that_was_overtaken_while_it_came(world: Any) -> None:
    ctx, ids, delivery = await called(world)

    async def coming() -> Any:
        yield b"a" * 300_000
        await world.db.write(take_over, delivery, world.now + 2 * LEASE)
        yield b"b" * 300_000

    with pytest.raises(Superseded):
        await ctx.attachments.add_file(ids["near task"], "a", coming(), key="k")
    listed = await ctx.attachments.list(ids["near task"])
    assert "a" not in {each.name for each in listed}
