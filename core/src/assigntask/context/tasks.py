"""`ctx.tasks`: reading through the gate, changing through the actions."""

from __future__ import annotations

import datetime as dt
import hmac
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Unpack

from assigntask.context import cursors
from assigntask.context.access import Access, opened
from assigntask.context.boundary import for_app, not_found
from assigntask.context.cursors import behind, checked_limit, no_cursor
from assigntask.context.edits import mentioned, resolved, with_withheld
from assigntask.context.fields import Filters, could_be_id, filters_of, known_ids, needs_of
from assigntask.context.reach import reached_project, reached_task
from assigntask.gate.gate import Slot
from assigntask.grants.grant import Grant
from assigntask.tasks import tasks as rows
from assigntask.tasks.facts import TaskFacts
from assigntask_sdk.context import TaskEdit, TaskFields, TaskFilters
from assigntask_sdk.details import DETAILS
from assigntask_sdk.errors import Conflict, Invalid, Refused
from assigntask_sdk.records import CommentId, ProjectId, Task, TaskId

PAGE = 200
DEFAULT_LIMIT = 50
ATTEMPTS = 3
READ = "tasks:read"
WRITE = "tasks:write"


Behind = tuple[dt.datetime, str]
"""When the last task that was seen was created, and its id."""


@dataclass(frozen=True, slots=True)
class _Selection:
    """Which tasks are listed, and by what right."""

    grant: Grant
    needs: frozenset[str]
    wanted: Filters


def stamp_of(grant: Grant, needs: frozenset[str], task_id: str, version: int) -> str:
    """Everything that decides the released bytes; whatever changes people or rights raises the epoch."""
    parts = (task_id, str(version), str(grant.epoch), grant.credential, *sorted(grant.opens(needs)))
    return hmac.digest(grant.key, "\0".join(("assigntask stamp", *parts)).encode(), "sha256").hex()[:32]


