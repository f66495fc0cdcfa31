"""`ctx.storage`: the stores, behind the check of whom and what this installation may know."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Sequence

from assigntask.context.access import Access
from assigntask.context.boundary import for_app
from assigntask.context.reach import reached_task
from assigntask.context.storage import InstallationStore, OwnedStore
from assigntask.grants.grant import Grant
from assigntask.stores.plan import chunks
from assigntask_sdk.records import PersonId, TaskId
from assigntask_sdk.storage import PAGE, Entry, Operation

Opening = Callable[[Grant], Awaitable[OwnedStore]]


class CheckedStore:
    """Each call loads the grant and opens the store anew."""

    def __init__(self, access: Access, opening: Opening) -> None:
        self._access = access
        self._opening = opening

    @for_app
    async def get(self, key: str) -> Entry | None:
        return await (await self._open()).get(key)

    @for_app
    async def get_many(self, keys: Sequence[str]) -> dict[str, Entry]:
        return await (await self._open()).get_many(keys)

    async def scan(self, prefix: str = "", after: str = "") -> AsyncIterator[tuple[str, Entry]]:
        more = True
        while more:
            entries, more = await self.page(prefix, after, PAGE)
            for entry in entries:
                yield entry
            after = entries[-1][0] if entries else after

    @for_app
    async def page(self, prefix: str, after: str, limit: int) -> tuple[list[tuple[str, Entry]], bool]:
        """Up to `limit` entries in key order from behind `after`, and whether there may be more."""
        return await (await self._open()).page(prefix, after, limit)

    @for_app
    async def commit(self, *operations: Operation) -> None:
        await (await self._open()).commit(*operations)

    async def apply(self, operations: AsyncIterable[Operation]) -> None:
        # Not `for_app`: what the app's own iterator raises is the app's.
        async for chunk in chunks(operations):
            await self.commit(*chunk)

    async def _open(self) -> OwnedStore:
        return await self._opening(await self._access.own_grant())


class CheckedStorage(CheckedStore):
    def __init__(self, access: Access) -> None:
        services = access.services
        own = InstallationStore(
            services.db,
            services.sealing,
            organisation_id=access.organisation_id,
            installation_id=access.installation_id,
        )

        async def opening(grant: Grant) -> OwnedStore:
            return own

        super().__init__(access, opening)
        self._own = own

    def task(self, id: TaskId) -> CheckedStore:
        async def opening(grant: Grant) -> OwnedStore:
            await reached_task(self._access, grant, id)
            return self._own.task(id)

        return CheckedStore(self._access, opening)

    def person(self, id: PersonId) -> CheckedStore:
        async def opening(grant: Grant) -> OwnedStore:
            return self._own.person(await self._access.services.grants.person_of(grant, id))

        return CheckedStore(self._access, opening)
