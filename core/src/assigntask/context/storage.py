"""An app's storage as the host keeps it: one store for the installation, one for each task and person."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

from assigntask.db.database import Database
from assigntask.errors import HostError
from assigntask.stores import rows as store_rows
from assigntask.stores.plan import Write, chunks, key_bytes, prepare
from assigntask.stores.rows import Owner, Row
from assigntask_sdk.errors import Gone, Invalid
from assigntask_sdk.storage import MAX_INSTALLATION, PAGE, Entry, Operation, decode

T = TypeVar("T")


class Sealing(Protocol):
    """The subjects' keys: what is sealed under one can't be read once it was destroyed."""

    def seal(self, subject_id: str, data: bytes, *, associated: bytes) -> bytes: ...

    def open(self, subject_id: str, sealed: bytes, *, associated: bytes) -> bytes: ...


class OwnedStore:
    """One store of one owner. A person's values are encrypted under that person's key.

    Every method raises NotFound where a task or person that owns it is not there.
    """

    def __init__(self, db: Database, sealing: Sealing, owner: Owner, *, limit: int = MAX_INSTALLATION) -> None:
        self._db = db
        self._sealing = sealing
        self._owner = owner
        self._limit = limit

    async def get(self, key: str) -> Entry | None:
        return (await self.get_many([key])).get(key)

    async def get_many(self, keys: Sequence[str]) -> dict[str, Entry]:
        wanted = {key_bytes(key) for key in keys}
        if len(wanted) > PAGE:
            raise Invalid({"keys": f"at most {PAGE} at once, these are {len(wanted)}"})
        subject, found = await self._db.read(store_rows.entries, self._owner, sorted(wanted))
        return dict(await self._entries(subject, found))

    async def scan(self, prefix: str = "", after: str = "") -> AsyncIterator[tuple[str, Entry]]:
        more = True
        while more:
            entries, more = await self.page(prefix, after, PAGE)
            for entry in entries:
                yield entry
            after = entries[-1][0] if entries else after

    async def page(self, prefix: str, after: str, limit: int) -> tuple[list[tuple[str, Entry]], bool]:
        """Up to `limit` entries in key order from behind `after`, and whether there may be more."""
        start, behind = _text("prefix", prefix), _text("after", after)
        subject, found, more = await self._db.read(store_rows.page, self._owner, start, behind, limit)
        return await self._entries(subject, found), more

    async def commit(self, *operations: Operation) -> None:
        writes = prepare(operations)
        if not writes:
            return
        sealed = self._owner.kind == "person"
        if sealed:
            subject = await self._db.read(store_rows.subject_of, self._owner)
            if subject is not None:
                plain = writes
                writes = await _off_loop(lambda: tuple(self._sealed(subject, write) for write in plain))
        await self._db.write(store_rows.commit, self._owner, writes, sealed=sealed, limit=self._limit)

    async def apply(self, operations: AsyncIterable[Operation]) -> None:
        async for chunk in chunks(operations):
            await self.commit(*chunk)

    async def _entries(self, subject: str | None, found: Sequence[Row]) -> list[tuple[str, Entry]]:
        if any(row.sealed for row in found):
            return await _off_loop(lambda: [self._entry(subject, row) for row in found])
        return [self._entry(subject, row) for row in found]

    def _entry(self, subject: str | None, row: Row) -> tuple[str, Entry]:
        data = row.value
        if row.sealed and subject is not None:
            data = self._sealing.open(subject, data, associated=self._bound_to(row.key))
        return row.key.decode(), Entry(decode(data, row.is_json), row.version)

    def _sealed(self, subject: str, write: Write) -> Write:
        if write.data is None:
            return write
        return replace(write, data=self._sealing.seal(subject, write.data, associated=self._bound_to(write.key)))

    def _bound_to(self, key: bytes) -> bytes:
        """Names the row, so that a sealed value moved to another one does not open. No part holds a NUL."""
        owner = self._owner
        place = (owner.organisation_id, owner.installation_id, owner.kind, owner.id)
        return b"\0".join((b"assigntask store", *(part.encode() for part in place), key))


class InstallationStore(OwnedStore):
    """The installation's own store, and the way to those of tasks and people.

    Ids are the host's own. Whether this installation may know the task or person is the caller's to check.
    """

    def __init__(
        self,
        db: Database,
        sealing: Sealing,
        *,
        organisation_id: str,
        installation_id: str,
        limit: int = MAX_INSTALLATION,
    ) -> None:
        super().__init__(db, sealing, Owner(organisation_id, installation_id), limit=limit)

    def task(self, id: str) -> OwnedStore:
        return OwnedStore(self._db, self._sealing, replace(self._owner, kind="task", id=id), limit=self._limit)

    def person(self, id: str) -> OwnedStore:
        return OwnedStore(self._db, self._sealing, replace(self._owner, kind="person", id=id), limit=self._limit)


async def _off_loop(work: Callable[[], T]) -> T:
    """Runs the encryption of up to a page of values in a thread. Raises Gone where the key was destroyed."""
    try:
        return await asyncio.to_thread(work)
    except HostError as error:
        if error.code != "subject_key_gone":
            raise
        raise Gone("This person was forgotten, and what was stored about them can't be read any more.") from None


def _text(name: str, text: str) -> bytes:
    try:
        return text.encode()
    except (UnicodeEncodeError, AttributeError):
        raise Invalid({name: "this is no text that a key can hold"}) from None
