"""Projects with their statuses and labels, and the organisation's task types."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from assigntask.db import tables as t
from assigntask.db.ids import new_id
from assigntask.people.organisations import lock
from assigntask.people.text import checked
from assigntask_sdk.errors import Gone, NotFound
from assigntask_sdk.records import Label, Status, TaskType

from .facts import ProjectFacts, TaskTypeFacts

DESCRIPTION_LIMIT = 100_000
NAME_LIMIT = 20_000  # as long as other trackers allow
STEP = 65536.0
"""Between the positions of neighbours, so that something can be put between them for a long time."""

FIELDS = ("name", "description", "archived", "statuses")

DEFAULT_STATUSES = (("To do", False), ("Doing", False), ("Done", True))


@dataclass(frozen=True, slots=True)
class Choices:
    """What a task of one project can be set to, by id. Statuses are in the order of the board."""

    statuses: Mapping[str, Status]
    types: Mapping[str, TaskType]
    labels: Mapping[str, Label]


def create(
    conn: Connection,
    organisation_id: str,
    name: str,
    *,
    description: str = "",
    archived: bool = False,
    statuses: Sequence[tuple[str, bool]] = DEFAULT_STATUSES,
    now: dt.datetime,
) -> str:
    """The new project's id. `statuses`: name, and whether what is there is done. Raises Invalid."""
    project_id = new_id()
    conn.execute(
        sa.insert(t.project).values(
            id=project_id,
            organisation_id=organisation_id,
            name=checked("project", name, limit=NAME_LIMIT),
            description=checked("description", description, limit=DESCRIPTION_LIMIT, empty=True),
            archived=archived,
            created_at=now,
        )
    )
    for place, (status, done) in enumerate(statuses, 1):
        add_status(conn, organisation_id, project_id, status, position=place * STEP, done=done)
    return project_id


def change(
    conn: Connection,
    organisation_id: str,
    before: ProjectFacts,
    *,
    name: str | None = None,
    description: str | None = None,
    archived: bool | None = None,
) -> ProjectFacts:
    """The project with what is given and differs, at a new version; else `before` itself. Raises Invalid.

    Call it with the organisation's row held, so that `before` is still so.
    """
    wanted: dict[str, Any] = {}
    if name is not None:
        wanted["name"] = checked("project", name, limit=NAME_LIMIT)
    if description is not None:
        wanted["description"] = checked("description", description, limit=DESCRIPTION_LIMIT, empty=True)
    if archived is not None:
        wanted["archived"] = archived
    values = {field: value for field, value in wanted.items() if getattr(before, field) != value}
    if not values:
        return before
    mine = (t.project.c.organisation_id == organisation_id, t.project.c.id == before.id)
    conn.execute(sa.update(t.project).where(*mine).values(version=t.project.c.version + 1, **values))
    return get(conn, organisation_id, before.id)


def ensure(conn: Connection, organisation_id: str, name: str, *, now: dt.datetime) -> str:
    """The id of the project of that name, which is made with three statuses where it is missing."""
    lock(conn, organisation_id)
    found = conn.execute(
        sa.select(t.project.c.id)
        .where(t.project.c.organisation_id == organisation_id, t.project.c.name == name.strip())
        .order_by(t.project.c.archived, t.project.c.id)
        .limit(1)
    ).scalar_one_or_none()
    return found if found is not None else create(conn, organisation_id, name, now=now)


def add_status(
    conn: Connection,
    organisation_id: str,
    project_id: str,
    name: str,
    *,
    position: float,
    done: bool = False,
    archived: bool = False,
) -> str:
    """The new status's id. Statuses are part of the project, which is at a new version then."""
    status_id = new_id()
    conn.execute(
        sa.insert(t.status).values(
            id=status_id,
            organisation_id=organisation_id,
            project_id=project_id,
            name=checked("status", name, limit=NAME_LIMIT),
            position=position,
            done=done,
            archived=archived,
        )
    )
    mine = (t.project.c.organisation_id == organisation_id, t.project.c.id == project_id)
    conn.execute(sa.update(t.project).where(*mine).values(version=t.project.c.version + 1))
    return status_id


def behind(conn: Connection, organisation_id: str, project_id: str) -> float:
    """The position behind all statuses that there are."""
    last = conn.execute(
        sa.select(sa.func.max(t.status.c.position)).where(
            t.status.c.organisation_id == organisation_id, t.status.c.project_id == project_id
        )
    ).scalar_one()
    return float(last or 0) + STEP


def add_label(conn: Connection, organisation_id: str, project_id: str, name: str, *, colour: str | None) -> str:
    """A label may have no name, but only a colour."""
    label_id = new_id()
    conn.execute(
        sa.insert(t.label).values(
            id=label_id,
            organisation_id=organisation_id,
            project_id=project_id,
            name=checked("label", name, limit=NAME_LIMIT, empty=True),
            colour=colour,
        )
    )
    return label_id


