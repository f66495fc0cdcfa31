"""Is granted much, so that its ctx can be tried from outside."""

from __future__ import annotations

from assigntask_sdk import Ctx, hook
from assigntask_sdk.hooks import JobAsk, TaskChanged


@hook.task_changed
async def changed(ctx: Ctx, ask: TaskChanged) -> None:
    return None


@hook.job
async def job(ctx: Ctx, ask: JobAsk) -> None:
    await ctx.jobs.progress(ask.id, 1, 1, "done")
