"""What people call things, as ids: statuses, types, labels, projects, tasks and people by their names."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from sqlalchemy.engine import Connection
from typing_extensions import TypedDict

from assigntask.db.ids import is_id
from assigntask.errors import HostError
from assigntask.people import people
from assigntask.tasks import projects, tasks
from assigntask.tasks.drafts import TaskChanges
from assigntask.tasks.facts import ProjectFacts, TaskFacts
from assigntask.tasks.projects import Choices
from assigntask_sdk.details import nearest
from assigntask_sdk.errors import Invalid, NotFound
from assigntask_sdk.records import Due


class NamedFields(TypedDict, total=False):
    """As `TaskChanges`, but statuses, types and labels by name (or id), people by e-mail address, user name or id."""

    summary: str
    description: str
    status: str
    type: str | None
    due: Due | None
    start: dt.date | None
    assignees: Sequence[str]
    labels: Sequence[str]
    archived: bool


class _Named(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def name(self) -> str: ...


_N = TypeVar("_N", bound=_Named)


def resolve(conn: Connection, organisation_id: str, project_id: str, named: NamedFields) -> TaskChanges:
    """Raises Invalid, naming each field with a name that is not known and the one most likely meant; NotFound."""

    def person(text: str) -> str:
        try:
            return people.find(conn, organisation_id, text).id
        except HostError as unknown:
            raise Invalid({"assignees": f"nobody here is known by {text!r}"}) from unknown

    return resolve_with(projects.choices(conn, organisation_id, project_id), named, person)


def resolve_with(choices: Choices, named: NamedFields, person: Callable[[str], str]) -> TaskChanges:
    """As `resolve`, with what there is to choose from at hand. `person`: what stands for somebody → person id."""
    resolvers: Mapping[str, Callable[[Any], Any]] = {
        "status": lambda name: _one("status", name, choices.statuses.values()),
        "type": lambda name: None if name is None else _one("type", name, choices.types.values()),
        "labels": lambda names: [_one("labels", name, choices.labels.values()) for name in names or ()],
        "assignees": lambda texts: [person(text) for text in texts or ()],
    }
    changes: TaskChanges = {}
    wrong: dict[str, str] = {}
    for name, value in named.items():
        try:
            changes[name] = resolvers[name](value) if name in resolvers else value  # type: ignore[literal-required]
        except Invalid as invalid:
            wrong |= invalid.fields
    if wrong:
        raise Invalid(wrong)
    return changes


def project(conn: Connection, organisation_id: str, text: str) -> ProjectFacts:
    """By id or name. Raises HostError `project_unknown`, naming the one most likely meant."""
    found = projects.listed(conn, organisation_id, archived=None)
    chosen = _find(text, sorted(found, key=lambda one: one.archived))
    if chosen is None:
        meant = nearest(text, [one.name for one in found])
        hint = f" Did you mean {meant!r}?" if meant else ""
        raise HostError("project_unknown", f"There is no project {text!r} here.{hint}", project=text, nearest=meant)
    return chosen


def task(conn: Connection, organisation_id: str, text: str) -> TaskFacts:
    """By id or number ("12" or "#12"). Raises NotFound."""
    text = text.strip()
    number = text.removeprefix("#")
    found: TaskFacts | None = None
    if is_id(text):
        found = tasks.get(conn, organisation_id, text)
    elif number.isascii() and number.isdigit() and len(number) < 16:
        found = tasks.by_number(conn, organisation_id, int(number))
    if found is None:
        raise NotFound(f"There is no task {text!r} here; tasks list shows the numbers.")
    return found


def _one(field: str, text: Any, known: Iterable[_Named]) -> str:
    candidates = list(known)
    chosen = _find(text, candidates) if isinstance(text, str) else None
    if chosen is None:
        names = [one.name for one in candidates if one.name]
        meant = nearest(text, names) if isinstance(text, str) else None
        hint = f"did you mean {meant!r}?" if meant else f"choose one of: {', '.join(names) or 'there are none yet'}"
        raise Invalid({field: f"there is no {text!r}; {hint}"})
    return chosen.id


def _find(text: str, known: Iterable[_N]) -> _N | None:
    """By id, else by name; the exact one before one that differs in case."""
    candidates = list(known)
    wanted = text.strip()
    folded = wanted.casefold()
    exact = (one for one in candidates if wanted in (one.id, one.name))
    alike = (one for one in candidates if folded and one.name.casefold() == folded)
    return next(exact, None) or next(alike, None)