def ensure_type(conn: Connection, organisation_id: str, name: str) -> str:
    """The id of the task type of that name, which is made where it is missing."""
    name = checked("type", name, limit=200)
    mine = sa.select(t.task_type.c.id).where(
        t.task_type.c.organisation_id == organisation_id, t.task_type.c.name == name
    )
    found = conn.execute(mine).scalar_one_or_none()
    if found is not None:
        return str(found)
    type_id = new_id()
    try:
        with conn.begin_nested():
            conn.execute(sa.insert(t.task_type).values(id=type_id, organisation_id=organisation_id, name=name))
    except IntegrityError:  # somebody else made it in this moment
        return str(conn.execute(mine).scalar_one())
    return type_id


def get(conn: Connection, organisation_id: str, project_id: str) -> ProjectFacts:
    """Raises NotFound."""
    for project in _load(conn, organisation_id, t.project.c.id == project_id):
        return project
    raise NotFound("There is no such project in this organisation.")


def listed(
    conn: Connection, organisation_id: str, *, projects: Collection[str] | None = None, archived: bool | None = False
) -> list[ProjectFacts]:
    """By name. `projects`: only these ids. `archived=None`: archived or not."""
    wanted: list[sa.ColumnElement[bool]] = []
    if projects is not None:
        wanted.append(t.project.c.id.in_(sorted(projects)))
    if archived is not None:
        wanted.append(t.project.c.archived == archived)
    return _load(conn, organisation_id, *wanted)


def types(conn: Connection, organisation_id: str) -> list[TaskType]:
    """By name."""
    query = sa.select(t.task_type.c.id, t.task_type.c.name).where(t.task_type.c.organisation_id == organisation_id)
    return [TaskType(*row) for row in conn.execute(query.order_by(t.task_type.c.name, t.task_type.c.id))]


def type_facts(conn: Connection, organisation_id: str) -> list[TaskTypeFacts]:
    """Those of `types`, for the gate."""
    return [TaskTypeFacts(kind.id, 1, kind.name) for kind in types(conn, organisation_id)]


def labels(conn: Connection, organisation_id: str, project_id: str) -> list[Label]:
    """By name."""
    query = sa.select(t.label.c.id, t.label.c.name, t.label.c.colour).where(
        t.label.c.organisation_id == organisation_id, t.label.c.project_id == project_id
    )
    return [Label(*row) for row in conn.execute(query.order_by(t.label.c.name, t.label.c.id))]


def choices(conn: Connection, organisation_id: str, project_id: str) -> Choices:
    """Raises NotFound where there is no such project."""
    return Choices(
        {status.id: status for status in get(conn, organisation_id, project_id).statuses},
        {kind.id: kind for kind in types(conn, organisation_id)},
        {label.id: label for label in labels(conn, organisation_id, project_id)},
    )


def reach(conn: Connection, organisation_id: str, installation_id: str) -> frozenset[str] | None:
    """The projects that an active installation works in; None: all. Raises Gone for any other installation."""
    row = conn.execute(
        sa.select(t.installation.c.state, t.installation.c.all_projects).where(
            t.installation.c.organisation_id == organisation_id, t.installation.c.id == installation_id
        )
    ).one_or_none()
    if row is None or row.state != "active":
        raise Gone("This app is no longer active here; an admin can enable it or install it again.")
    if row.all_projects:
        return None
    query = sa.select(t.installation_project.c.project_id).where(
        t.installation_project.c.organisation_id == organisation_id,
        t.installation_project.c.installation_id == installation_id,
    )
    return frozenset(conn.execute(query).scalars())


def _load(conn: Connection, organisation_id: str, *wanted: sa.ColumnElement[bool]) -> list[ProjectFacts]:
    """Two queries, however many projects there are."""
    mine = (t.project.c.organisation_id == organisation_id, *wanted)
    found = conn.execute(sa.select(t.project).where(*mine).order_by(t.project.c.name, t.project.c.id)).all()
    statuses: dict[str, list[Status]] = {row.id: [] for row in found}
    rows: Sequence[Any] = conn.execute(
        sa.select(t.status)
        .where(
            t.status.c.organisation_id == organisation_id,
            t.status.c.project_id.in_(sa.select(t.project.c.id).where(*mine)),
        )
        .order_by(t.status.c.position, t.status.c.id)
    ).all()
    for row in rows:
        statuses.setdefault(row.project_id, []).append(Status(row.id, row.name, row.done, row.archived))
    return [
        ProjectFacts(row.id, row.version, row.name, row.description, row.archived, tuple(statuses[row.id]))
        for row in found
    ]
