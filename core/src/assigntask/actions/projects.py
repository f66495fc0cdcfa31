"""Making projects, and changing what they are."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from sqlalchemy.engine import Connection

from assigntask.db.database import Database
from assigntask.events.events import Event, record
from assigntask.people import doers, organisations
from assigntask.people.facts import Doer
from assigntask.tasks import projects
from assigntask.tasks.facts import ProjectFacts

Clock = Callable[[], dt.datetime]


class ProjectActions:
    """For admins, and for the operator. Each method raises NotAllowed, Invalid, and NotFound where there is none."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def create(self, doer: Doer, name: str, *, description: str = "") -> ProjectFacts:
        """With three statuses. Another project of the same name is another project."""
        return await self._db.write(_create, doer, name, description, self._clock())

    async def edit(
        self,
        doer: Doer,
        project_id: str,
        *,
        name: str | None = None,
        description: str | None = None,
        archived: bool | None = None,
    ) -> ProjectFacts:
        """What is None stays. Where nothing would change, nothing happens."""
        return await self._db.write(_edit, doer, project_id, name, description, archived, self._clock())

    async def add_status(self, doer: Doer, project_id: str, name: str, *, done: bool = False) -> ProjectFacts:
        """Behind the others. `done`: what is there counts as done. One of that name is left as it is."""
        return await self._db.write(_add_status, doer, project_id, name, done, self._clock())


def _create(conn: Connection, doer: Doer, name: str, description: str, now: dt.datetime) -> ProjectFacts:
    doers.require_admin(doers.current(conn, doer), "make projects")
    project_id = projects.create(conn, doer.organisation_id, name, description=description, now=now)
    return _told(conn, doer, "project.created", project_id, projects.FIELDS, now)


def _edit(
    conn: Connection,
    doer: Doer,
    project_id: str,
    name: str | None,
    description: str | None,
    archived: bool | None,
    now: dt.datetime,
) -> ProjectFacts:
    before = _begin(conn, doer, project_id)
    after = projects.change(conn, doer.organisation_id, before, name=name, description=description, archived=archived)
    if after is before:
        return before
    changed = tuple(field for field in projects.FIELDS if getattr(before, field) != getattr(after, field))
    return _told(conn, doer, "project.changed", project_id, changed, now)


def _add_status(conn: Connection, doer: Doer, project_id: str, name: str, done: bool, now: dt.datetime) -> ProjectFacts:
    before = _begin(conn, doer, project_id)
    if name.strip() in {status.name for status in before.statuses}:
        return before
    position = projects.behind(conn, doer.organisation_id, project_id)
    projects.add_status(conn, doer.organisation_id, project_id, name, position=position, done=done)
    return _told(conn, doer, "project.changed", project_id, ("statuses",), now)


def _begin(conn: Connection, doer: Doer, project_id: str) -> ProjectFacts:
    """Holds the organisation's row, so that the project stays as it is read here."""
    organisations.lock(conn, doer.organisation_id)
    doers.require_admin(doers.current(conn, doer), "change projects")
    return projects.get(conn, doer.organisation_id, project_id)


def _told(
    conn: Connection, doer: Doer, kind: str, project_id: str, changed: tuple[str, ...], now: dt.datetime
) -> ProjectFacts:
    project = projects.get(conn, doer.organisation_id, project_id)
    event = Event(
        kind=kind,
        record_kind="project",
        record_id=project.id,
        at=now,
        version=project.version,
        changed=changed,
        by_person_id=doer.person_id,
        origin=doer.installation_id,
    )
    record(conn, doer.organisation_id, event, hook="project_changed")
    return project
