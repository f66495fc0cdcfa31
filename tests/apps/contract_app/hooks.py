"""Is granted much, so that its ctx can be tried from outside."""

from __future__ import annotations

from assigntask_sdk import Ctx, hook
from assigntask_sdk.hooks import TaskChanged


@hook.task_changed
async def changed(ctx: Ctx, ask: TaskChanged) -> None:
    return None
