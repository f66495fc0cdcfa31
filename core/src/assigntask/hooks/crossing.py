"""`Crossing`: the `ctx` that an app holds. It lives in the apps' loop; the real one lives in the host's."""

from __future__ import annotations

import builtins
import datetime as dt
from collections.abc import AsyncIterable, AsyncIterator, Collection, Mapping, Sequence
from typing import Any, Unpack

from assigntask_sdk import storage
from assigntask_sdk.context import (
    Attachments,
    Checklists,
    Comments,
    Ctx,
    Departments,
    Events,
    Jobs,
    Log,
    Organisations,
    People,
    Problems,
    Projects,
    Storage,
    TaskEdit,
    TaskFields,
    TaskFilters,
    Tasks,
    TaskTypes,
)
from assigntask_sdk.events import EventPage
from assigntask_sdk.records import (
    Attachment,
    AttachmentId,
    ChecklistId,
    ChecklistItemId,
    Comment,
    CommentId,
    Department,
    Job,
    JobId,
    Organisation,
    Person,
    PersonId,
    Problem,
    Project,
    ProjectId,
    Task,
    TaskId,
    TaskType,
)
from assigntask_sdk.storage import Entry, Operation, Store

from .feeding import fed
from .span import Span

CHUNK_BYTES = storage.MAX_COMMIT // 2
CHUNK_OPERATIONS = storage.MAX_OPERATIONS // 2


class Crossing:
    """Every call runs in the host's loop; once `span` has ended, each raises Gone."""

    def __init__(self, ctx: Ctx, span: Span) -> None:
        self._ctx, self._span = ctx, span
        self.tasks: Tasks = _Tasks(ctx.tasks, span)
        self.comments: Comments = _Comments(ctx.comments, span)
        self.people: People = _People(ctx.people, span)
        self.projects: Projects = _Projects(ctx.projects, span)
        self.organisation: Organisations = _Organisation(ctx.organisation, span)
        self.departments: Departments = _Departments(ctx.departments, span)
        self.task_types: TaskTypes = _TaskTypes(ctx.task_types, span)
        self.checklists: Checklists = _Checklists(ctx.checklists, span)
        self.attachments: Attachments = _Attachments(ctx.attachments, span)
        self.storage: Storage = _Storage(ctx.storage, span)
        self.problems: Problems = _Problems(ctx.problems, span)
        self.events: Events = _Events(ctx.events, span)
        self.jobs: Jobs = _Jobs(ctx.jobs, span)

    @property
    def viewer(self) -> PersonId | None:
        return self._ctx.viewer

    @property
    def settings(self) -> Mapping[str, Any]:
        return self._ctx.settings

    @property
    def deadline(self) -> dt.datetime:
        return self._ctx.deadline

    @property
    def log(self) -> Log:
        self._span.check()
        return self._ctx.log

    def now(self) -> dt.datetime:
        return self._ctx.now()

    def granted(self, scope: str) -> bool:
        self._span.check()
        return self._ctx.granted(scope)

    def as_person(self, person: PersonId) -> Ctx:
        self._span.check()
        return Crossing(self._ctx.as_person(person), self._span)

    async def refresh(self, task: TaskId) -> None:
        await self._span.cross(lambda: self._ctx.refresh(task))


