"""A task's fields as tests write them: by name, and what has no such name yet is made."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Protocol, TypeVar, cast

from sqlalchemy.engine import Connection

from assigntask.actions import names
from assigntask.actions.names import NamedFields
from assigntask.tasks import projects
from assigntask.tasks.drafts import TaskChanges
from assigntask_sdk.records import Due
from assigntask_sdk.testing import PersonUnderTest


class _Named(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def name(self) -> str: ...


_N = TypeVar("_N", bound=_Named)


def ready(conn: Connection, organisation_id: str, project_id: str, fields: Mapping[str, Any]) -> TaskChanges:
    """The changes in the host's ids. Statuses, types and labels that are missing are there afterwards.

    Raises Invalid, NotFound.
    """
    known = projects.choices(conn, organisation_id, project_id)
    status = fields.get("status")
    if isinstance(status, str) and _missing([status], known.statuses.values()):
        position = (len(known.statuses) + 1) * projects.STEP
        projects.add_status(conn, organisation_id, project_id, status, position=position)
    kind = fields.get("type")
    if isinstance(kind, str) and _missing([kind], known.types.values()):
        projects.ensure_type(conn, organisation_id, kind)
    for label in _missing(fields.get("labels") or (), known.labels.values()):
        projects.add_label(conn, organisation_id, project_id, label, colour=None)
    return names.resolve(conn, organisation_id, project_id, plain(fields))


def plain(fields: Mapping[str, Any]) -> NamedFields:
    """People by id, and a day as what is due that day."""
    given = dict(fields)
    due = given.get("due")
    if isinstance(due, dt.date) and not isinstance(due, dt.datetime):
        given["due"] = Due(due)
    if given.get("assignees") is not None:
        given["assignees"] = [
            person.id if isinstance(person, PersonUnderTest) else person for person in given["assignees"]
        ]
    return cast(NamedFields, given)  # a name that is no field's is refused by the host


def _missing(wanted: Iterable[str], known: Collection[_N]) -> list[str]:
    names_and_ids = {text for one in known for text in (one.id, one.name.casefold())}
    return [text for text in wanted if text not in names_and_ids and text.strip().casefold() not in names_and_ids]
