"""`ctx.people`: those whom this installation may know, by the ids that only it has."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import AsyncIterator, Collection, Sequence

from assigntask.context import cursors
from assigntask.context.access import Access, opened
from assigntask.context.boundary import for_app, not_found
from assigntask.context.cursors import behind, checked_limit
from assigntask.context.fields import needs_of
from assigntask.gate.gate import Slot
from assigntask.grants.grant import Grant
from assigntask.people import people as rows
from assigntask_sdk.errors import Invalid, NotFound
from assigntask_sdk.records import Person, PersonId

PAGE = 200
DEFAULT_LIMIT = 50
SCOPE = "people:name"  # the least that opens anything about people


class CtxPeople:
    def __init__(self, access: Access) -> None:
        self._access = access

    @for_app
    async def get(self, id: PersonId, *, fields: Collection[str] | None = None) -> Person:
        needs = needs_of("person", fields)
        grant = await self._opened()
        person_id = await self._access.services.grants.person_of(grant, id)
        found = await self._released(grant, needs, [person_id])
        if not found:
            raise not_found("person")
        return found[0]

    @for_app
    async def get_many(
        self, ids: Collection[PersonId], *, fields: Collection[str] | None = None
    ) -> dict[PersonId, Person]:
        needs = needs_of("person", fields)
        if isinstance(ids, str) or len(ids) > PAGE:
            raise Invalid({"ids": f"give a list of at most {PAGE} ids"})
        grant = await self._opened()
        known = [person for one in dict.fromkeys(ids) if (person := await self._known(grant, one)) is not None]
        return {person.id: person for person in await self._released(grant, needs, known)}

    async def list(self, *, fields: Collection[str] | None = None) -> AsyncIterator[Person]:
        needs, everyone = await self._begin(fields)
        for start in range(0, len(everyone), PAGE):
            for person in await self._page(needs, everyone[start : start + PAGE]):
                yield person

    @for_app
    async def page(
        self, fields: Collection[str] | None = None, cursor: str | None = None, limit: int = DEFAULT_LIMIT
    ) -> tuple[Sequence[Person], str | None]:
        """One page as `list` gives them, `limit` (1 to 200) at most, and the cursor of the next; None: no more.

        Raises Invalid, also for a cursor that no page of this list gave, and Refused.
        """
        limit, last = checked_limit(limit), behind("people", cursor)
        grant, needs, everyone = await self._everyone(fields)
        start = 0 if last is None else bisect_right(everyone, last, key=grant.pairwise)
        ids = everyone[start : start + limit]
        more = cursors.cursor("people", grant.pairwise(ids[-1])) if start + limit < len(everyone) else None
        return await self._released(grant, needs, ids), more

    @for_app
    async def _begin(self, fields: Collection[str] | None) -> tuple[frozenset[str], Sequence[str]]:
        _, needs, everyone = await self._everyone(fields)
        return needs, everyone

    async def _everyone(self, fields: Collection[str] | None) -> tuple[Grant, frozenset[str], Sequence[str]]:
        needs = needs_of("person", fields)
        grant = await self._opened()
        everyone = await self._access.services.db.read(rows.everyone, grant.organisation_id)
        # In the order of this app's own ids: any other would be the same for every app, and so an id again.
        return grant, needs, sorted((one for one in everyone if not grant.withholds(one)), key=grant.pairwise)

    @for_app
    async def _page(self, needs: frozenset[str], ids: Sequence[str]) -> Sequence[Person]:
        return await self._released(await self._opened(), needs, ids)

    async def _opened(self) -> Grant:
        grant = await self._access.grant()
        opened(grant, "person", SCOPE)
        return grant

    async def _known(self, grant: Grant, id: PersonId) -> str | None:
        try:
            return await self._access.services.grants.person_of(grant, id)
        except NotFound:
            return None

    async def _released(self, grant: Grant, needs: frozenset[str], ids: Sequence[str]) -> Sequence[Person]:
        """In the order of `ids`; those who are withheld are left out."""
        found = await self._access.services.db.read(rows.load, grant.organisation_id, ids)
        facts = [found[person_id] for person_id in ids if person_id in found]
        values = await self._access.release(grant, needs, {"people": Slot(facts)})
        return [person for person in values["people"] if not person.withheld]
