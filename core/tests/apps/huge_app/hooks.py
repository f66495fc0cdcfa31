"""Answers with 10 MB."""

from __future__ import annotations

from typing import Any

from assigntask_sdk import Badge, Ctx, Text, Veto, hook
from assigntask_sdk.hooks import BoardPanel, TaskBadges, TaskChanged, TaskSaving


async def misbehave() -> Any:
    return [Text(["y" * 10_000_000])]


@hook.task_saving
async def saving(ctx: Ctx, ask: TaskSaving) -> Any:
    return Veto("y" * 10_000_000)


@hook.task_badges
async def badges(ctx: Ctx, ask: TaskBadges) -> Any:
    return {task.id: [Badge("y" * 40)] * 100_000 for task in ask.tasks}


@hook.board_panel
async def panel(ctx: Ctx, ask: BoardPanel) -> Any:
    return await misbehave()


@hook.task_changed
async def changed(ctx: Ctx, ask: TaskChanged) -> Any:
    return await misbehave()
