"""Jobs that an app gives itself, as its ctx sees them."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any

import pytest
import sqlalchemy as sa

from assigntask.context.jobs import MAX_ARGS
from assigntask.db import tables as t
from assigntask.jobs import rows
from assigntask_sdk.errors import Gone, Invalid, NotFound


async def listening(world: Any, where: str = "north") -> None:
    """Its manifest has a hook for jobs."""
    ids = world.ids[where]
    row = {"organisation_id": ids["organisation"], "installation_id": ids["installation"]}
    row |= {"hook": "job", "ordinal": 1, "details": []}
    await world.db.write(lambda conn: conn.execute(sa.insert(t.subscription).values(row)))


async def told(world: Any) -> list[tuple[str, str]]:
    """Hook and installation of every delivery."""
    d = t.delivery.c
    return await world.db.read(  # type: ignore[no-any-return]
        lambda conn: [tuple(row) for row in conn.execute(sa.select(d.hook, d.installation_id).order_by(d.position))]
    )


async def test_a_job_is_started_once_for_name_and_key_and_told_to_this_app_alone(world: Any) -> None:
    await listening(world)
    await listening(world, "south")
    ctx = await world.ctx()
    first = await ctx.jobs.start("import", {"from": ["a", 1, None]}, key="k")
    assert await ctx.jobs.start("import", {"other": True}, key="k") == first
    assert await ctx.jobs.start("export", None, key="k") != first
    job = await ctx.jobs.get(first)
    assert (job.id, job.name, job.state, job.done, job.total, job.text) == (
        first,
        "import",
        "waiting",
        None,
        None,
        None,
    )
    assert (job.started, job.changed) == (world.now, world.now)
    north = world.ids["north"]
    assert await told(world) == [("job", north["installation"])] * 2
    asked = await world.db.read(rows.asked, north["organisation"], north["installation"], first)
    assert asked == ("import", {"from": ["a", 1, None]})


async def test_of_two_starts_at_once_with_one_key_there_is_one_job(world: Any) -> None:
    await listening(world)
    ctx = await world.ctx()
    made = await asyncio.gather(*(ctx.jobs.start("import", number, key="k") for number in range(6)))
    assert len(set(made)) == 1
    assert len(await told(world)) == 1


async def test_without_a_hook_for_it_no_job_is_started(world: Any) -> None:
    with pytest.raises(Invalid, match=r"\[hooks\]"):
        await (await world.ctx()).jobs.start("import", {}, key="k")
    assert await told(world) == []


async def test_progress_is_kept_and_what_is_left_out_stays(world: Any) -> None:
    await listening(world)
    ctx = await world.ctx()
    job = await ctx.jobs.start("import", {}, key="k")
    world.now += dt.timedelta(minutes=1)
    await ctx.jobs.progress(job, 1, 10, "the first")
    await ctx.jobs.progress(job, done=2)
    found = await ctx.jobs.get(job)
    assert (found.done, found.total, found.text, found.changed) == (2, 10, "the first", world.now)
    await ctx.jobs.progress(job)


@pytest.mark.parametrize(
    "told",
    [{"done": -1}, {"done": 1.5}, {"done": True}, {"total": 2**63}, {"text": "x" * 201}, {"text": "\0"}, {"text": 7}],
    ids=repr,
)
async def test_progress_that_means_nothing_is_refused_by_name(world: Any, told: dict[str, Any]) -> None:
    await listening(world)
    ctx = await world.ctx()
    job = await ctx.jobs.start("import", {}, key="k")
    with pytest.raises(Invalid) as caught:
        await ctx.jobs.progress(job, **told)
    assert set(caught.value.fields) == set(told)


async def test_a_job_that_has_ended_takes_no_more_progress(world: Any) -> None:
    await listening(world)
    ctx, north = await world.ctx(), world.ids["north"]
    job = await ctx.jobs.start("import", {}, key="k")
    mine = (north["organisation"], north["installation"], job)
    await world.db.write(rows.ended, *mine, "failed", world.now, "hook_raised: it broke")
    with pytest.raises(Invalid, match="ended"):
        await ctx.jobs.progress(job, 1)
    assert (await ctx.jobs.get(job)).state == "failed"
    assert await world.db.read(rows.errors, *mine[:2]) == {job: "hook_raised: it broke"}
    assert await ctx.jobs.start("import", {}, key="k") == job  # what was asked for once is not done twice


LOOP: list[Any] = []
LOOP.append(LOOP)


def nested(depth: int) -> list[Any]:
    return [nested(depth - 1)] if depth else []


@pytest.mark.parametrize(
    "args",
    [float("nan"), b"bytes", {"a": {1, 2}}, "x" * MAX_ARGS, "a\0b", {"a\0b": 1}, "\ud800", LOOP, nested(100)],
    ids=lambda args: repr(args)[:20],
)
async def test_args_that_are_no_json_or_too_much_are_refused(world: Any, args: Any) -> None:
    await listening(world)
    with pytest.raises(Invalid) as caught:
        await (await world.ctx()).jobs.start("import", args, key="k")
    assert set(caught.value.fields) == {"args"}


@pytest.mark.parametrize(("name", "key"), [("", "k"), ("x" * 101, "k"), ("a", ""), ("a", "x" * 501), (7, "k")])
async def test_a_job_has_a_name_and_a_key(world: Any, name: Any, key: str) -> None:
    await listening(world)
    with pytest.raises(Invalid):
        await (await world.ctx()).jobs.start(name, {}, key=key)


async def test_too_many_unfinished_jobs_are_refused_until_one_ends(world: Any) -> None:
    await listening(world)
    ctx, north = await world.ctx(), world.ids["north"]
    made = [await ctx.jobs.start("import", {}, key=str(number)) for number in range(rows.MOST)]
    with pytest.raises(Invalid, match=str(rows.MOST)):
        await ctx.jobs.start("import", {}, key="more")
    assert await ctx.jobs.start("import", {}, key="0") == made[0]
    await world.db.write(rows.ended, north["organisation"], north["installation"], made[0], "done", world.now)
    last = await ctx.jobs.start("import", {}, key="more")
    listed = await ctx.jobs.list()
    assert [job.id for job in listed] == [last, *reversed(made[1:])]
    assert len(listed) == rows.LISTED


async def test_another_organisations_jobs_are_not_there(world: Any) -> None:
    await listening(world)
    job = await (await world.ctx()).jobs.start("import", {}, key="k")
    await listening(world, "south")
    south = await world.ctx("south")
    assert await south.jobs.list() == []
    for id_ in (job, "x", None):
        for act in (south.jobs.get(id_), south.jobs.progress(id_, 1)):
            with pytest.raises(NotFound):
                await act
    assert await south.jobs.start("import", {}, key="k") != job


async def test_an_app_that_is_disabled_starts_and_sees_no_job(world: Any) -> None:
    await listening(world)
    ctx = await world.ctx()
    job = await ctx.jobs.start("import", {}, key="k")
    await world.state("disabled")
    for act in (ctx.jobs.start("import", {}, key="l"), ctx.jobs.get(job), ctx.jobs.list(), ctx.jobs.progress(job, 1)):
        with pytest.raises(Gone):
            await act


async def test_what_ended_long_ago_is_swept_and_what_goes_on_is_not(world: Any) -> None:
    await listening(world)
    ctx, north = await world.ctx(), world.ids["north"]
    old, going = [await ctx.jobs.start("import", {}, key=key) for key in ("old", "going")]
    await world.db.write(rows.ended, north["organisation"], north["installation"], old, "done", world.now)
    assert await world.db.write(rows.sweep, world.now) == 0
    assert await world.db.write(rows.sweep, world.now + rows.KEPT) == 1
    assert [job.id for job in await ctx.jobs.list()] == [going]
