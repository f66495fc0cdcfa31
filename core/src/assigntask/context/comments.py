"""`ctx.comments`: what was written on a task, except by those who are withheld."""

from __future__ import annotations

from collections.abc import Sequence

from assigntask.context.access import Access, opened
from assigntask.context.boundary import for_app
from assigntask.context.fields import details_of_record
from assigntask.context.reach import reached_task
from assigntask.gate.gate import Slot
from assigntask.tasks import comments as rows
from assigntask_sdk.records import Comment, TaskId


class CtxComments:
    def __init__(self, access: Access) -> None:
        self._access = access

    @for_app
    async def list(self, task: TaskId) -> Sequence[Comment]:
        """Oldest first. Raises NotFound, Refused."""
        grant = await self._access.grant()
        opened(grant, "comment", "comments:read")
        await reached_task(self._access, grant, task)
        facts = await self._access.services.db.read(rows.of_task, grant.organisation_id, task)
        values = await self._access.release(grant, details_of_record("comment"), {"comments": Slot(facts)})
        comments: Sequence[Comment] = values["comments"]
        return comments
