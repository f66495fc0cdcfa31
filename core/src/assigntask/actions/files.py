"""Attaching a file: its bytes are kept as they come, and are an attachment once all of them are there."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterable, Callable
from contextlib import suppress

from sqlalchemy.engine import Connection

from assigntask.db.database import Database
from assigntask.db.errors import DatabaseError
from assigntask.db.ids import new_id
from assigntask.files import names
from assigntask.files import rows as files
from assigntask.files.receiving import Receiver
from assigntask.files.rows import Content
from assigntask.people.facts import Doer
from assigntask.tasks import attachments, keys
from assigntask.tasks.facts import AttachmentFacts

from .tasks import key_owner, reached_task, still_there, tell_about

OPERATION = "attachments.add_file"


class FileActions:
    """The same rights as for a link. `limit`: bytes that one file may have."""

    def __init__(self, db: Database, clock: Callable[[], dt.datetime], limit: int) -> None:
        self._db = db
        self._clock = clock
        self._limit = limit

    async def attach(
        self, doer: Doer, task_id: str, name: str, content: AsyncIterable[bytes], *, key: str
    ) -> AttachmentFacts:
        """Reads `content` to its end, one chunk in memory. With the same `key` again it reads nothing of it.

        Raises NotAllowed, NotFound, Invalid, FileTooLarge, Gone, and whatever `content` raises.
        """
        name = names.cleaned(name)
        known = await self._db.read(_known, doer, task_id, key)
        if known is not None:
            return known
        file_id = new_id()
        await self._db.write(files.begin, doer.organisation_id, file_id, self._clock())
        try:
            received = await self._receive(doer.organisation_id, file_id, content)
            return await self._db.write(_store, doer, task_id, name, file_id, received, key, self._clock())
        except Exception:
            with suppress(DatabaseError):  # the sweep does it then
                await self._db.write(files.drop, doer.organisation_id, file_id)
            raise

    async def _receive(self, organisation_id: str, file_id: str, content: AsyncIterable[bytes]) -> Content:
        receiver, number = Receiver(self._limit), 0
        async for piece in content:
            for chunk in receiver.take(piece):
                await self._db.write(files.append, organisation_id, file_id, number, chunk)
                number += 1
        for chunk in receiver.end():
            await self._db.write(files.append, organisation_id, file_id, number, chunk)
        return receiver.content()


def _known(conn: Connection, doer: Doer, task_id: str, key: str) -> AttachmentFacts | None:
    """What was made with this key before. Raises what keeps the doer from attaching anything."""
    reached_task(conn, doer, task_id)
    made = keys.made(conn, doer.organisation_id, key_owner(doer), OPERATION, key)
    return None if made is None else _made(conn, doer, made)


def _made(conn: Connection, doer: Doer, attachment_id: str) -> AttachmentFacts:
    return still_there(attachments.load(conn, doer.organisation_id, [attachment_id]).get(attachment_id))


def _store(
    conn: Connection, doer: Doer, task_id: str, name: str, file_id: str, content: Content, key: str, now: dt.datetime
) -> AttachmentFacts:
    """The attachment, its file, its event and its key at once; or the earlier one of this key."""
    organisation_id = doer.organisation_id
    task = reached_task(conn, doer, task_id)
    attachment = AttachmentFacts(
        id=new_id(),
        version=1,
        task=task.id,
        project=task.project,
        name=name,
        url=None,
        created=now,
        author=doer.person_id,
        media_type=content.media_type,
        size=content.size,
        sha256=content.sha256,
    )
    made = keys.take(conn, organisation_id, key_owner(doer), OPERATION, key, attachment.id, now)
    if made != attachment.id:
        files.drop(conn, organisation_id, file_id)
        return _made(conn, doer, made)
    attachments.insert(conn, organisation_id, [attachment])
    files.finish(conn, organisation_id, file_id, attachment.id, content)
    tell_about(conn, doer, "attachment.added", attachment, now)
    return attachment
