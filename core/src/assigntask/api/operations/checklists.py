"""Checklists: they are read with their task."""

from __future__ import annotations

from collections.abc import Sequence

from assigntask_sdk.records import ChecklistId, ChecklistItemId, TaskId

from ..bodies import PATCH_TYPES, Body, Keyed
from ..operation import Call, Form, Operation, Shape
from ..replies import Reply, created, nothing
from .common import NO_CONTENT
from .tasks import Created


class ChecklistCreate(Keyed):
    name: str
    items: Sequence[str] = ()


class ChecklistItemCreate(Keyed):
    text: str


class ChecklistItemPatch(Body):
    done: bool


async def add(call: Call) -> Reply:
    task, body = TaskId(call.path["id"]), call.body
    return created(await call.ctx.checklists.add(task, body.name, body.items, key=call.key_or_new()))


async def add_item(call: Call) -> Reply:
    checklist = ChecklistId(call.path["id"])
    return created(await call.ctx.checklists.add_item(checklist, call.body.text, key=call.key_or_new()))


async def set_done(call: Call) -> Reply:
    await call.ctx.checklists.set_done(ChecklistItemId(call.path["id"]), call.body.done)
    return nothing()


_CHANGES = frozenset({"vetoed", "conflict"})

OPERATIONS = (
    Operation(
        id="addChecklist",
        method="POST",
        path="/tasks/{id}/checklists",
        summary="Add a checklist to a task, behind those that are there",
        handler=add,
        answer=Shape(201, "It was added.", Created),
        scope="tasks:write",
        power=True,
        form=Form(ChecklistCreate),
        problems=_CHANGES | {"gone"},
    ),
    Operation(
        id="addChecklistItem",
        method="POST",
        path="/checklists/{id}/items",
        summary="Add an item to a checklist, behind those that are there",
        handler=add_item,
        answer=Shape(201, "It was added.", Created),
        scope="tasks:write",
        power=True,
        form=Form(ChecklistItemCreate),
        problems=_CHANGES | {"gone"},
    ),
    Operation(
        id="editChecklistItem",
        method="PATCH",
        path="/checklist-items/{id}",
        summary="Say whether an item is done",
        handler=set_done,
        answer=NO_CONTENT,
        scope="tasks:write",
        power=True,
        form=Form(ChecklistItemPatch, PATCH_TYPES),
        problems=_CHANGES,
    ),
)
