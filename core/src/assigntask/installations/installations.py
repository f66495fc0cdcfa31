"""Installations as rows: reading them, and changing one only from the state that was read."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping
from sqlalchemy.exc import IntegrityError

from assigntask.db import tables as t
from assigntask.errors import HostError
from assigntask.installations.life import LIVE, STATES, State
from assigntask_sdk.errors import Conflict


@dataclass(frozen=True, slots=True)
class Installation:
    """One app in one organisation. `projects` None means all. Moments are aware, in UTC."""

    id: str
    organisation_id: str
    app_id: str
    state: State
    version: str  # accepted
    manifest_digest: str
    pending_version: str | None
    notice_digest: str | None
    scopes: frozenset[str]  # granted
    declined: frozenset[str]
    grant_version: int
    projects: frozenset[str] | None
    contacts: Mapping[str, str]  # contact → person id
    only_person_id: str | None
    settings: Mapping[str, Any]
    credential: str
    ordinal: int
    requested_by: str | None
    installed_by: str | None
    created_at: datetime
    changed_at: datetime
    upgrading_from: str | None
    uninstalled_at: datetime | None
    wipe_at: datetime | None

    @classmethod
    def of(cls, row: RowMapping, projects: Collection[str]) -> Self:
        values = {name: row[name] for name in cls.__dataclass_fields__ if name in row}
        values["scopes"], values["declined"] = frozenset(row["scopes"]), frozenset(row["declined"])
        return cls(**values, projects=None if row["all_projects"] else frozenset(projects))

    def to_json(self) -> dict[str, Any]:
        """For people and programs outside; the credential stays inside."""
        return {
            "id": self.id,
            "app": self.app_id,
            "state": self.state,
            "version": self.version,
            "manifest_digest": self.manifest_digest,
            "pending_version": self.pending_version,
            "granted": sorted(self.scopes),
            "declined": sorted(self.declined),
            "grant_version": self.grant_version,
            "projects": None if self.projects is None else sorted(self.projects),
            "contacts": dict(self.contacts),
            "only_person": self.only_person_id,
            "settings": dict(self.settings),
            "created_at": self.created_at.isoformat(),
            "changed_at": self.changed_at.isoformat(),
            "wipe_at": None if self.wipe_at is None else self.wipe_at.isoformat(),
        }


def listed(conn: Connection, organisation_id: str, states: Collection[State] = STATES) -> list[Installation]:
    """In install order."""
    table = t.installation
    rows = conn.execute(
        sa.select(table)
        .where(table.c.organisation_id == organisation_id, table.c.state.in_(list(states)))
        .order_by(table.c.ordinal, table.c.id)
    ).mappings()
    return _with_projects(conn, organisation_id, list(rows))


def get(conn: Connection, organisation_id: str, installation_id: str) -> Installation:
    """Raises HostError `installation_unknown`."""
    table = t.installation
    rows = conn.execute(
        sa.select(table).where(table.c.organisation_id == organisation_id, table.c.id == installation_id)
    ).mappings()
    found = _with_projects(conn, organisation_id, list(rows))
    if not found:
        raise HostError("installation_unknown", "There is no such installation in this organisation.")
    return found[0]


def find(conn: Connection, organisation_id: str, app_id: str, states: Collection[State] = LIVE) -> Installation | None:
    """The newest in one of these states; of the live ones there is never more than one."""
    table = t.installation
    rows = conn.execute(
        sa.select(table)
        .where(table.c.organisation_id == organisation_id, table.c.app_id == app_id, table.c.state.in_(list(states)))
        .order_by(table.c.created_at.desc(), table.c.id.desc())
        .limit(1)
    ).mappings()
    found = _with_projects(conn, organisation_id, list(rows))
    return found[0] if found else None


def require(conn: Connection, organisation_id: str, app_id: str) -> Installation:
    """The live one, else the newest of any state, so that the table of states can say what is possible.

    Raises HostError `not_installed`.
    """
    found = find(conn, organisation_id, app_id) or find(conn, organisation_id, app_id, STATES)
    if found is None:
        raise HostError(
            "not_installed", f"{app_id} is not installed in this organisation. Install it first.", app=app_id
        )
    return found


def next_ordinal(conn: Connection, organisation_id: str) -> int:
    """One more than the last; the caller has raised the epoch, so nobody else is taking one."""
    table = t.installation
    last = conn.scalar(sa.select(sa.func.max(table.c.ordinal)).where(table.c.organisation_id == organisation_id))
    return int(last or 0) + 1


def insert(conn: Connection, organisation_id: str, installation_id: str, **values: Any) -> Installation:
    """Raises HostError `already_installed` where the organisation has a live one of the same app."""
    try:
        with conn.begin_nested():
            conn.execute(t.installation.insert().values(id=installation_id, organisation_id=organisation_id, **values))
    except IntegrityError as error:
        if find(conn, organisation_id, values["app_id"]) is None:
            raise
        raise already_installed(values["app_id"]) from error
    return get(conn, organisation_id, installation_id)


def change(conn: Connection, before: Installation, **values: Any) -> Installation:
    """Raises Conflict when it is no longer in the state, or at the grant, that was read."""
    table = t.installation
    changed = conn.execute(
        table.update()
        .where(
            table.c.organisation_id == before.organisation_id,
            table.c.id == before.id,
            table.c.state == before.state,
            table.c.grant_version == before.grant_version,
        )
        .values(**values)
    )
    if changed.rowcount != 1:
        raise Conflict(f"{before.app_id} was changed by somebody else meanwhile. Look at it again.", keys=[before.id])
    return get(conn, before.organisation_id, before.id)


def set_projects(conn: Connection, organisation_id: str, installation_id: str, projects: Collection[str]) -> None:
    """Replaces the chosen projects. None are kept for an installation that reaches all."""
    table = t.installation_project
    conn.execute(
        table.delete().where(table.c.organisation_id == organisation_id, table.c.installation_id == installation_id)
    )
    if projects:
        conn.execute(
            table.insert(),
            [
                {"organisation_id": organisation_id, "installation_id": installation_id, "project_id": project}
                for project in sorted(projects)
            ],
        )


def already_installed(app_id: str) -> HostError:
    return HostError(
        "already_installed",
        f"{app_id} is already installed in this organisation. Upgrade it, or uninstall it first.",
        app=app_id,
    )


def _with_projects(conn: Connection, organisation_id: str, rows: list[RowMapping]) -> list[Installation]:
    table = t.installation_project
    chosen: dict[str, set[str]] = {row["id"]: set() for row in rows if not row["all_projects"]}
    if chosen:
        pairs = conn.execute(
            sa.select(table.c.installation_id, table.c.project_id).where(
                table.c.organisation_id == organisation_id, table.c.installation_id.in_(list(chosen))
            )
        )
        for installation_id, project_id in pairs:
            chosen[installation_id].add(project_id)
    return [Installation.of(row, chosen.get(row["id"], ())) for row in rows]
