"""The app's own storage, over the wire."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Sequence

from ..errors import Invalid
from ..records import PersonId, TaskId
from ..storage import PAGE, Entry, Operation
from .address import segment
from .calls import Calls
from .pages import Pages, Progress
from .reading import page
from .values import Chunk, checked_text, entry, key_params, only, operations_json


class ClientStore:
    """`owner`: what kind of thing the store belongs to, and its id; None: the installation itself."""

    def __init__(
        self, calls: Calls, progress: Progress | None = None, *, owner: tuple[str, str, str] | None = None
    ) -> None:
        self._calls = calls
        self._progress = progress
        self._owner = owner

    async def get(self, key: str) -> Entry | None:
        return (await self.get_many([key])).get(key)

    async def get_many(self, keys: Sequence[str]) -> dict[str, Entry]:
        """At most 1,000 keys; those that are absent are left out. Long lists are read in several calls."""
        if len(set(keys)) > PAGE:
            raise Invalid({"keys": f"at most {PAGE} at once, these are {len(set(keys))}"})
        found: dict[str, Entry] = {}
        for params in key_params(keys):
            items, _ = page(await self._calls.get(self._path("entries"), params))
            found.update(map(entry, items))
        return found

    def scan(self, prefix: str = "", after: str = "") -> AsyncIterator[tuple[str, Entry]]:
        """All keys with the prefix, in order, from behind `after`. Writes meanwhile do no harm."""

        async def fetch(cursor: str | None) -> tuple[list[tuple[str, Entry]], str | None]:
            params = [("prefix", checked_text("prefix", prefix)), ("limit", str(PAGE))]
            behind = checked_text("after", after) if cursor is None else cursor
            items, following = page(await self._calls.get(self._path("entries"), only(params, after=behind or None)))
            return [entry(item) for item in items], following

        return Pages(fetch, self._progress)

    async def commit(self, *operations: Operation) -> None:
        """All or nothing, at most 1,000 operations and 4 MiB. Raises Conflict (naming the keys) or Invalid."""
        body = {"operations": operations_json(operations)}
        # One that depends on versions would conflict with itself when it is sent again.
        depends = any(operation.if_version is not None for operation in operations)
        await self._calls.post(self._path("commit"), body, idempotent=not depends)

    async def apply(self, operations: AsyncIterable[Operation]) -> None:
        """Any number of operations, in chunks that are each all or nothing."""
        chunk = Chunk()
        async for operation in operations:
            if full := chunk.add(operation):
                await self.commit(*full)
        if rest := chunk.rest():
            await self.commit(*rest)

    def _path(self, what: str) -> str:
        if self._owner is None:
            return f"/storage/{what}"
        kind, owner_id, word = self._owner
        return f"/{kind}/{segment(owner_id, word)}/storage/{what}"


class ClientStorage(ClientStore):
    def task(self, id: TaskId) -> ClientStore:
        return ClientStore(self._calls, self._progress, owner=("tasks", id, "task"))

    def person(self, id: PersonId) -> ClientStore:
        return ClientStore(self._calls, self._progress, owner=("people", id, "person"))
