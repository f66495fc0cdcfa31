"""Attachments: links, and files in both directions."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Sequence
from contextlib import aclosing

from ..records import Attachment, AttachmentId, TaskId
from .address import segment
from .calls import Calls
from .reading import member, page, records
from .values import checked_text, keyed


class ClientAttachments:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def list(self, task: TaskId) -> Sequence[Attachment]:
        """Oldest first. Raises NotFound, Refused."""
        items, _ = page(await self._calls.get(f"/tasks/{segment(task, 'task')}/attachments"))
        return records(Attachment, items)

    async def add(self, task: TaskId, name: str, url: str, *, key: str) -> AttachmentId:
        """With the same `key` again: the same attachment. Raises NotFound, Refused, Invalid."""
        path = f"/tasks/{segment(task, 'task')}/attachments"
        return AttachmentId(
            member(await self._calls.post(path, keyed({"name": name, "url": url}, key), idempotent=True), "id")
        )

    async def add_file(self, task: TaskId, name: str, content: AsyncIterable[bytes], *, key: str) -> AttachmentId:
        """Sends the content as it comes. With the same `key` again: the same attachment.

        A stream that was begun can't be sent again: where the connection breaks, call once more with the same key and
        a new stream. Raises NotFound, Refused, Invalid, FileTooLarge, TryLater.
        """
        path = f"/tasks/{segment(task, 'task')}/files"
        params = [("name", name), ("key", checked_text("key", key))]
        return AttachmentId(member(await self._calls.upload(path, params, content), "id"))

    def content(self, id: AttachmentId) -> AsyncIterator[bytes]:
        """A file, in pieces as they arrive. Raises NotFound, Refused, Gone, TryLater where it breaks off."""
        return self._content(id)

    async def remove(self, id: AttachmentId) -> None:
        """Raises NotFound, Refused."""
        await self._calls.delete(f"/attachments/{segment(id, 'attachment')}")

    async def _content(self, id: AttachmentId) -> AsyncIterator[bytes]:
        pieces = self._calls.download(f"/attachments/{segment(id, 'attachment')}/content")
        async with aclosing(pieces):  # who stops early frees the connection at once
            async for piece in pieces:
                yield piece
