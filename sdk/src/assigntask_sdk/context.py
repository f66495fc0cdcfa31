"""What an app can do: `ctx`, the second half of the contract. The host implements these protocols."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterable, AsyncIterator, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, Unpack

from typing_extensions import TypedDict  # pydantic can't read typing's own before Python 3.12

from .records import (
    Attachment,
    AttachmentId,
    ChecklistId,
    ChecklistItemId,
    Comment,
    CommentId,
    Department,
    Due,
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
from .storage import Store

if TYPE_CHECKING:
    from .events import EventPage


class TaskFields(TypedDict, total=False):
    """Fields of a task that can be set. A field that is left out stays as it is; None empties it."""

    description: str
    type: str | None  # a task type's name
    status: str  # a status's name or id
    due: Due | None
    start: dt.date | None
    assignees: Sequence[PersonId]
    labels: Sequence[str]  # label names


class TaskEdit(TaskFields, total=False):
    summary: str


class TaskFilters(TypedDict, total=False):
    project: ProjectId
    archived: bool  # left out: only tasks that are not archived
    done: bool
    updated_since: dt.datetime  # aware
    created_since: dt.datetime  # aware


class Tasks(Protocol):
    """`fields` names details without the record ("due", "summary"; "person.name" for the people in
    it); left out, all that the grant opens is released. Ask for what you use: it is recorded."""

    async def get(self, id: TaskId, *, fields: Collection[str] | None = None) -> Task:
        """Raises NotFound, also where the task is out of the installation's reach."""
        ...

    async def get_many(self, ids: Collection[TaskId], *, fields: Collection[str] | None = None) -> dict[TaskId, Task]:
        """At most 200 ids; those that are missing are left out."""
        ...

    def list(self, *, fields: Collection[str] | None = None, **filters: Unpack[TaskFilters]) -> AsyncIterator[Task]:
        """In order of creation, read in pages of 200."""
        ...

    async def create(
        self, summary: str, *, project: ProjectId, key: str | None = None, **fields: Unpack[TaskFields]
    ) -> TaskId:
        """With the same `key` again: the same task, and nothing changes. Raises Invalid, Vetoed, Refused."""
        ...

    async def edit(self, id: TaskId, *, if_version: int | None = None, **fields: Unpack[TaskEdit]) -> int:
        """The new version. Raises NotFound, Conflict, Invalid, Vetoed, Refused."""
        ...

    async def comment(self, id: TaskId, text: str, *, key: str) -> CommentId: ...

    async def archive(self, id: TaskId) -> None: ...


class Comments(Protocol):
    async def list(self, task: TaskId) -> Sequence[Comment]: ...


class People(Protocol):
    async def get(self, id: PersonId, *, fields: Collection[str] | None = None) -> Person: ...

    async def get_many(
        self, ids: Collection[PersonId], *, fields: Collection[str] | None = None
    ) -> dict[PersonId, Person]: ...

    def list(self, *, fields: Collection[str] | None = None) -> AsyncIterator[Person]: ...


class Projects(Protocol):
    async def get(self, id: ProjectId) -> Project: ...

    async def list(self) -> Sequence[Project]: ...


class Organisations(Protocol):
    async def get(self) -> Organisation:
        """The one that the app is installed in. Raises Refused."""
        ...


class Departments(Protocol):
    async def list(self) -> Sequence[Department]:
        """By name. Raises Refused."""
        ...


class TaskTypes(Protocol):
    async def list(self) -> Sequence[TaskType]:
        """By name; those that a task can have. Raises Refused."""
        ...


class Checklists(Protocol):
    """To change the checklists of a task; to read them, ask for the task. Every change makes a new version of it."""

    async def add(self, task: TaskId, name: str, items: Sequence[str] = (), *, key: str) -> ChecklistId:
        """Behind those that are there. With the same `key` again: the same checklist, and nothing changes.

        Raises NotFound, Invalid, Vetoed, Refused, Conflict.
        """
        ...

    async def add_item(self, checklist: ChecklistId, text: str, *, key: str) -> ChecklistItemId:
        """Behind those that are there, not done. Raises as `add` does."""
        ...

    async def set_done(self, item: ChecklistItemId, done: bool) -> None:
        """Raises NotFound, Invalid, Vetoed, Refused, Conflict."""
        ...


