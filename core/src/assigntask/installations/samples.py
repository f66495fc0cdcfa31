"""What a grant would open today: how much of each detail, about how many people, and a few real values.

Only reads. Values are those that the person who looks may see anyway; an id that only the app would see has
no value before there is an app.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from pydantic_core import to_jsonable_python
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask.installations.contacts import value_of
from assigntask.people import people
from assigntask.people.facts import PersonFacts
from assigntask.people.rights import rights_of
from assigntask.tasks.facts import TaskFacts
from assigntask.tasks.mentions import to_names
from assigntask.tasks.tasks import page
from assigntask_sdk.details import DETAILS, STREAMED, About, Detail

AT_MOST = 3
LONGEST = 120

_RECORD_TABLES: Mapping[str, sa.Table] = {
    "organisation": t.organisation,
    "department": t.department,
    "task_type": t.task_type,
    "project": t.project,
    "task": t.task,
    "comment": t.comment,
    "attachment": t.attachment,
    "person": t.person,
}
_IDS_OF_PEOPLE = frozenset(
    {"task.assignees", "task.creator", "comment.author", "attachment.author", "viewer.person", "viewer.change"}
)
_OF_FILES = frozenset({"attachment.media_type", "attachment.size", "attachment.sha256"})
_COLUMNS = {"task": "task_id", "created": "created_at", "edited": "edited_at"}


@dataclass(frozen=True, slots=True)
class Sample:
    """`records` and `people` are counts of today; `people` is None where nobody can tell, as with free text."""

    records: int
    people: int | None
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class View:
    """Who looks, and how far the app would reach. `projects` None: all. `withheld`: person ids."""

    organisation_id: str
    by: PersonFacts
    projects: Collection[str] | None
    withheld: Collection[str]


def withheld_from(
    conn: Connection, organisation_id: str, left_out: Collection[str], only: PersonFacts | None
) -> frozenset[str]:
    """Person ids of which the app would get nothing. `only`: who installs for themselves alone."""
    others = people.everyone(conn, organisation_id) if only is not None else ()
    return frozenset(left_out) | {person_id for person_id in others if only is not None and person_id != only.id}


def gather(conn: Connection, view: View, details: Collection[str]) -> Mapping[str, Sample]:
    """By detail. A detail that the one who looks may not see has counts and no values."""
    seen = rights_of(view.by.role)
    wanted = [DETAILS[name] for name in sorted(details)]
    records = {record: _count(conn, view, record) for record in {detail.record for detail in wanted}}
    known = _people(conn, view)
    tasks = page(
        conn,
        view.organisation_id,
        projects=view.projects,
        archived=None,
        done=None,
        updated_since=None,
        created_since=None,
        after=None,
        limit=AT_MOST,
    )
    return {
        detail.name: Sample(
            records=records[detail.record],
            people=_concerned(conn, view, detail, len(known)),
            values=_values(conn, view, detail, known, tasks) if detail.scope in seen else (),
        )
        for detail in wanted
    }


def _people(conn: Connection, view: View) -> list[PersonFacts]:
    """Those whom the app would get something about; whoever looks comes first, as their own example."""
    known = [person for person in people.listed(conn, view.organisation_id) if person.id not in view.withheld]
    return sorted(known, key=lambda person: person.id != view.by.id)


def _within(view: View, record: str) -> sa.Select[Any]:
    table = _RECORD_TABLES[record]
    query = sa.select(table)
    if record == "organisation":
        return query.where(table.c.id == view.organisation_id)
    query = query.where(table.c.organisation_id == view.organisation_id)
    if record == "project" and view.projects is not None:
        query = query.where(table.c.id.in_(sorted(view.projects)))
    if record == "task" and view.projects is not None:
        query = query.where(table.c.project_id.in_(sorted(view.projects)))
    if record in ("comment", "attachment"):
        if view.projects is not None:
            tasks = _within(view, "task").with_only_columns(t.task.c.id)
            query = query.where(table.c.task_id.in_(tasks))
        if view.withheld:
            withheld = table.c.author_id.in_(sorted(view.withheld))
            query = query.where(sa.or_(table.c.author_id.is_(None), sa.not_(withheld)))
    return query


def _count(conn: Connection, view: View, record: str) -> int:
    if record in ("person", "viewer"):
        return len(_people(conn, view))
    found = conn.scalar(_within(view, record).with_only_columns(sa.func.count(), maintain_column_froms=True))
    return int(found or 0)


def _concerned(conn: Connection, view: View, detail: Detail, known: int) -> int | None:
    """How many people the detail tells something about."""
    if detail.about in (About.SELF, About.VIEWER):
        return known
    if detail.about is About.NONE:
        return 0
    if detail.about is About.ANYONE:
        return None
    if detail.about is About.ASSIGNEE:
        tasks = _within(view, "task").with_only_columns(t.task.c.id)
        column: sa.ColumnElement[Any] = t.assignee.c.person_id
        query = sa.select(sa.func.count(sa.distinct(column))).where(
            t.assignee.c.organisation_id == view.organisation_id, t.assignee.c.task_id.in_(tasks)
        )
    else:
        column = t.task.c.creator_id if detail.record == "task" else _RECORD_TABLES[detail.record].c.author_id
        query = _within(view, detail.record).with_only_columns(sa.func.count(sa.distinct(column)))
    if view.withheld:
        query = query.where(column.notin_(sorted(view.withheld)))
    return int(conn.scalar(query) or 0)


def _values(
    conn: Connection, view: View, detail: Detail, known: Sequence[PersonFacts], tasks: Sequence[TaskFacts]
) -> tuple[Any, ...]:
    if detail.name in _IDS_OF_PEOPLE:
        return ()
    found: list[Any]
    if detail.record == "person":
        found = [value_of(person, detail.name) for person in known[:AT_MOST]]
    elif detail.name == "task.departments":
        found = [value for task in tasks if (value := _departments(conn, view, task))]
    elif detail.record == "task":
        found = [getattr(task, detail.field) for task in tasks]
    else:
        found = _stored(conn, view, detail)
    return tuple(_short(value) for value in found if value not in (None, "", (), []))[:AT_MOST]


def _departments(conn: Connection, view: View, task: TaskFacts) -> dict[str, int]:
    """As counts, the way the app would get them."""
    assigned = people.load(conn, view.organisation_id, [one for one in task.assignees if one not in view.withheld])
    return dict(Counter(person.department for person in assigned.values() if person.department))


def _stored(conn: Connection, view: View, detail: Detail) -> list[Any]:
    if detail.name == "project.statuses":
        projects = _within(view, "project").with_only_columns(t.project.c.id)
        query = sa.select(t.status.c.name).where(
            t.status.c.organisation_id == view.organisation_id, t.status.c.project_id.in_(projects)
        )
        return list(conn.scalars(query.order_by(t.status.c.position, t.status.c.id).limit(AT_MOST)))
    if detail.name in STREAMED:
        return []  # what is in a file is too much to show; its name and size are shown
    if detail.name in _OF_FILES:
        attachments = _within(view, "attachment").with_only_columns(t.attachment.c.id)
        query = sa.select(t.file.c[detail.field]).where(
            t.file.c.organisation_id == view.organisation_id, t.file.c.attachment_id.in_(attachments)
        )
        return list(conn.scalars(query.order_by(t.file.c.attachment_id).limit(AT_MOST)))
    table = _RECORD_TABLES[detail.record]
    column = table.c[_COLUMNS.get(detail.field, detail.field)]
    query = _within(view, detail.record).with_only_columns(column).order_by(table.c.id)
    return list(conn.scalars(query.limit(AT_MOST)))


def _short(value: Any) -> Any:
    """As JSON; of a long text its beginning."""
    plain = to_jsonable_python(to_names(value, _nobody) if isinstance(value, str) else value)
    return plain[: LONGEST - 1] + "…" if isinstance(plain, str) and len(plain) > LONGEST else plain


def _nobody(_: str) -> None:
    """Whom a text mentions is not what it shares: the app would see an id."""
