"""Stops in the middle of a hook until a test says `go`, then writes into its storage."""

from __future__ import annotations

import asyncio
import threading

from assigntask_sdk import Badge, Ctx, Put, TaskId, Veto, hook
from assigntask_sdk.hooks import TaskBadges, TaskChanged, TaskSaving, Uninstalling

waiting_in: set[str] = set()
"""The hooks in which it is to wait."""
arrived = threading.Event()
go = threading.Event()
goodbyes: list[str] = []


async def wait(ctx: Ctx, name: str) -> None:
    if name not in waiting_in:
        return
    arrived.set()
    while not go.is_set():
        await asyncio.sleep(0.005)
    await ctx.storage.commit(Put(name, "I went on"))


@hook.task_saving
async def saving(ctx: Ctx, ask: TaskSaving) -> Veto | None:
    await wait(ctx, "task_saving")
    return Veto("too late") if "task_saving" in waiting_in else None


@hook.task_badges
async def badges(ctx: Ctx, ask: TaskBadges) -> dict[TaskId, list[Badge]]:
    await wait(ctx, "task_badges")
    return {task.id: [Badge("here")] for task in ask.tasks}


@hook.task_changed
async def changed(ctx: Ctx, ask: TaskChanged) -> None:
    await wait(ctx, "task_changed")


@hook.uninstalling
async def goodbye(ctx: Ctx, ask: Uninstalling) -> None:
    goodbyes.append(ask.id)
