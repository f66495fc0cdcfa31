"""People and the organisation that they work in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence

from ..records import Department, Organisation, Person, PersonId, Project, ProjectId, TaskType
from .address import segment
from .calls import Calls
from .pages import Pages, Progress
from .reading import page, record, records, value
from .values import IDS, checked_ids, fields_param, only


class ClientPeople:
    def __init__(self, calls: Calls, progress: Progress | None = None) -> None:
        self._calls = calls
        self._progress = progress

    async def get(self, id: PersonId, *, fields: Collection[str] | None = None) -> Person:
        """Raises NotFound, also for somebody who is withheld; Refused, Invalid."""
        return record(Person, await self._calls.get(f"/people/{segment(id, 'person')}", fields_param(fields)))

    async def get_many(
        self, ids: Collection[PersonId], *, fields: Collection[str] | None = None
    ) -> dict[PersonId, Person]:
        """At most 200 ids; those that are missing are left out."""
        wanted = checked_ids(ids)
        if not wanted:
            return {}
        params = [*fields_param(fields), *(("ids", one) for one in wanted)]
        items, _ = page(await self._calls.get("/people", params))
        return {person.id: person for person in records(Person, items)}

    def list(self, *, fields: Collection[str] | None = None) -> AsyncIterator[Person]:
        """In pages of 200. Raises Invalid, Refused with the first page."""

        async def fetch(cursor: str | None) -> tuple[Sequence[Person], str | None]:
            params = [*fields_param(fields), ("limit", str(IDS))]
            items, after = page(await self._calls.get("/people", only(params, cursor=cursor)))
            return records(Person, items), after

        return Pages(fetch, self._progress)


class ClientProjects:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def get(self, id: ProjectId) -> Project:
        """Raises NotFound, Refused."""
        return record(Project, await self._calls.get(f"/projects/{segment(id, 'project')}"))

    async def list(self) -> Sequence[Project]:
        """Raises Refused."""
        items, _ = page(await self._calls.get("/projects"))
        return records(Project, items)


class ClientOrganisation:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def get(self) -> Organisation:
        """The one that the app is installed in. Raises Refused."""
        return record(Organisation, await self._calls.get("/organisation"))


class ClientDepartments:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def list(self) -> Sequence[Department]:
        """By name. Raises Refused."""
        items, _ = page(await self._calls.get("/departments"))
        return records(Department, items)


class ClientTaskTypes:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def list(self) -> Sequence[TaskType]:
        """By name; those that a task can have. Raises Refused."""
        items, _ = page(await self._calls.get("/task-types"))
        return [value(TaskType, {"id": item.get("id"), "name": item.get("name")}) for item in items]
