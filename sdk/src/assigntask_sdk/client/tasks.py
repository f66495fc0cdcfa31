"""Tasks, what is written on them, and their checklists."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from typing import Any, Unpack

from ..context import TaskEdit, TaskFields, TaskFilters
from ..errors import Invalid
from ..records import ChecklistId, ChecklistItemId, Comment, CommentId, ProjectId, Task, TaskId
from .address import segment
from .calls import Calls
from .pages import Pages, Progress
from .reading import member, page, record, records
from .values import IDS, checked_ids, checked_version, fields_param, filter_params, keyed, only, task_body


class ClientTasks:
    def __init__(self, calls: Calls, progress: Progress | None = None) -> None:
        self._calls = calls
        self._progress = progress

    async def get(self, id: TaskId, *, fields: Collection[str] | None = None) -> Task:
        """Raises NotFound, also where the task is out of the installation's reach."""
        return record(Task, await self._calls.get(f"/tasks/{segment(id, 'task')}", fields_param(fields)))

    async def get_many(self, ids: Collection[TaskId], *, fields: Collection[str] | None = None) -> dict[TaskId, Task]:
        """At most 200 ids; those that are missing are left out."""
        wanted = checked_ids(ids)
        if not wanted:
            return {}
        params = [*fields_param(fields), *(("ids", one) for one in wanted)]
        items, _ = page(await self._calls.get("/tasks", params))
        return {task.id: task for task in records(Task, items)}

    def list(self, *, fields: Collection[str] | None = None, **filters: Unpack[TaskFilters]) -> AsyncIterator[Task]:
        """In order of creation, read in pages of 200. Raises Invalid, NotFound, Refused with the first page."""

        async def fetch(cursor: str | None) -> tuple[Sequence[Task], str | None]:
            params = [*fields_param(fields), *filter_params(filters), ("limit", str(IDS))]
            items, after = page(await self._calls.get("/tasks", only(params, cursor=cursor)))
            return records(Task, items), after

        return Pages(fetch, self._progress)

    async def create(
        self, summary: str, *, project: ProjectId, key: str | None = None, **fields: Unpack[TaskFields]
    ) -> TaskId:
        """With the same `key` again: the same task, and nothing changes. Raises Invalid, Vetoed, Refused."""
        body = {**task_body({"summary": summary, **fields}), "project": project}
        if key is None:
            made = await self._calls.post("/tasks", body)
        else:
            made = await self._calls.post("/tasks", keyed(body, key), idempotent=True)
        return TaskId(member(made, "id"))

    async def edit(self, id: TaskId, *, if_version: int | None = None, **fields: Unpack[TaskEdit]) -> int:
        """The new version. Raises NotFound, Conflict, Invalid, Vetoed, Refused."""
        version = checked_version(if_version)
        path = f"/tasks/{segment(id, 'task')}"
        return int(member(await self._calls.patch(path, task_body(fields), if_version=version), "version"))

    async def comment(self, id: TaskId, text: str, *, key: str) -> CommentId:
        """With the same `key` again: the same comment. Raises NotFound, Refused, Invalid."""
        path = f"/tasks/{segment(id, 'task')}/comments"
        return CommentId(member(await self._calls.post(path, keyed({"text": text}, key), idempotent=True), "id"))

    async def archive(self, id: TaskId) -> None:
        """Raises NotFound, Conflict, Vetoed, Refused."""
        await self._calls.post(f"/tasks/{segment(id, 'task')}/archive", idempotent=True)


class ClientComments:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def list(self, task: TaskId) -> Sequence[Comment]:
        """Oldest first. Raises NotFound, Refused."""
        items, _ = page(await self._calls.get(f"/tasks/{segment(task, 'task')}/comments"))
        return records(Comment, items)


class ClientChecklists:
    """To change the checklists of a task; to read them, ask for the task."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def add(self, task: TaskId, name: str, items: Sequence[str] = (), *, key: str) -> ChecklistId:
        """With the same `key` again: the same checklist. Raises NotFound, Invalid, Vetoed, Refused, Conflict."""
        body: dict[str, Any] = {"name": name, "items": _texts(items)}
        made = await self._calls.post(f"/tasks/{segment(task, 'task')}/checklists", keyed(body, key), idempotent=True)
        return ChecklistId(member(made, "id"))

    async def add_item(self, checklist: ChecklistId, text: str, *, key: str) -> ChecklistItemId:
        """Behind those that are there, not done. Raises as `add` does."""
        path = f"/checklists/{segment(checklist, 'checklist')}/items"
        return ChecklistItemId(member(await self._calls.post(path, keyed({"text": text}, key), idempotent=True), "id"))

    async def set_done(self, item: ChecklistItemId, done: bool) -> None:
        """Raises NotFound, Invalid, Vetoed, Refused, Conflict."""
        await self._calls.patch(f"/checklist-items/{segment(item, 'checklist item')}", {"done": done})


def _texts(items: Sequence[str]) -> Sequence[str]:
    if isinstance(items, str) or not isinstance(items, Sequence):
        raise Invalid({"items": "give a list of texts"})
    return list(items)
