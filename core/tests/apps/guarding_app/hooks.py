"""Refuses a task without a due date; the summary says what else it is to do."""

from __future__ import annotations

from assigntask_sdk import Amend, Ctx, TryLater, Veto, hook
from assigntask_sdk.hooks import Guard, TaskSaving


@hook.task_saving
async def saving(ctx: Ctx, ask: TaskSaving) -> Guard:
    task = ask.task
    if task.summary == "later":
        raise TryLater(after=3)
    if task.summary == "amend":
        return Amend({"summary": f"amended: {', '.join(ask.changed)}"})
    if task.summary == "unknown label":
        return Amend({"labels": ["no such label"]})
    if task.summary == "release everybody":
        return Amend({"summary": "released", "assignees": [p.id for p in task.assignees if not p.withheld][:1]})
    if task.due is None:
        return Veto("give it a due date", field="due")
    return None