class CtxTasks:
    def __init__(self, access: Access) -> None:
        self._access = access

    @for_app
    async def get(self, id: TaskId, *, fields: Collection[str] | None = None) -> Task:
        found = await self._found([id] if could_be_id(id) else [], fields)
        if not found:
            raise not_found("task")
        return found[0]

    @for_app
    async def get_many(self, ids: Collection[TaskId], *, fields: Collection[str] | None = None) -> dict[TaskId, Task]:
        return {task.id: task for task in await self._found(known_ids(ids, limit=PAGE), fields)}

    async def list(
        self, *, fields: Collection[str] | None = None, **filters: Unpack[TaskFilters]
    ) -> AsyncIterator[Task]:
        last: TaskFacts | None = None
        while True:
            page, last = await self._page(fields, filters, last)
            for task in page:
                yield task
            if last is None:
                return

    @for_app
    async def create(
        self, summary: str, *, project: ProjectId, key: str | None = None, **fields: Unpack[TaskFields]
    ) -> TaskId:
        grant = await self._access.powered(WRITE)
        await reached_project(self._access, grant, project)
        services = self._access.services
        changes = await resolved(services.db, services.grants, grant, project, {"summary": summary, **fields})
        doer = self._access.doer(grant)
        made = await services.actions.create(
            doer, project=project, summary=summary, changes=changes, source="app", key=key
        )
        return TaskId(made.id)

    @for_app
    async def edit(self, id: TaskId, *, if_version: int | None = None, **fields: Unpack[TaskEdit]) -> int:
        if if_version is not None and type(if_version) is not int:
            raise Invalid({"if_version": "give a version that was read, or None"})
        for _ in range(ATTEMPTS - 1):
            try:
                return await self._edit(id, if_version, fields)
            except Conflict:
                if if_version is not None or "assignees" not in fields:
                    raise
        return await self._edit(id, if_version, fields)

    @for_app
    async def comment(self, id: TaskId, text: str, *, key: str) -> CommentId:
        grant = await self._access.powered("comments:write")
        await reached_task(self._access, grant, id)
        services = self._access.services
        if isinstance(text, str):
            text = await mentioned(services.grants, grant, "text", text)
        made = await services.actions.comment(self._access.doer(grant), id, text, key=key)
        return CommentId(made.id)

    @for_app
    async def archive(self, id: TaskId) -> None:
        await self._archive(id, None)

    @for_app
    async def archive_version(self, id: TaskId, if_version: int | None) -> int:
        """Archives it, where it is at `if_version` (None: any); the version that it has then. Raises as `edit`."""
        return await self._archive(id, if_version)

    async def _archive(self, id: TaskId, if_version: int | None) -> int:
        grant = await self._access.powered(WRITE)
        await reached_task(self._access, grant, id)
        doer = self._access.doer(grant)
        actions = self._access.services.actions
        return (await actions.edit(doer, id, {"archived": True}, if_version=if_version, source="app")).version

    async def _found(self, ids: Sequence[str], fields: Collection[str] | None) -> Sequence[Task]:
        needs = needs_of("task", fields)
        grant = await self._access.grant()
        opened(grant, "task", READ)
        db = self._access.services.db
        if len(ids) == 1 and db.dialect == "sqlite":  # by key, which takes less than going to a thread and back
            found = db.read_inline(rows.load, grant.organisation_id, ids)
        else:
            found = await db.read(rows.load, grant.organisation_id, ids)
        return await self._released(grant, needs, [found[one] for one in ids if one in found])

    @for_app
    async def page(
        self,
        fields: Collection[str] | None = None,
        filters: TaskFilters | None = None,
        cursor: str | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> tuple[Sequence[Task], str | None]:
        """One page as `list` gives them, `limit` (1 to 200) at most, and the cursor of the next; None: no more.

        Raises Invalid, also for a cursor that no page of this list gave, and as `list` does.
        """
        limit, last = checked_limit(limit), behind("tasks", cursor)
        selection = await self._selection(fields, filters or {})
        after: Behind | None = None
        if last is not None:
            after = await self._place(selection.grant, last)
        # One more than asked for tells whether there is more; it is not released.
        facts = await self._facts(selection, after, limit + 1)
        tasks = await self._released(selection.grant, selection.needs, facts[:limit])
        return tasks, cursors.cursor("tasks", facts[limit - 1].id) if len(facts) > limit else None

    @for_app
    async def stamp(self, id: TaskId, fields: Collection[str] | None = None) -> str:
        """Differs whenever what `get` gives with these fields could: an entity tag (RFC 9110, section 8.8.3).

        Releases nothing. It is keyed, so that it tells nothing either but that something changed. Raises NotFound,
        Refused, Invalid.
        """
        needs = needs_of("task", fields)
        grant = await self._access.grant()
        opened(grant, "task", READ)
        place = None
        if could_be_id(id):
            place = await self._access.services.db.read(rows.place, grant.organisation_id, id)
        if place is None or not grant.reaches(place.project):
            raise not_found("task")
        return stamp_of(grant, needs, id, place.version)

    def stamp_at(self, id: TaskId, version: int, fields: Collection[str] | None = None) -> str:
        """The stamp of the task at a version that a call just gave, by that call's grant: nothing is read again."""
        return stamp_of(self._access.last, needs_of("task", fields), id, version)

    @for_app
    async def _page(
        self, fields: Collection[str] | None, filters: TaskFilters, last: TaskFacts | None
    ) -> tuple[Sequence[Task], TaskFacts | None]:
        """The page behind `last`, and its own last one, where there may be more."""
        selection = await self._selection(fields, filters)
        facts = await self._facts(selection, None if last is None else (last.created, last.id), PAGE)
        tasks = await self._released(selection.grant, selection.needs, facts)
        return tasks, facts[-1] if len(facts) == PAGE else None

    async def _selection(self, fields: Collection[str] | None, filters: TaskFilters) -> _Selection:
        wanted = filters_of(filters)
        grant = await self._access.grant()
        opened(grant, "task", READ)
        for detail in sorted(wanted.needs - grant.details):
            raise Refused(DETAILS[detail].scope)
        if wanted.project is not None:
            await reached_project(self._access, grant, wanted.project)
        return _Selection(grant, needs_of("task", fields) | wanted.needs, wanted)

    async def _place(self, grant: Grant, last: str) -> Behind:
        """Where the list goes on. Raises Invalid: the cursor may name what this app was never given."""
        place = None
        if could_be_id(last):
            place = await self._access.services.db.read(rows.place, grant.organisation_id, last)
        if place is None or not grant.reaches(place.project):
            raise no_cursor()
        return place.created, last

    async def _facts(self, selection: _Selection, after: Behind | None, limit: int) -> Sequence[TaskFacts]:
        grant, wanted = selection.grant, selection.wanted
        return await self._access.services.db.read(
            rows.page,
            grant.organisation_id,
            projects=grant.projects if wanted.project is None else [wanted.project],
            archived=wanted.archived,
            done=wanted.done,
            updated_since=wanted.updated_since,
            created_since=wanted.created_since,
            after=after,
            limit=limit,
        )

    async def _released(self, grant: Grant, needs: frozenset[str], facts: Sequence[TaskFacts]) -> Sequence[Task]:
        values = await self._access.release(grant, needs, {"tasks": Slot(facts)})
        tasks: Sequence[Task] = values["tasks"]
        return tasks

    async def _edit(self, id: TaskId, if_version: int | None, fields: Mapping[str, Any]) -> int:
        grant = await self._access.powered(WRITE)
        project_id = await reached_task(self._access, grant, id)
        services = self._access.services
        changes = await resolved(services.db, services.grants, grant, project_id, fields)
        if "assignees" in changes and grant.withheld:
            before = await services.db.read(rows.get, grant.organisation_id, id)
            if before is not None:
                changes["assignees"] = with_withheld(changes["assignees"], before.assignees, grant.withheld)
                # What was read must still be so when it is written.
                if_version = before.version if if_version is None else if_version
        doer = self._access.doer(grant)
        return (await services.actions.edit(doer, id, changes, if_version=if_version, source="app")).version
