"""Whether a record is within the installation's reach. What is not there and what is out of reach look the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.context.access import Access
from assigntask.context.boundary import not_found
from assigntask.context.fields import could_be_id
from assigntask.db import tables as t
from assigntask.grants.grant import Grant
from assigntask.tasks import checklists


async def reached_task(access: Access, grant: Grant, task_id: Any) -> str:
    """The task's project. Raises NotFound."""
    project_id = None
    if could_be_id(task_id):
        project_id = await access.services.db.read(_project_of_task, grant.organisation_id, task_id)
    if project_id is None or not grant.reaches(project_id):
        raise not_found("task")
    return project_id


async def reached_project(access: Access, grant: Grant, project_id: Any) -> str:
    """Raises NotFound."""
    if not could_be_id(project_id) or not grant.reaches(project_id):
        raise not_found("project")
    if not await access.services.db.read(_is_project, grant.organisation_id, project_id):
        raise not_found("project")
    return str(project_id)


async def reached_checklist(access: Access, grant: Grant, checklist_id: Any) -> None:
    """Raises NotFound."""
    await _reached(access, grant, checklist_id, _project_of_checklist, "checklist")


async def reached_item(access: Access, grant: Grant, item_id: Any) -> None:
    """Raises NotFound."""
    await _reached(access, grant, item_id, _project_of_item, "checklist item")


async def _reached(
    access: Access, grant: Grant, id: Any, project_of: Callable[[Connection, str, str], str | None], what: str
) -> None:
    project_id = None
    if could_be_id(id):
        project_id = await access.services.db.read(project_of, grant.organisation_id, id)
    if project_id is None or not grant.reaches(project_id):
        raise not_found(what)


async def reached_attachment(access: Access, grant: Grant, attachment_id: Any) -> None:
    """Raises NotFound, also for one that a withheld person added: this app can't see it."""
    found = None
    if could_be_id(attachment_id):
        found = await access.services.db.read(_place_of_attachment, grant.organisation_id, attachment_id)
    if found is None or not grant.reaches(found[0]) or (found[1] is not None and grant.withholds(found[1])):
        raise not_found("attachment")


def _project_of_task(conn: Connection, organisation_id: str, task_id: str) -> str | None:
    return conn.execute(
        sa.select(t.task.c.project_id).where(t.task.c.organisation_id == organisation_id, t.task.c.id == task_id)
    ).scalar_one_or_none()


def _project_of_checklist(conn: Connection, organisation_id: str, checklist_id: str) -> str | None:
    task_id = checklists.task_of(conn, organisation_id, checklist_id)
    return None if task_id is None else _project_of_task(conn, organisation_id, task_id)


def _project_of_item(conn: Connection, organisation_id: str, item_id: str) -> str | None:
    task_id = checklists.task_of_item(conn, organisation_id, item_id)
    return None if task_id is None else _project_of_task(conn, organisation_id, task_id)


def _is_project(conn: Connection, organisation_id: str, project_id: str) -> bool:
    statement = sa.select(t.project.c.id).where(
        t.project.c.organisation_id == organisation_id, t.project.c.id == project_id
    )
    return conn.execute(statement).first() is not None


def _place_of_attachment(conn: Connection, organisation_id: str, attachment_id: str) -> tuple[str, str | None] | None:
    """The project it is in, and who added it."""
    row = conn.execute(
        sa.select(t.task.c.project_id, t.attachment.c.author_id)
        .join(t.task, t.task.c.id == t.attachment.c.task_id)
        .where(
            t.attachment.c.organisation_id == organisation_id,
            t.task.c.organisation_id == organisation_id,
            t.attachment.c.id == attachment_id,
        )
    ).first()
    return None if row is None else (row[0], row[1])
