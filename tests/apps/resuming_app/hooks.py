"""Work in many steps that survives a kill at each of them; its setting makes it careless in one way or another."""

from __future__ import annotations

from collections.abc import AsyncIterator

from assigntask_sdk import Ctx, More, Put, hook
from assigntask_sdk.errors import Conflict
from assigntask_sdk.hooks import JobAsk, Scheduled, TaskChanged

PARTS = 2


async def number(ctx: Ctx, key: str) -> int:
    entry = await ctx.storage.get(key)
    return 0 if entry is None else int(str(entry.value))


@hook.scheduled
async def scheduled(ctx: Ctx, ask: Scheduled) -> More | None:
    """Makes two tasks, one with each call, and comments on each."""
    careless = ctx.settings["careless"]
    done = await number(ctx, ask.id)
    if done == PARTS and careless != "forgets the end":
        return None
    if careless == "stumbles" and await ctx.storage.get(f"begun/{done}") is not None:
        raise RuntimeError("begun before")
    if careless == "stumbles":
        await ctx.storage.commit(Put(f"begun/{done}", True))
    if careless == "says too early":
        await ctx.storage.commit(Put(ask.id, done + 1))
    project = (await ctx.projects.list())[0].id
    key = None if careless == "no key" else f"{ask.id}/{done}"
    task = await ctx.tasks.create(f"Oil the chain, part {done + 1}", project=project, key=key)
    await ctx.tasks.comment(task, "As every week", key=f"{ask.id}/{done}")
    await ctx.storage.task(task).commit(Put("made", ask.id))
    if careless == "counts twice":
        await ctx.storage.commit(Put("total", await number(ctx, "total") + 1))
    if careless == "clings to life":
        await cling(ctx)
    await ctx.storage.commit(Put(ask.id, done + 1))
    return More() if done + 1 < PARTS else None


async def cling(ctx: Ctx) -> None:
    try:
        await ctx.problems.report("busy", "It is at work")
    except BaseException:
        await ctx.storage.commit(Put("clung", True))


@hook.job
async def job(ctx: Ctx, ask: JobAsk) -> None:
    async def entries() -> AsyncIterator[Put]:
        for each in range(1100):
            yield Put(f"row/{each:04}", each)

    await ctx.storage.apply(entries())
    await ctx.jobs.progress(ask.id, 1100, 1100, "all of them")


@hook.task_changed
async def changed(ctx: Ctx, ask: TaskChanged) -> None:
    try:
        await ctx.storage.commit(Put(f"heard/{ask.id}", ask.task.summary, if_version=0))
    except Conflict:
        return
    await ctx.problems.report("heard", "It has heard something")
