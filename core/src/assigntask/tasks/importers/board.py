"""What a reader hands over: one board with everything on it, in plain frozen values.

Times are aware and in UTC; a `source_id` is the id in the tracker the file came from, stable between exports and
unique among its kind on this board. References (`status`, `assignees`, `labels`, `author`) are always the `source_id`
of an entry of the same `Board`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, slots=True)
class Status:
    """A column of the board; `position` rises from left to right."""

    source_id: str
    name: str
    archived: bool
    position: float


@dataclass(frozen=True, slots=True)
class Label:
    """`name` is "" for a label that only has a colour; `color` is the source's own word for it, or None."""

    source_id: str
    name: str
    color: str | None


@dataclass(frozen=True, slots=True)
class Person:
    """Someone whom the board mentions. Exports carry no e-mail address.

    `present` is False for whoever left the board or closed their account. `user_name` is None, and `name` a stand-in,
    for someone of whom the file has only the id.
    """

    source_id: str
    name: str
    user_name: str | None
    present: bool


@dataclass(frozen=True, slots=True)
class Due:
    """`day` is the day in UTC; `at` is None when the source gives no time of day."""

    day: date
    at: datetime | None


@dataclass(frozen=True, slots=True)
class ChecklistItem:
    source_id: str | None
    text: str
    done: bool
    position: float
    due: Due | None
    assignee: str | None


@dataclass(frozen=True, slots=True)
class Checklist:
    """`items` are in order of position."""

    source_id: str | None
    name: str
    position: float
    items: tuple[ChecklistItem, ...]


@dataclass(frozen=True, slots=True)
class Comment:
    """`mentions` are the people whose user name stands in `text` after an @, in order, each once."""

    source_id: str
    author: str | None
    text: str
    created_at: datetime | None
    edited_at: datetime | None
    mentions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Attachment:
    """A link, http or https. `size` is in bytes."""

    source_id: str
    name: str
    url: str
    author: str | None
    created_at: datetime | None
    mime: str | None
    size: int | None


@dataclass(frozen=True, slots=True)
class Task:
    """One card.

    `number` is what people call it by; boards copied from a template repeat numbers, so it is no key. `done_at` is
    None when the task is not done or the file does not say since when. `comments` are oldest first, `checklists` in
    order of position, `attachments` in the file's order.
    """

    source_id: str
    number: int | None
    summary: str
    description: str
    status: str
    archived: bool
    position: float
    due: Due | None
    start: date | None
    done: bool
    done_at: datetime | None
    created_at: datetime | None
    created_by: str | None
    updated_at: datetime | None
    assignees: tuple[str, ...]
    labels: tuple[str, ...]
    checklists: tuple[Checklist, ...]
    comments: tuple[Comment, ...]
    attachments: tuple[Attachment, ...]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """One kind of thing in the file that did not arrive as it was.

    `how_many` is None when the file does not tell. `examples` are up to five ids, or places in the file.
    """

    what: str
    how_many: int | None
    why: str
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """`read` counts what arrived, by kind: "tasks", "archived tasks", "comments" and so on."""

    read: Mapping[str, int]
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True, slots=True)
class Board:
    """`statuses` are in order of position, `tasks` in the file's order."""

    source_id: str
    name: str
    description: str
    archived: bool
    url: str | None
    statuses: tuple[Status, ...]
    labels: tuple[Label, ...]
    people: tuple[Person, ...]
    tasks: tuple[Task, ...]
    report: Report
