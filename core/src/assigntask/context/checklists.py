"""`ctx.checklists`: changing them. What they hold is read with their task."""

from __future__ import annotations

from collections.abc import Sequence

from assigntask.context.access import Access
from assigntask.context.boundary import for_app
from assigntask.context.reach import reached_checklist, reached_item, reached_task
from assigntask_sdk.records import ChecklistId, ChecklistItemId, TaskId

WRITE = "tasks:write"


class CtxChecklists:
    def __init__(self, access: Access) -> None:
        self._access = access

    @for_app
    async def add(self, task: TaskId, name: str, items: Sequence[str] = (), *, key: str) -> ChecklistId:
        """With the same `key` again: the same checklist. Raises NotFound, Invalid, Vetoed, Refused, Conflict."""
        grant = await self._access.powered(WRITE)
        await reached_task(self._access, grant, task)
        actions, doer = self._access.services.checklists, self._access.doer(grant)
        return ChecklistId(await actions.add(doer, task, name, items, key=key))

    @for_app
    async def add_item(self, checklist: ChecklistId, text: str, *, key: str) -> ChecklistItemId:
        """With the same `key` again: the same item. Raises NotFound, Invalid, Vetoed, Refused, Conflict."""
        grant = await self._access.powered(WRITE)
        await reached_checklist(self._access, grant, checklist)
        actions, doer = self._access.services.checklists, self._access.doer(grant)
        return ChecklistItemId(await actions.add_item(doer, checklist, text, key=key))

    @for_app
    async def set_done(self, item: ChecklistItemId, done: bool) -> None:
        """Raises NotFound, Invalid, Vetoed, Refused, Conflict."""
        grant = await self._access.powered(WRITE)
        await reached_item(self._access, grant, item)
        await self._access.services.checklists.set_done(self._access.doer(grant), item, done)
