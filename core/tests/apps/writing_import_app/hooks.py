"""Leaves a file when it is imported."""

from pathlib import Path
from typing import Any

from assigntask_sdk import Badge, Ctx, hook
from assigntask_sdk.hooks import TaskBadges

Path(__file__).with_name("imported.txt").write_text("somebody imported this\n")


@hook.task_badges
async def badges(ctx: Ctx, ask: TaskBadges) -> Any:
    return {task.id: [Badge("here")] for task in ask.tasks}
