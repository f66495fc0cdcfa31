"""Draws nothing: people are asked to let this app act in their name."""

from __future__ import annotations

from assigntask_sdk import Ctx, hook
from assigntask_sdk.hooks import Badges, TaskBadges


@hook.task_badges
async def badges(ctx: Ctx, ask: TaskBadges) -> Badges:
    return {}
