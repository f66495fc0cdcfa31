"""What the host knows about tasks. Facts stay inside: only the gate turns them into records."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import ClassVar

from assigntask_sdk.records import Checklist, Due, Label, Status, TaskType


@dataclass(frozen=True, slots=True)
class TaskTypeFacts:
    """A task type is never renamed, so there is one version of it."""

    kind: ClassVar[str] = "task_type"

    id: str
    version: int
    name: str


@dataclass(frozen=True, slots=True)
class ProjectFacts:
    kind: ClassVar[str] = "project"

    id: str
    version: int
    name: str
    description: str
    archived: bool
    statuses: tuple[Status, ...]


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """`assignees` and `creator` are person ids. Moments are aware, in UTC."""

    kind: ClassVar[str] = "task"

    id: str
    version: int
    number: int
    project: str
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
    assignees: tuple[str, ...]
    creator: str | None
    position: float
    unchecked_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CommentFacts:
    """Mentions stand in `text` as `<@person id>`."""

    kind: ClassVar[str] = "comment"

    id: str
    version: int
    task: str
    project: str
    text: str
    created: dt.datetime
    edited: dt.datetime | None
    author: str | None


@dataclass(frozen=True, slots=True)
class AttachmentFacts:
    kind: ClassVar[str] = "attachment"

    id: str
    version: int
    task: str
    project: str
    name: str
    url: str | None  # None: a file
    created: dt.datetime
    author: str | None
    media_type: str | None = None  # of a file, as the next two
    size: int | None = None
    sha256: str | None = None
