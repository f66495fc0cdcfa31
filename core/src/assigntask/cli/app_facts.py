"""Apps as admins see them: where each stands, and what an installed one was granted, given, and never used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import Connection

from assigntask.app import Platform
from assigntask.cli.page import moment_or_none
from assigntask.hooks import breakers, problems
from assigntask.hooks.breaker import Breaker
from assigntask.hooks.problems import Problem
from assigntask.installations import installations
from assigntask.installations.installations import Installation
from assigntask_sdk.apps import InstalledApp
from assigntask_sdk.details import SCOPES, details_of


@dataclass(frozen=True, slots=True)
class Listed:
    """An app of the directory, or one that is installed and whose code is gone. `error`: why it can't be used."""

    id: str
    name: str | None
    version: str | None
    vendor: str | None
    state: str | None
    accepted: str | None
    pending: str | None
    error: Mapping[str, str] | None

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "version": self.version,
            "vendor": self.vendor,
            "state": self.state,
            "accepted_version": self.accepted,
            "pending_version": self.pending,
            "error": None if self.error is None else dict(self.error),
        }


@dataclass(frozen=True, slots=True)
class Installed:
    """`unused`: granted scopes of whose details none was ever released to this installation."""

    installation: Installation
    unused_scopes: tuple[str, ...]
    unused_details: tuple[str, ...]
    problems: Sequence[Problem]
    breakers: Mapping[str, Breaker]

    def to_json(self) -> dict[str, Any]:
        return {
            **self.installation.to_json(),
            "unused_scopes": list(self.unused_scopes),
            "unused_details": list(self.unused_details),
            "problems": [each.to_json() for each in self.problems],
            "breakers": {
                hook: {
                    "state": each.state,
                    "failures": each.failures,
                    "total": each.total,
                    "last_error": each.last_error,
                    "opened_at": moment_or_none(each.opened_at),
                }
                for hook, each in self.breakers.items()
            },
        }


def listing(offered: Sequence[InstalledApp], known: Sequence[Installation]) -> list[Listed]:
    """By id. `known`: the organisation's installations, oldest first; the newest of an app tells its state."""
    newest = {each.app_id: each for each in known}
    apps: dict[str, InstalledApp | None] = {**dict.fromkeys(newest), **{each.id: each for each in offered}}
    return [_listed(app_id, apps[app_id], newest.get(app_id)) for app_id in sorted(apps)]


def _listed(app_id: str, app: InstalledApp | None, standing: Installation | None) -> Listed:
    manifest = app.manifest if app is not None else None
    error: Mapping[str, str] | None = None
    if app is None:
        error = {"code": "app_missing", "message": "Its code is no longer on this host: install its package again."}
    elif app.error is not None:
        error = {"code": app.error.code, "message": app.error.message}
    return Listed(
        id=app_id,
        name=manifest.name if manifest else None,
        version=manifest.version if manifest else None,
        vendor=manifest.vendor.name if manifest else None,
        state=standing.state if standing else None,
        accepted=standing.version if standing else None,
        pending=standing.pending_version if standing else None,
        error=error,
    )


async def installed_facts(platform: Platform, organisation_id: str, app_id: str) -> Installed | None:
    """None where the organisation never had it."""

    def look(conn: Connection) -> tuple[Installation, list[Problem], dict[str, Breaker]] | None:
        found = [each for each in installations.listed(conn, organisation_id) if each.app_id == app_id]
        if not found:
            return None
        last = found[-1]
        shown = problems.listed(conn, organisation_id, last.id)
        return last, shown, breakers.listed(conn, organisation_id, last.id)

    found = await platform.db.read(look)
    if found is None:
        return None
    installation, reported, broken = found
    entries = await platform.ledger.given(organisation_id, app_id=app_id)
    released = {name for each in entries if each.installation == installation.id for name in each.details}
    scopes, details = unused(installation.scopes, released)
    return Installed(installation, scopes, details, reported, broken)


def unused(granted: frozenset[str], released: set[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Scopes of which nothing, and details of which none, were released. Powers release nothing and don't count."""
    opening = [name for name in granted if not SCOPES[name].power]
    scopes = tuple(sorted(name for name in opening if not details_of([name]) & released))
    return scopes, tuple(sorted(details_of(opening) - released))
