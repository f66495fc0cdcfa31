"""The records that an app is given: frozen, with only the fields that were released.

A field that was not released raises `NotShared`. `id` and `version` are always there, except that a
person who is withheld has no id: `person.withheld` is then true and nothing else is known.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NewType, Self, get_type_hints

from pydantic import GetCoreSchemaHandler, TypeAdapter
from pydantic_core import core_schema

from .errors import NotShared
from .writers import Writer, writer_of

TaskId = NewType("TaskId", str)
ProjectId = NewType("ProjectId", str)
CommentId = NewType("CommentId", str)
AttachmentId = NewType("AttachmentId", str)
ChecklistId = NewType("ChecklistId", str)
ChecklistItemId = NewType("ChecklistItemId", str)
JobId = NewType("JobId", str)
PersonId = NewType("PersonId", str)
"""A person as one installation knows them. The same person has another id in every other installation."""


@dataclass(frozen=True, slots=True)
class Due:
    """When something is due: a day, and where `at` is given also a moment (aware). No `at` means all day."""

    day: dt.date
    at: dt.datetime | None = None

    def __post_init__(self) -> None:
        if self.at is not None and self.at.tzinfo is None:
            raise ValueError("at: a moment needs a time zone, for example 2026-05-01T17:00:00Z")


@dataclass(frozen=True, slots=True)
class Status:
    id: str
    name: str
    done: bool = False
    archived: bool = False


@dataclass(frozen=True, slots=True)
class Label:
    id: str
    name: str
    colour: str | None = None


@dataclass(frozen=True, slots=True)
class ChecklistItem:
    id: str
    text: str
    done: bool


@dataclass(frozen=True, slots=True)
class Checklist:
    id: str
    name: str
    items: tuple[ChecklistItem, ...] = ()


@dataclass(frozen=True, slots=True)
class TaskType:
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class DepartmentCount:
    """How many of a task's assignees work in a department. `members` is the department's size today."""

    department: str
    assignees: int
    members: int


@dataclass(frozen=True, slots=True)
class Problem:
    """What an app reported about itself. `count`: how often since it was last cleared. Moments are aware, in UTC."""

    key: str
    text: str
    severity: Literal["info", "warning", "error"]
    count: int
    first_at: dt.datetime
    last_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Job:
    """`done` of `total`, and `text`: what the app said about its progress. Moments are aware, in UTC."""

    id: JobId
    name: str
    state: Literal["waiting", "running", "done", "failed"]
    done: int | None
    total: int | None
    text: str | None
    started: dt.datetime
    changed: dt.datetime


class Record:
    """Base of all records. Instances are made by the host; `from_json` makes one from the wire."""

    kind: ClassVar[str]

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.__dict__.update(values)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in type(self).fields():
            raise AttributeError(f"{type(self).__name__} has no field {name!r}")
        raise NotShared(f"{self.kind}.{name}")

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: change tasks through ctx.tasks.edit")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((self.kind, self.__dict__.get("id"), self.__dict__.get("version")))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.__dict__.items())})"

    def __iter__(self) -> Iterator[str]:
        """The names of the fields that were released."""
        return iter(self.__dict__)

    def __contains__(self, field: object) -> bool:
        return field in self.__dict__

    @classmethod
    def fields(cls) -> Mapping[str, Any]:
        """Field name to type, as annotated."""
        return _fields(cls)

    def to_json(self) -> dict[str, Any]:
        writers = _writers(type(self))
        values = dict(self.__dict__)
        for name, value in values.items():
            write = writers[name]
            if write is not None and value is not None:
                values[name] = write(value)
        return values

    @classmethod
    def from_json(cls, body: Any) -> Self:
        """Takes what `to_json` wrote; fields that this SDK does not know yet are left out.

        Raises ValueError where a field has the wrong type.
        """
        if isinstance(body, cls):
            return body
        if not isinstance(body, Mapping):
            raise ValueError(f"{cls.__name__}: expected an object, got {type(body).__name__}")
        adapters = _adapters(cls)
        return cls({name: adapters[name].validate_python(value) for name, value in body.items() if name in adapters})

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls.from_json,
            serialization=core_schema.plain_serializer_function_ser_schema(lambda record: record.to_json()),
        )


def _fields(cls: type[Record]) -> Mapping[str, Any]:
    if cls not in _FIELDS:  # resolved late: records name each other
        _FIELDS[cls] = {name: hint for name, hint in get_type_hints(cls).items() if name != "kind"}
    return _FIELDS[cls]


def _adapters(cls: type[Record]) -> Mapping[str, TypeAdapter[Any]]:
    if cls not in _ADAPTERS:
        _ADAPTERS[cls] = {name: TypeAdapter(hint) for name, hint in _fields(cls).items()}
    return _ADAPTERS[cls]


def _writers(cls: type[Record]) -> Mapping[str, Writer | None]:
    if cls not in _WRITERS:
        _WRITERS[cls] = {name: writer_of(hint, record=Record) for name, hint in _fields(cls).items()}
    return _WRITERS[cls]


_FIELDS: dict[Any, Mapping[str, Any]] = {}
_ADAPTERS: dict[Any, Mapping[str, TypeAdapter[Any]]] = {}
_WRITERS: dict[Any, Mapping[str, Writer | None]] = {}


class Person(Record):
    """Somebody of the organisation, or the marker for somebody who is withheld from this app."""

    kind = "person"

    id: PersonId
    version: int
    withheld: bool
    name: str
    user_name: str | None
    email: str | None
    job_title: str | None
    department: str | None
    role: str
    active: bool
    time_zone: str | None
    locale: str | None


class Project(Record):
    kind = "project"

    id: ProjectId
    version: int
    name: str
    description: str
    archived: bool
    statuses: tuple[Status, ...]


class Task(Record):
    kind = "task"

    id: TaskId
    version: int
    number: int
    project: ProjectId
    summary: str
    description: str
    type: TaskType | None
    status: Status
    labels: tuple[Label, ...]
    start: dt.date | None
    due: Due | None
    created: dt.datetime
    updated: dt.datetime
    done: dt.datetime | None
    archived: bool
    checklists: tuple[Checklist, ...]
    departments: tuple[DepartmentCount, ...]
    assignees: tuple[Person, ...]
    creator: Person | None


class Comment(Record):
    kind = "comment"

    id: CommentId
    version: int
    task: TaskId
    text: str
    created: dt.datetime
    edited: dt.datetime | None
    author: Person | None


class Attachment(Record):
    kind = "attachment"

    id: AttachmentId
    version: int
    task: TaskId
    name: str
    url: str | None  # where it links to; None: it is a file
    media_type: str | None  # of a file, by its first bytes
    size: int | None  # of a file, in bytes
    sha256: str | None  # of a file, in hexadecimal digits
    created: dt.datetime
    author: Person | None


class Organisation(Record):
    kind = "organisation"

    id: str
    version: int
    name: str


class Department(Record):
    kind = "department"

    id: str
    version: int
    name: str


class TaskTypeRecord(Record):
    """A task type as the gate lets it out; `ctx.task_types` and `task.type` give it as a TaskType."""

    kind = "task_type"

    id: str
    version: int
    name: str


RECORDS: Mapping[str, type[Record]] = {
    cls.kind: cls for cls in (Organisation, Department, TaskTypeRecord, Project, Task, Comment, Attachment, Person)
}
