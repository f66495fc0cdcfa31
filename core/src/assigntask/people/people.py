"""People as rows. Every change makes a new version of the person and raises the organisation's epoch.

The epoch comes first: whoever takes several rows takes the organisation's before a person's, a person's before an
installation's, so that no two units wait for each other.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from assigntask.db import tables as t
from assigntask.db.ids import is_id, new_id
from assigntask.errors import HostError
from assigntask_sdk.errors import Invalid, NotFound

from . import departments
from .facts import PersonFacts, PersonState, Role
from .organisations import lock, raise_epoch
from .text import checked, checked_email, checked_time_zone, checked_user_name, email_key

FORGOTTEN = "Forgotten person"
_AT_ONCE = 1000

_PERSON: sa.Select[Any] = sa.select(
    *(t.person.c[name] for name in ("id", "version", "subject_id", "name", "user_name", "email", "job_title")),
    t.person.c.department_id,
    t.department.c.name.label("department"),
    *(t.person.c[name] for name in ("role", "state", "time_zone", "locale")),
).outerjoin(
    t.department,
    sa.and_(
        t.department.c.organisation_id == t.person.c.organisation_id,
        t.department.c.id == t.person.c.department_id,
    ),
)


def add(
    conn: Connection,
    organisation_id: str,
    *,
    name: str,
    email: str | None = None,
    user_name: str | None = None,
    job_title: str | None = None,
    department: str | None = None,
    role: Role = "member",
    time_zone: str | None = None,
    locale: str | None = None,
    state: PersonState = "active",
    now: dt.datetime,
) -> PersonFacts:
    """`department` is a name and is made where it is missing.

    Raises HostError `person_exists` where the e-mail address or user name is somebody's already; Invalid.
    """
    person_id = new_id()
    values: dict[str, Any] = {
        "name": checked("name", name, limit=200),
        "email": checked_email(email) if email else None,
        "user_name": checked_user_name(user_name) if user_name else None,
        "job_title": checked("job_title", job_title, limit=200) if job_title else None,
        "role": _role(role),
        "time_zone": checked_time_zone(time_zone) if time_zone else None,
        "locale": checked("locale", locale, limit=35) if locale else None,
    }
    values["email_key"] = email_key(values["email"]) if email else None
    values["department_id"] = departments.ensure(conn, organisation_id, department) if department else None
    raise_epoch(conn, organisation_id)
    identity = {"id": person_id, "organisation_id": organisation_id, "subject_id": new_id(), "state": state}
    try:
        with conn.begin_nested():
            conn.execute(sa.insert(t.person).values(**identity, **values, created_at=now))
    except IntegrityError as error:
        raise _exists() from error
    return get(conn, organisation_id, person_id)


def load(conn: Connection, organisation_id: str, ids: Iterable[str]) -> dict[str, PersonFacts]:
    """One query for every 1,000; ids that are nobody's in this organisation are left out."""
    found: dict[str, PersonFacts] = {}
    for some in _parts(ids):
        query = _PERSON.where(t.person.c.organisation_id == organisation_id, t.person.c.id.in_(some))
        found |= {row.id: PersonFacts(*row) for row in conn.execute(query)}
    return found


def get(conn: Connection, organisation_id: str, person_id: str) -> PersonFacts:
    """Raises NotFound."""
    found = load(conn, organisation_id, [person_id]).get(person_id)
    if found is None:
        raise NotFound("There is no such person in this organisation.")
    return found


def find(conn: Connection, organisation_id: str, text: str) -> PersonFacts:
    """By id, e-mail address (in any case) or user name. Raises HostError `person_unknown`."""
    text = text.strip().removeprefix("@") if not is_id(text) else text
    for column, value in (
        (t.person.c.id, text),
        (t.person.c.email_key, email_key(text)),
        (t.person.c.user_name, text),
    ):
        query = _PERSON.where(t.person.c.organisation_id == organisation_id, column == value)
        row = conn.execute(query).one_or_none()
        if row is not None:
            return PersonFacts(*row)
    raise HostError(
        "person_unknown",
        f"Nobody in this organisation is known by {text!r}; write an e-mail address, a user name or an id.",
        person=text,
    )


def listed(
    conn: Connection, organisation_id: str, *, states: Collection[PersonState] = ("active", "left")
) -> list[PersonFacts]:
    """By name, then id."""
    query = _PERSON.where(t.person.c.organisation_id == organisation_id, t.person.c.state.in_(sorted(states)))
    return [PersonFacts(*row) for row in conn.execute(query.order_by(t.person.c.name, t.person.c.id))]


def everyone(conn: Connection, organisation_id: str) -> list[str]:
    """The ids of all who were not forgotten, in order of id."""
    query = sa.select(t.person.c.id).where(
        t.person.c.organisation_id == organisation_id, t.person.c.state != "forgotten"
    )
    return list(conn.execute(query.order_by(t.person.c.id)).scalars())


def active(conn: Connection, organisation_id: str, ids: Iterable[str], *, hold: bool = False) -> frozenset[str]:
    """Those of `ids` that are active people here. With `hold` they stay so until the unit has ended."""
    wanted = sorted(set(ids))
    if not wanted:
        return frozenset()
    query = sa.select(t.person.c.id).where(
        t.person.c.organisation_id == organisation_id, t.person.c.id.in_(wanted), t.person.c.state == "active"
    )
    return frozenset(conn.execute(query.with_for_update(read=True) if hold else query).scalars())


