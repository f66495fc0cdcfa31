"""Departments, and how many work in each."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from assigntask.db import tables as t
from assigntask.db.ids import new_id

from .facts import DepartmentFacts
from .text import checked


def ensure(conn: Connection, organisation_id: str, name: str) -> str:
    """The id of the department of that name, which is made where it is missing. Raises Invalid."""
    name = checked("department", name, limit=200)
    found = _by_name(conn, organisation_id, name)
    if found is not None:
        return found
    department_id = new_id()
    try:
        with conn.begin_nested():
            conn.execute(sa.insert(t.department).values(id=department_id, organisation_id=organisation_id, name=name))
    except IntegrityError:  # somebody else made it in this moment
        found = _by_name(conn, organisation_id, name)
        if found is None:
            raise
        return found
    return department_id


def listed(conn: Connection, organisation_id: str) -> list[DepartmentFacts]:
    """By name, also those in which nobody is."""
    members = sa.func.count(t.person.c.id)
    query = (
        sa.select(t.department.c.id, t.department.c.version, t.department.c.name, members)
        .outerjoin(
            t.person,
            sa.and_(
                t.person.c.organisation_id == t.department.c.organisation_id,
                t.person.c.department_id == t.department.c.id,
                t.person.c.state == "active",
            ),
        )
        .where(t.department.c.organisation_id == organisation_id)
        .group_by(t.department.c.id, t.department.c.version, t.department.c.name)
        .order_by(t.department.c.name)
    )
    return [DepartmentFacts(*row) for row in conn.execute(query)]


def _by_name(conn: Connection, organisation_id: str, name: str) -> str | None:
    query = sa.select(t.department.c.id).where(
        t.department.c.organisation_id == organisation_id, t.department.c.name == name
    )
    return conn.execute(query).scalar_one_or_none()
