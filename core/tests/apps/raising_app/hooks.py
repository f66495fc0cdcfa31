"""Raises, in words that hold a value."""

from __future__ import annotations

from typing import Any

from assigntask_sdk import Ctx, hook
from assigntask_sdk.hooks import BoardPanel, TaskBadges, TaskChanged, TaskSaving


async def misbehave() -> Any:
    raise ZeroDivisionError("the value was 42")


@hook.task_saving
async def saving(ctx: Ctx, ask: TaskSaving) -> Any:
    return await misbehave()


@hook.task_badges
async def badges(ctx: Ctx, ask: TaskBadges) -> Any:
    return await misbehave()


@hook.board_panel
async def panel(ctx: Ctx, ask: BoardPanel) -> Any:
    return await misbehave()


@hook.task_changed
async def changed(ctx: Ctx, ask: TaskChanged) -> Any:
    return await misbehave()