def by_user_names(conn: Connection, organisation_id: str, user_names: Iterable[str]) -> dict[str, str]:
    """User name to person id, for those that are taken."""
    found: dict[str, str] = {}
    for some in _parts(user_names):
        query = sa.select(t.person.c.user_name, t.person.c.id).where(
            t.person.c.organisation_id == organisation_id, t.person.c.user_name.in_(some)
        )
        found |= {row.user_name: row.id for row in conn.execute(query)}
    return found


def department_sizes(conn: Connection, organisation_id: str) -> dict[str, int]:
    """Department name to the number of active people in it; departments without anybody count 0."""
    return {department.name: department.members for department in departments.listed(conn, organisation_id)}


def hold(conn: Connection, organisation_id: str, person_id: str) -> None:
    """Until the unit ends nobody else changes this person, or records a release about them."""
    conn.execute(
        sa.select(t.person.c.id)
        .where(t.person.c.organisation_id == organisation_id, t.person.c.id == person_id)
        .with_for_update()
    )


def rename(conn: Connection, organisation_id: str, person_id: str, name: str) -> PersonFacts:
    return _change(conn, organisation_id, person_id, name=checked("name", name, limit=200))


def set_role(conn: Connection, organisation_id: str, person_id: str, role: Role) -> PersonFacts:
    """Raises HostError `last_admin` where nobody else would be an active admin."""
    if _role(role) != "admin":
        _keep_an_admin(conn, organisation_id, person_id)
    return _change(conn, organisation_id, person_id, role=role)


def set_department(conn: Connection, organisation_id: str, person_id: str, name: str | None) -> PersonFacts:
    department_id = departments.ensure(conn, organisation_id, name) if name else None
    return _change(conn, organisation_id, person_id, department_id=department_id)


def set_job_title(conn: Connection, organisation_id: str, person_id: str, job_title: str | None) -> PersonFacts:
    value = checked("job_title", job_title, limit=200) if job_title else None
    return _change(conn, organisation_id, person_id, job_title=value)


def set_email(conn: Connection, organisation_id: str, person_id: str, email: str | None) -> PersonFacts:
    """Raises HostError `person_exists` where the address is somebody else's; Invalid."""
    written = checked_email(email) if email else None
    key = email_key(written) if written else None
    try:
        with conn.begin_nested():
            return _change(conn, organisation_id, person_id, email=written, email_key=key)
    except IntegrityError as error:
        raise _exists() from error


def mark_left(conn: Connection, organisation_id: str, person_id: str) -> PersonFacts:
    """Raises HostError `last_admin`."""
    _keep_an_admin(conn, organisation_id, person_id)
    return _change(conn, organisation_id, person_id, state="left")


def scrub(conn: Connection, organisation_id: str, person_id: str, now: dt.datetime) -> PersonFacts:
    """Leaves the id, which tasks and comments point at, and nothing that tells who it was.

    Raises HostError `last_admin`.
    """
    _keep_an_admin(conn, organisation_id, person_id)
    nothing = dict.fromkeys(("user_name", "email", "email_key", "job_title", "department_id", "time_zone", "locale"))
    rest = {"name": FORGOTTEN, "role": "member", "state": "forgotten", "forgotten_at": now}
    return _change(conn, organisation_id, person_id, **nothing, **rest)


def _change(conn: Connection, organisation_id: str, person_id: str, **values: Any) -> PersonFacts:
    """Raises NotFound, also for somebody who was forgotten: nothing may be written about them again."""
    raise_epoch(conn, organisation_id)
    query = sa.update(t.person).where(
        t.person.c.organisation_id == organisation_id, t.person.c.id == person_id, t.person.c.state != "forgotten"
    )
    changed = conn.execute(query.values(version=t.person.c.version + 1, **values))
    if changed.rowcount != 1:
        raise NotFound("There is no such person in this organisation.")
    return get(conn, organisation_id, person_id)


def _keep_an_admin(conn: Connection, organisation_id: str, person_id: str) -> None:
    # Two admins who leave at the same moment must not both see the other one still there.
    lock(conn, organisation_id)
    query = sa.select(t.person.c.id).where(
        t.person.c.organisation_id == organisation_id, t.person.c.role == "admin", t.person.c.state == "active"
    )
    if list(conn.execute(query).scalars()) == [person_id]:
        raise HostError(
            "last_admin", "This is the organisation's only admin; make somebody else an admin first.", person=person_id
        )


def _parts(wanted: Iterable[str]) -> Iterator[list[str]]:
    """A text may name more people than a statement takes."""
    every = sorted(set(wanted))
    for start in range(0, len(every), _AT_ONCE):
        yield every[start : start + _AT_ONCE]


def _exists() -> HostError:
    return HostError(
        "person_exists",
        "Somebody in this organisation has this e-mail address or user name already; people list shows who.",
    )


def _role(role: str) -> str:
    if role not in ("member", "admin"):
        raise Invalid({"role": "must be member or admin"})
    return role
