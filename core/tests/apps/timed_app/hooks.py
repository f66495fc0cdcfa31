"""Writes down each run of a schedule, the weekly one in three calls. Fails or waits as its storage says."""

from __future__ import annotations

from typing import Any

from assigntask_sdk import Ctx, More, Put, hook
from assigntask_sdk.hooks import Scheduled, TaskChanged


async def wrote(ctx: Ctx, said: list[str]) -> None:
    entry = await ctx.storage.get("said")
    before: Any = [] if entry is None else entry.value
    await ctx.storage.commit(Put("said", [*before, said]))


@hook.task_changed
async def changed(ctx: Ctx, ask: TaskChanged) -> None:
    await wrote(ctx, ["heard", ask.task.summary])


@hook.scheduled
async def scheduled(ctx: Ctx, ask: Scheduled) -> More | None:
    entry = await ctx.storage.get("failures")
    left = 0 if entry is None else int(str(entry.value))
    if left:
        await ctx.storage.commit(Put("failures", left - 1))
        raise RuntimeError("broken")
    while await ctx.storage.get("hold") is not None:
        continue
    await wrote(ctx, [ask.name, ask.due_at.isoformat(), ask.id])
    if ask.name == "often":
        return None
    entry = await ctx.storage.get(ask.id)
    count = 1 if entry is None else int(str(entry.value)) + 1
    await ctx.storage.commit(Put(ask.id, count))
    return More() if count < 3 else None