class _Tasks:
    def __init__(self, tasks: Tasks, span: Span) -> None:
        self._tasks, self._span = tasks, span

    async def get(self, id: TaskId, *, fields: Collection[str] | None = None) -> Task:
        return await self._span.cross(lambda: self._tasks.get(id, fields=fields))

    async def get_many(self, ids: Collection[TaskId], *, fields: Collection[str] | None = None) -> dict[TaskId, Task]:
        return await self._span.cross(lambda: self._tasks.get_many(ids, fields=fields))

    def list(self, *, fields: Collection[str] | None = None, **filters: Unpack[TaskFilters]) -> AsyncIterator[Task]:
        return self._span.iterate(lambda: self._tasks.list(fields=fields, **filters))

    async def create(
        self, summary: str, *, project: ProjectId, key: str | None = None, **fields: Unpack[TaskFields]
    ) -> TaskId:
        return await self._span.cross(lambda: self._tasks.create(summary, project=project, key=key, **fields))

    async def edit(self, id: TaskId, *, if_version: int | None = None, **fields: Unpack[TaskEdit]) -> int:
        return await self._span.cross(lambda: self._tasks.edit(id, if_version=if_version, **fields))

    async def comment(self, id: TaskId, text: str, *, key: str) -> CommentId:
        return await self._span.cross(lambda: self._tasks.comment(id, text, key=key))

    async def archive(self, id: TaskId) -> None:
        await self._span.cross(lambda: self._tasks.archive(id))


class _Comments:
    def __init__(self, comments: Comments, span: Span) -> None:
        self._comments, self._span = comments, span

    async def list(self, task: TaskId) -> Sequence[Comment]:
        return await self._span.cross(lambda: self._comments.list(task))


class _People:
    def __init__(self, people: People, span: Span) -> None:
        self._people, self._span = people, span

    async def get(self, id: PersonId, *, fields: Collection[str] | None = None) -> Person:
        return await self._span.cross(lambda: self._people.get(id, fields=fields))

    async def get_many(
        self, ids: Collection[PersonId], *, fields: Collection[str] | None = None
    ) -> dict[PersonId, Person]:
        return await self._span.cross(lambda: self._people.get_many(ids, fields=fields))

    def list(self, *, fields: Collection[str] | None = None) -> AsyncIterator[Person]:
        return self._span.iterate(lambda: self._people.list(fields=fields))


class _Projects:
    def __init__(self, projects: Projects, span: Span) -> None:
        self._projects, self._span = projects, span

    async def get(self, id: ProjectId) -> Project:
        return await self._span.cross(lambda: self._projects.get(id))

    async def list(self) -> Sequence[Project]:
        return await self._span.cross(self._projects.list)


class _Organisation:
    def __init__(self, organisation: Organisations, span: Span) -> None:
        self._organisation, self._span = organisation, span

    async def get(self) -> Organisation:
        return await self._span.cross(self._organisation.get)


class _Departments:
    def __init__(self, departments: Departments, span: Span) -> None:
        self._departments, self._span = departments, span

    async def list(self) -> Sequence[Department]:
        return await self._span.cross(self._departments.list)


class _TaskTypes:
    def __init__(self, task_types: TaskTypes, span: Span) -> None:
        self._task_types, self._span = task_types, span

    async def list(self) -> Sequence[TaskType]:
        return await self._span.cross(self._task_types.list)


class _Checklists:
    def __init__(self, checklists: Checklists, span: Span) -> None:
        self._checklists, self._span = checklists, span

    async def add(self, task: TaskId, name: str, items: Sequence[str] = (), *, key: str) -> ChecklistId:
        return await self._span.cross(lambda: self._checklists.add(task, name, items, key=key))

    async def add_item(self, checklist: ChecklistId, text: str, *, key: str) -> ChecklistItemId:
        return await self._span.cross(lambda: self._checklists.add_item(checklist, text, key=key))

    async def set_done(self, item: ChecklistItemId, done: bool) -> None:
        await self._span.cross(lambda: self._checklists.set_done(item, done))


class _Events:
    def __init__(self, events: Events, span: Span) -> None:
        self._events, self._span = events, span

    async def list(self, *, after: str = "", limit: int = 50) -> EventPage:
        return await self._span.cross(lambda: self._events.list(after=after, limit=limit))


