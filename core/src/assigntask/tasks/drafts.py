"""What an edit makes of a task. Pure: nothing is read or stored here."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from typing_extensions import TypedDict  # pydantic can't read typing's own before Python 3.12

from assigntask.people.text import checked
from assigntask_sdk.details import nearest
from assigntask_sdk.errors import Invalid
from assigntask_sdk.records import Due

from .facts import TaskFacts
from .projects import Choices
from .tasks import in_order

SUMMARY_LIMIT = 1000
TEXT_LIMIT = 100_000
MOST_ASSIGNEES = 200


class TaskChanges(TypedDict, total=False):
    """The fields to set, with the host's own ids. A field that is left out stays as it is; None empties it."""

    summary: str
    description: str
    status: str
    type: str | None
    due: Due | None
    start: dt.date | None
    assignees: Sequence[str]
    labels: Sequence[str]
    archived: bool


CHANGING = (
    "summary", "description", "type", "status", "labels", "start", "due", "done", "archived", "checklists",
    "assignees",
)  # fmt: skip
"""What an edit can change, as the catalogue names the fields."""


def blank(*, id: str, project: str, creator: str | None, choices: Choices, now: dt.datetime) -> TaskFacts:
    """A task before its first field is set, in the first status of the board that is not archived.

    Its version and number are 0 until it is stored. Raises Invalid where the project has no status.
    """
    status = next((status for status in choices.statuses.values() if not status.archived), None)
    if status is None:
        raise Invalid({"project": "has no status that is not archived; a task needs one"})
    return TaskFacts(
        id=id,
        version=0,
        number=0,
        project=project,
        summary="",
        description="",
        type=None,
        status=status,
        labels=(),
        start=None,
        due=None,
        created=now,
        updated=now,
        done=now if status.done else None,
        archived=False,
        checklists=(),
        assignees=(),
        creator=creator,
        position=0.0,
        unchecked_by=(),
    )


def apply(
    task: TaskFacts, changes: TaskChanges, choices: Choices, people: Collection[str], now: dt.datetime
) -> TaskFacts:
    """`task` with `changes`, and `updated` where anything changed. `people`: ids that may be assigned.

    Raises Invalid, naming every field that can't be set so.
    """
    values: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for name, value in changes.items():
        setter = _SETTERS.get(name)
        if setter is None:
            meant = nearest(name, _SETTERS)
            wrong[name] = "is no field of a task that can be set" + (f"; did you mean {meant!r}?" if meant else "")
            continue
        try:
            values[name] = setter(value, task, choices, people)
        except Invalid as invalid:
            wrong |= invalid.fields
    if wrong:
        raise Invalid(wrong)
    status = values.get("status", task.status)
    if status.id != task.status.id:
        values["done"] = (task.done or now) if status.done else None
    after = replace(task, **values)
    return replace(after, updated=now) if changed(task, after) else task


def changed(before: TaskFacts | None, after: TaskFacts) -> tuple[str, ...]:
    """The names of the fields that differ; of a new task, those that hold anything."""
    if before is None:
        return ("number", "project", "created", *(name for name in CHANGING if getattr(after, name)))
    return tuple(name for name in CHANGING if getattr(before, name) != getattr(after, name))


def derived(names: Sequence[str]) -> tuple[str, ...]:
    """With the details that follow from the changed fields: who is assigned decides which departments are."""
    return (*names, *(("departments",) if "assignees" in names else ()), "updated")


def _summary(value: Any, _task: TaskFacts, _choices: Choices, _people: Collection[str]) -> str:
    return checked("summary", value, limit=SUMMARY_LIMIT)


def _description(value: Any, _task: TaskFacts, _choices: Choices, _people: Collection[str]) -> str:
    return checked("description", value or "", limit=TEXT_LIMIT, empty=True)


def _status(value: Any, task: TaskFacts, choices: Choices, _people: Collection[str]) -> Any:
    status = _chosen("status", value, choices.statuses)
    if status.archived and status.id != task.status.id:
        raise Invalid({"status": f"{status.name!r} is archived: choose another"})
    return status


def _type(value: Any, _task: TaskFacts, choices: Choices, _people: Collection[str]) -> Any:
    return None if value is None else _chosen("type", value, choices.types)


def _due(value: Any, _task: TaskFacts, _choices: Choices, _people: Collection[str]) -> Due | None:
    if value is not None and not (isinstance(value, Due) and type(value.day) is dt.date):
        raise Invalid({"due": "must be a day, with or without a moment"})
    if value is not None and value.at is not None:
        return Due(value.day, value.at.astimezone(dt.UTC))
    return value


def _start(value: Any, _task: TaskFacts, _choices: Choices, _people: Collection[str]) -> dt.date | None:
    if value is not None and type(value) is not dt.date:
        raise Invalid({"start": "must be a day"})
    return value


def _assignees(value: Any, task: TaskFacts, _choices: Choices, people: Collection[str]) -> tuple[str, ...]:
    wanted = tuple(dict.fromkeys(_several("assignees", value)))
    # Who was assigned may stay so after they left.
    if any(person not in people and person not in task.assignees for person in wanted):
        raise Invalid({"assignees": "somebody is not an active person of this organisation"})
    if len(wanted) > MOST_ASSIGNEES:
        raise Invalid({"assignees": f"at most {MOST_ASSIGNEES} people can be assigned"})
    return wanted


def _labels(value: Any, _task: TaskFacts, choices: Choices, _people: Collection[str]) -> Any:
    return in_order({_chosen("labels", label, choices.labels) for label in _several("labels", value)})


def _archived(value: Any, _task: TaskFacts, _choices: Choices, _people: Collection[str]) -> bool:
    if not isinstance(value, bool):
        raise Invalid({"archived": "must be true or false"})
    return value


def _chosen(field: str, value: Any, known: Mapping[str, Any]) -> Any:
    found = known.get(value) if isinstance(value, str) else None
    if found is None:
        raise Invalid({field: "is none of this project's: choose one that it has"})
    return found


def _several(field: str, value: Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, str) or not isinstance(value, Sequence) or not all(isinstance(one, str) for one in value):
        raise Invalid({field: "must be a list of ids"})
    return list(value)


_SETTERS: Mapping[str, Callable[[Any, TaskFacts, Choices, Collection[str]], Any]] = {
    "summary": _summary,
    "description": _description,
    "status": _status,
    "type": _type,
    "due": _due,
    "start": _start,
    "assignees": _assignees,
    "labels": _labels,
    "archived": _archived,
}
