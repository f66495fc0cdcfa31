"""`ctx.tasks`: reading through the gate, changing through the actions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Any, Unpack

from assigntask.context.access import Access, opened
from assigntask.context.boundary import for_app, not_found
from assigntask.context.edits import mentioned, resolved, with_withheld
from assigntask.context.fields import could_be_id, filters_of, known_ids, needs_of
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
ATTEMPTS = 3
READ = "tasks:read"
WRITE = "tasks:write"


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
        grant = await self._access.powered(WRITE)
        await reached_task(self._access, grant, id)
        await self._access.services.actions.archive(self._access.doer(grant), id, source="app")

    async def _found(self, ids: Sequence[str], fields: Collection[str] | None) -> Sequence[Task]:
        needs = needs_of("task", fields)
        grant = await self._access.grant()
        opened(grant, "task", READ)
        found = await self._access.services.db.read(rows.load, grant.organisation_id, ids)
        return await self._released(grant, needs, [found[one] for one in ids if one in found])

    @for_app
    async def _page(
        self, fields: Collection[str] | None, filters: TaskFilters, last: TaskFacts | None
    ) -> tuple[Sequence[Task], TaskFacts | None]:
        """The page behind `last`, and its own last one, where there may be more."""
        wanted = filters_of(filters)
        needs = needs_of("task", fields) | wanted.needs
        grant = await self._access.grant()
        opened(grant, "task", READ)
        for detail in sorted(wanted.needs - grant.details):
            raise Refused(DETAILS[detail].scope)
        if wanted.project is not None:
            await reached_project(self._access, grant, wanted.project)
        facts = await self._access.services.db.read(
            rows.page,
            grant.organisation_id,
            projects=grant.projects if wanted.project is None else [wanted.project],
            archived=wanted.archived,
            done=wanted.done,
            updated_since=wanted.updated_since,
            created_since=wanted.created_since,
            after=None if last is None else (last.created, last.id),
            limit=PAGE,
        )
        return await self._released(grant, needs, facts), facts[-1] if len(facts) == PAGE else None

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