class _Attachments:
    def __init__(self, attachments: Attachments, span: Span) -> None:
        self._attachments, self._span = attachments, span

    async def list(self, task: TaskId) -> Sequence[Attachment]:
        return await self._span.cross(lambda: self._attachments.list(task))

    async def add(self, task: TaskId, name: str, url: str, *, key: str) -> AttachmentId:
        return await self._span.cross(lambda: self._attachments.add(task, name, url, key=key))

    async def add_file(self, task: TaskId, name: str, content: AsyncIterable[bytes], *, key: str) -> AttachmentId:
        return await fed(self._span, content, lambda feed: self._attachments.add_file(task, name, feed, key=key))

    def content(self, id: AttachmentId) -> AsyncIterator[bytes]:
        """Piece by piece, so that no more of a file than one is in memory."""
        return self._span.iterate(lambda: self._attachments.content(id), batch=1)

    async def remove(self, id: AttachmentId) -> None:
        await self._span.cross(lambda: self._attachments.remove(id))


class _Store:
    def __init__(self, store: Store, span: Span) -> None:
        self._store, self._span = store, span

    async def get(self, key: str) -> Entry | None:
        return await self._span.cross(lambda: self._store.get(key))

    async def get_many(self, keys: Sequence[str]) -> dict[str, Entry]:
        return await self._span.cross(lambda: self._store.get_many(keys))

    def scan(self, prefix: str = "", after: str = "") -> AsyncIterator[tuple[str, Entry]]:
        return self._span.iterate(lambda: self._store.scan(prefix, after))

    async def commit(self, *operations: Operation) -> None:
        await self._span.cross(lambda: self._store.commit(*operations))

    async def apply(self, operations: AsyncIterable[Operation]) -> None:
        """The app's iterator stays on its side: what it gives crosses in chunks."""
        chunk: list[Operation] = []
        size = 0
        async for operation in operations:
            chunk.append(operation)
            size += _size(operation)
            if len(chunk) >= CHUNK_OPERATIONS or size >= CHUNK_BYTES:
                await self._apply(chunk)
                chunk, size = [], 0
        if chunk:
            await self._apply(chunk)

    async def _apply(self, chunk: builtins.list[Operation]) -> None:
        await self._span.cross(lambda: self._store.apply(_each(chunk)))


class _Storage(_Store):
    def __init__(self, store: Storage, span: Span) -> None:
        super().__init__(store, span)
        self._storage = store

    def task(self, id: TaskId) -> Store:
        return _Store(self._storage.task(id), self._span)

    def person(self, id: PersonId) -> Store:
        return _Store(self._storage.person(id), self._span)


class _Problems:
    def __init__(self, problems: Problems, span: Span) -> None:
        self._problems, self._span = problems, span

    async def report(self, key: str, text: str, *, severity: str = "warning") -> None:
        await self._span.cross(lambda: self._problems.report(key, text, severity=severity))

    async def clear(self, key: str) -> None:
        await self._span.cross(lambda: self._problems.clear(key))

    async def list(self) -> Sequence[Problem]:
        return await self._span.cross(self._problems.list)


class _Jobs:
    def __init__(self, jobs: Jobs, span: Span) -> None:
        self._jobs, self._span = jobs, span

    async def start(self, name: str, args: Any, *, key: str) -> JobId:
        return await self._span.cross(lambda: self._jobs.start(name, args, key=key))

    async def get(self, id: JobId) -> Job:
        return await self._span.cross(lambda: self._jobs.get(id))

    async def list(self) -> Sequence[Job]:
        return await self._span.cross(self._jobs.list)

    async def progress(
        self, id: JobId, done: int | None = None, total: int | None = None, text: str | None = None
    ) -> None:
        await self._span.cross(lambda: self._jobs.progress(id, done, total, text))


async def _each(chunk: builtins.list[Operation]) -> AsyncIterator[Operation]:
    for operation in chunk:
        yield operation


def _size(operation: Operation) -> int:
    """Bytes, roughly: the store itself counts exactly. What it will refuse anyway counts as nothing."""
    value = getattr(operation, "value", b"")
    try:
        return len(operation.key) + len(storage.encode(value)[0])
    except ValueError:
        return 0