class Attachments(Protocol):
    async def list(self, task: TaskId) -> Sequence[Attachment]: ...

    async def add(self, task: TaskId, name: str, url: str, *, key: str) -> AttachmentId: ...

    async def add_file(self, task: TaskId, name: str, content: AsyncIterable[bytes], *, key: str) -> AttachmentId:
        """With the same `key` again: the same attachment. Raises NotFound, Refused, Invalid."""
        ...

    def content(self, id: AttachmentId) -> AsyncIterator[bytes]:
        """A file, in pieces of at most 256 KiB. Raises NotFound, Refused, Gone, also while it is read."""
        ...

    async def remove(self, id: AttachmentId) -> None: ...


class Storage(Store, Protocol):
    """The installation's own store; sub-stores go with their task or person."""

    def task(self, id: TaskId) -> Store: ...

    def person(self, id: PersonId) -> Store: ...


class Problems(Protocol):
    async def report(self, key: str, text: str, *, severity: str = "warning") -> None:
        """Shown to admins. The same key again counts, and replaces the text."""
        ...

    async def clear(self, key: str) -> None: ...

    async def list(self) -> Sequence[Problem]:
        """Those that this app reported and has not cleared, the latest first."""
        ...


class Events(Protocol):
    async def list(self, *, after: str = "", limit: int = 50) -> EventPage:
        """What this installation was to be told, from behind `after` on, as it would be told now.

        `after`: the `next` of an earlier page; empty: from the first one on. `limit`: 1 to 200. What may not be
        told any more is left out. Raises Invalid.
        """
        ...


class Jobs(Protocol):
    """Work that goes on after the call: the host calls the hook `job` until it is done."""

    async def start(self, name: str, args: Any, *, key: str) -> JobId:
        """`args`: JSON, at most 64 KiB. With the same name and `key` again: the same job. Raises Invalid."""
        ...

    async def get(self, id: JobId) -> Job:
        """Raises NotFound."""
        ...

    async def list(self) -> Sequence[Job]:
        """The newest 100."""
        ...

    async def progress(
        self, id: JobId, done: int | None = None, total: int | None = None, text: str | None = None
    ) -> None:
        """What is left out stays as it is. `text`: at most 200 characters. Raises NotFound, Invalid."""
        ...


class Log(Protocol):
    """Goes to the operator's log, with the installation's id. Put nobody's data in it."""

    def info(self, event: str, **facts: Any) -> None: ...

    def warning(self, event: str, **facts: Any) -> None: ...


class Ctx(Protocol):
    @property
    def viewer(self) -> PersonId | None:
        """Who is looking, where a person is and `viewer:person` was granted."""
        ...

    @property
    def settings(self) -> Mapping[str, Any]: ...

    @property
    def deadline(self) -> dt.datetime:
        """When the host stops waiting (aware, UTC)."""
        ...

    @property
    def tasks(self) -> Tasks: ...

    @property
    def comments(self) -> Comments: ...

    @property
    def people(self) -> People: ...

    @property
    def projects(self) -> Projects: ...

    @property
    def organisation(self) -> Organisations: ...

    @property
    def departments(self) -> Departments: ...

    @property
    def task_types(self) -> TaskTypes: ...

    @property
    def checklists(self) -> Checklists: ...

    @property
    def attachments(self) -> Attachments: ...

    @property
    def storage(self) -> Storage: ...

    @property
    def problems(self) -> Problems: ...

    @property
    def events(self) -> Events: ...

    @property
    def jobs(self) -> Jobs: ...

    @property
    def log(self) -> Log: ...

    def now(self) -> dt.datetime:
        """Aware, UTC. Tests move it."""
        ...

    def granted(self, scope: str) -> bool: ...

    def as_person(self, person: PersonId) -> Ctx:
        """The same with that person's rights: grant ∩ what the person may do. Raises NotFound, Refused.

        Reading so only narrows. Writing is done in the person's name, so it needs that they take part in the app
        (settings of their own), or that they are the one who looks on.
        """
        ...

    async def refresh(self, task: TaskId) -> None:
        """What this app shows on the task is out of date: ask again."""
        ...
