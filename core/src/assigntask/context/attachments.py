"""`ctx.attachments`: links on a task, except those that withheld people added."""

from __future__ import annotations

from collections.abc import Sequence

from assigntask.context.access import Access, opened
from assigntask.context.boundary import for_app
from assigntask.context.fields import details_of_record
from assigntask.context.reach import reached_attachment, reached_task
from assigntask.gate.gate import Slot
from assigntask.tasks import attachments as rows
from assigntask_sdk.records import Attachment, AttachmentId, TaskId

WRITE = "attachments:write"


class CtxAttachments:
    def __init__(self, access: Access) -> None:
        self._access = access

    @for_app
    async def list(self, task: TaskId) -> Sequence[Attachment]:
        """Oldest first. Raises NotFound, Refused."""
        grant = await self._access.grant()
        opened(grant, "attachment", "attachments:read")
        await reached_task(self._access, grant, task)
        facts = await self._access.services.db.read(rows.of_task, grant.organisation_id, task)
        values = await self._access.release(grant, details_of_record("attachment"), {"attachments": Slot(facts)})
        attachments: Sequence[Attachment] = values["attachments"]
        return attachments

    @for_app
    async def add(self, task: TaskId, name: str, url: str, *, key: str) -> AttachmentId:
        """With the same `key` again: the same attachment. Raises NotFound, Refused, Invalid."""
        grant = await self._access.powered(WRITE)
        await reached_task(self._access, grant, task)
        doer = self._access.doer(grant)
        made = await self._access.services.actions.attach(doer, task, name, url, key=key)
        return AttachmentId(made.id)

    @for_app
    async def remove(self, id: AttachmentId) -> None:
        """Raises NotFound, Refused."""
        grant = await self._access.powered(WRITE)
        await reached_attachment(self._access, grant, id)
        await self._access.services.actions.detach(self._access.doer(grant), id)
