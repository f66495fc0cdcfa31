"""`ctx.attachments`: links and files on a task, except those that withheld people added."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Sequence

from assigntask.actions.files import FileActions
from assigntask.context.access import Access, opened
from assigntask.context.boundary import for_app, not_found
from assigntask.context.fields import details_of_record
from assigntask.context.reach import reached_attachment, reached_task
from assigntask.files import rows as files
from assigntask.gate.gate import Slot
from assigntask.grants.grant import Grant
from assigntask.ledger.channel import Channel
from assigntask.tasks import attachments as rows
from assigntask.tasks.facts import AttachmentFacts
from assigntask_sdk.errors import Gone, Invalid, Refused
from assigntask_sdk.records import Attachment, AttachmentId, TaskId

WRITE = "attachments:write"
CONTENT = "attachment.content"
CONTENT_SCOPE = "attachments:content"


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

    async def add_file(self, task: TaskId, name: str, content: AsyncIterable[bytes], *, key: str) -> AttachmentId:
        """Kept as it comes, in pieces of any size. With the same `key` again: the same attachment, and nothing is read.

        Raises NotFound, Refused, Invalid, FileTooLarge, Gone, and what `content` raises.
        """
        # Not `for_app` as a whole: what the app's own iterator raises is the app's.
        source = _Source(content)
        try:
            return await self._add_file(task, name, source, key)
        except Gone:
            if source.error is None:
                raise
        raise source.error

    @for_app
    async def _add_file(self, task: TaskId, name: str, content: AsyncIterable[bytes], key: str) -> AttachmentId:
        grant = await self._access.powered(WRITE)
        await reached_task(self._access, grant, task)
        services = self._access.services
        actions = FileActions(services.db, services.clock, services.file_bytes)
        made = await actions.attach(self._access.doer(grant), task, name, content, key=key)
        return AttachmentId(made.id)

    async def content(self, id: AttachmentId) -> AsyncIterator[bytes]:
        """What is in a file, in pieces of at most 256 KiB. Whether it may be read is asked anew before each.

        Raises NotFound, Refused, Gone (also in the middle), Invalid for a link.
        """
        facts = await self._open(id)
        left, number = facts.size or 0, 0
        while left > 0:
            chunk = await self._chunk(facts, number)
            left -= len(chunk)
            number += 1
            yield chunk

    @for_app
    async def remove(self, id: AttachmentId) -> None:
        """A file's bytes go with it. Raises NotFound, Refused."""
        grant = await self._access.powered(WRITE)
        await reached_attachment(self._access, grant, id)
        await self._access.services.actions.detach(self._access.doer(grant), id)

    @for_app
    async def _open(self, id: AttachmentId) -> AttachmentFacts:
        """Recorded when it returns."""
        grant = await self._access.grant()
        _readable(grant)
        await reached_attachment(self._access, grant, id)
        services = self._access.services
        facts = (await services.db.read(rows.load, grant.organisation_id, [id])).get(id)
        if facts is None:
            raise not_found("attachment")
        if facts.url is not None:
            raise Invalid({"id": "this attachment is a link and holds nothing: its url says where it leads"})
        slots = {"file": Slot(facts, detail=CONTENT)}
        released = await services.gate.release(grant, frozenset({CONTENT}), slots, channel=Channel.FILE)
        if released.values["file"] is None:
            raise not_found("attachment")
        return facts

    @for_app
    async def _chunk(self, facts: AttachmentFacts, number: int) -> bytes:
        grant = await self._access.grant()
        _readable(grant)
        if not grant.reaches(facts.project) or (facts.author is not None and grant.withholds(facts.author)):
            raise not_found("attachment")
        chunk = await self._access.services.db.read(files.chunk, grant.organisation_id, facts.id, number)
        if not chunk:
            raise Gone("This file was removed while it was read.")
        return chunk


class _Source:
    """An app's iterator; remembers what it raised."""

    def __init__(self, content: AsyncIterable[bytes]) -> None:
        self._content = content
        self.error: Exception | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._content:
                yield piece
        except Exception as error:
            self.error = error
            raise Gone("The content broke off.") from None


def _readable(grant: Grant) -> None:
    """Raises Refused."""
    if CONTENT not in grant.details:
        raise Refused(CONTENT_SCOPE)
