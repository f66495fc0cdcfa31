"""Who looks, and at what. Whoever sits at the host's own machine needs no sign-in, and sees what an admin sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask.errors import HostError
from assigntask.people import organisations, people
from assigntask.people.facts import Doer, OrganisationFacts, PersonFacts
from assigntask.tasks import projects
from assigntask.tasks.facts import ProjectFacts


@dataclass(frozen=True, slots=True)
class Visit:
    """`organisations` and `projects` are those to choose from; an organisation may have no project yet."""

    organisations: Sequence[OrganisationFacts]
    organisation: OrganisationFacts
    viewer: PersonFacts
    projects: Sequence[ProjectFacts]
    project: ProjectFacts | None

    @property
    def doer(self) -> Doer:
        return Doer(self.organisation.id, self.viewer.id, self.viewer.role)

    @property
    def time_zone(self) -> str:
        return self.viewer.time_zone or self.organisation.time_zone


def open_visit(conn: Connection, organisation: str | None, project: str | None, doer: Doer | None = None) -> Visit:
    """`organisation`: a name or an id, `project`: an id; None: the first by name.

    `doer`: who is signed in; there is no organisation but theirs. None: the organisation's first admin.

    Raises HostError `organisation_missing`, `organisation_unknown`, `admin_missing`, `project_unknown`.
    """
    known = organisations.listed(conn) if doer is None else [organisations.get(conn, doer.organisation_id)]
    chosen = _organisation(known, organisation)
    viewer = _first_admin(conn, chosen) if doer is None else people.get(conn, chosen.id, doer.person_id or "")
    offered = projects.listed(conn, chosen.id)
    if project is None:
        return Visit(known, chosen, viewer, offered, offered[0] if offered else None)
    for each in offered:
        if each.id == project:
            return Visit(known, chosen, viewer, offered, each)
    raise HostError("project_unknown", "There is no such project in this organisation, or it is archived.")


def _organisation(known: Sequence[OrganisationFacts], wanted: str | None) -> OrganisationFacts:
    if not known:
        raise HostError(
            "organisation_missing",
            "There is no organisation yet. Make one with "
            "`assigntask import trello FILE --organisation NAME --admin EMAIL`, then load this page again.",
        )
    if wanted is None:
        return known[0]
    for each in known:
        if wanted in (each.id, each.name):
            return each
    raise HostError("organisation_unknown", "There is no such organisation on this host.")


def _first_admin(conn: Connection, organisation: OrganisationFacts) -> PersonFacts:
    first = conn.execute(
        sa.select(t.person.c.id)
        .where(t.person.c.organisation_id == organisation.id, t.person.c.role == "admin", t.person.c.state == "active")
        .order_by(t.person.c.name, t.person.c.id)
        .limit(1)
    ).scalar_one_or_none()
    if first is None:
        raise HostError(
            "admin_missing",
            f"{organisation.name} has no admin. Name one with `assigntask people role PERSON admin`.",
        )
    return people.get(conn, organisation.id, first)
