"""It hears of changes, and has a job to do."""

from __future__ import annotations

from assigntask_sdk import Ctx, More, hook
from assigntask_sdk.hooks import JobAsk, TaskChanged


@hook.task_changed
async def changed(ctx: Ctx, ask: TaskChanged) -> None:
    """The API tells the same."""


@hook.job
async def job(ctx: Ctx, ask: JobAsk) -> More | None:
    return None
