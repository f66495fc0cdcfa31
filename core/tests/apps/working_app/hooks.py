"""Starts a job for each task that it hears of: the task's summary says which, and what it is to count to."""

from __future__ import annotations

from typing import Any

from assigntask_sdk import Ctx, More, Put, hook
from assigntask_sdk.hooks import JobAsk, TaskChanged


async def wrote(ctx: Ctx, said: str) -> None:
    entry = await ctx.storage.get("said")
    before: Any = [] if entry is None else entry.value
    await ctx.storage.commit(Put("said", [*before, said]))


@hook.task_changed
async def changed(ctx: Ctx, ask: TaskChanged) -> None:
    await wrote(ctx, f"heard {ask.task.summary}")
    name, _, to = ask.task.summary.partition(" ")
    if to:
        await ctx.jobs.start(name, {"to": int(to)}, key=ask.id)


@hook.job
async def job(ctx: Ctx, ask: JobAsk) -> More | None:
    """Counts to `to`, one with each call. A job called "break" always fails; "stumble" does at the first call."""
    entry = await ctx.storage.get(ask.id)
    count = 0 if entry is None else int(str(entry.value))
    await ctx.storage.commit(Put(ask.id, count + 1))
    if ask.name == "break" or (ask.name == "stumble" and count == 0):
        raise RuntimeError("broken")
    await ctx.jobs.progress(ask.id, count + 1, ask.args["to"], f"{count + 1} counted")
    await wrote(ctx, f"{ask.name} {count + 1}")
    return More() if count + 1 < ask.args["to"] else None
