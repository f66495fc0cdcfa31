"""Draws. `calls` counts how often each hook was called and with how many tasks; `failing` makes panels fail."""

from __future__ import annotations

from assigntask_sdk import Badge, Ctx, Table, Text, hook
from assigntask_sdk.blocks import Block
from assigntask_sdk.hooks import Badges, BoardPanel, Panel, Report, Tables, TaskBadges, TaskPanel

calls: list[tuple[str, int]] = []
failing: set[str] = set()
TOO_MANY = 60


@hook.task_badges
async def badges(ctx: Ctx, ask: TaskBadges) -> Badges:
    calls.append(("task_badges", len(ask.tasks)))
    found = {task.id: [Badge(f"{ctx.settings['mood']} {len(task.summary)}")] for task in ask.tasks}
    return {**found, "of another page": [Badge("intruding")]}  # type: ignore[dict-item]  # what it may try


@hook.board_panel
async def board(ctx: Ctx, ask: BoardPanel) -> Panel:
    calls.append(("board_panel", 1))
    if "board_panel" in failing:
        raise RuntimeError("no panel today")
    if "too many" in failing:
        return [Text([str(n)]) for n in range(TOO_MANY)]
    return [Text([f"{ask.project.name} for {ctx.viewer}"])]


@hook.task_panel
async def task(ctx: Ctx, ask: TaskPanel) -> Panel:
    blocks: list[Block] = [Text([ask.task.summary, f" has {len(ask.attachments)}"])]
    return blocks


@hook.report
async def report(ctx: Ctx, ask: Report) -> Tables:
    return [Table(["since", "until"], [[ask.since.isoformat(), ask.until.isoformat()]])]
