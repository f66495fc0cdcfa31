"""Draws whatever a test puts into `panel` and `badge`. `people` are the assignees that it was told of."""

from __future__ import annotations

from typing import Any

from assigntask_sdk import Badge, Ctx, hook
from assigntask_sdk.hooks import Badges, BoardPanel, Panel, TaskBadges

panel: list[Any] = []
badge: list[str] = []
people: set[str] = set()


@hook.task_badges
async def badges(ctx: Ctx, ask: TaskBadges) -> Badges:
    for task in ask.tasks:
        people.update(person.id for person in getattr(task, "assignees", ()))
    return {task.id: [Badge(text) for text in badge] for task in ask.tasks}


@hook.board_panel
async def board(ctx: Ctx, ask: BoardPanel) -> Panel:
    if not panel:
        raise RuntimeError("nothing to draw")
    return panel
