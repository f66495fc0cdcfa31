"""What an admin agrees to: the manifest, cut down to the chosen scopes, projects and contacts. Reads, never writes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask.installations import authority
from assigntask.installations.contacts import NamedContact, choose
from assigntask.installations.directory import manifest_in, runs_elsewhere
from assigntask.people.facts import PersonFacts
from assigntask_sdk.apps import InstalledApp
from assigntask_sdk.details import nearest
from assigntask_sdk.errors import Invalid
from assigntask_sdk.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Choice:
    """As people write it. No `projects` means all of them. `contacts`: technical, billing → person."""

    without: Collection[str] = ()
    projects: Collection[str] = ()
    contacts: Mapping[str, str] = field(default_factory=dict)
    contacts_before: Mapping[str, str] = field(default_factory=dict)  # contact → person id


@dataclass(frozen=True, slots=True)
class Agreement:
    manifest: Manifest
    installer: PersonFacts
    alone: bool  # a member installs for themselves alone
    granted: frozenset[str]
    declined: frozenset[str]
    projects: Mapping[str, str] | None  # id → name; None: all
    contacts: tuple[NamedContact, ...]
    origin: str | None = None  # where a remote app answers; None: it runs inside the host

    @property
    def contact_ids(self) -> dict[str, str]:
        return {named.contact: named.person.id for named in self.contacts if named.person is not None}


def agree(
    conn: Connection, organisation_id: str, installer: PersonFacts, app: InstalledApp, choice: Choice, *, alone: bool
) -> Agreement:
    """Raises Invalid for a scope that can't be left out or a project that isn't there, NotAllowed where the
    installer lacks a right that the app would get, and HostError `person_unknown` for a contact.
    """
    manifest = manifest_in(app)
    granted, declined = divide(manifest, choice.without)
    authority.holds(installer, granted)
    return Agreement(
        manifest=manifest,
        installer=installer,
        alone=alone,
        granted=granted,
        declined=declined,
        projects=_reach(conn, organisation_id, choice.projects),
        contacts=choose(
            conn,
            installer,
            manifest,
            organisation_id=organisation_id,
            named=choice.contacts,
            before=choice.contacts_before,
            alone=alone,
        ),
        origin=app.distribution if runs_elsewhere(app) else None,
    )


def divide(manifest: Manifest, without: Collection[str]) -> tuple[frozenset[str], frozenset[str]]:
    """Granted and declined scopes. Raises Invalid where a scope is required, or not asked for at all."""
    optional = frozenset(manifest.scopes.optional)
    for scope in sorted(frozenset(without) - optional):
        if scope in manifest.scopes.required:
            why = f"{manifest.name} requires {scope}, because: {manifest.scopes.required[scope]}"
            raise Invalid({"without": f"{why}. Only {_or_none(optional)} can be left out."})
        meant = nearest(scope, optional)
        hint = f"Did you mean {meant}?" if meant else f"Only {_or_none(optional)} can be left out."
        raise Invalid({"without": f"{manifest.name} doesn't ask for {scope}. {hint}"})
    declined = optional & frozenset(without)
    return manifest.requested - declined, declined


def _or_none(scopes: Collection[str]) -> str:
    return ", ".join(sorted(scopes)) or "nothing"


def _reach(conn: Connection, organisation_id: str, wanted: Collection[str]) -> Mapping[str, str] | None:
    """Projects by id or by name, whatever its letter case."""
    if not wanted:
        return None
    rows = conn.execute(
        sa.select(t.project.c.id, t.project.c.name).where(t.project.c.organisation_id == organisation_id)
    )
    names = {row.id: row.name for row in rows}
    reach: dict[str, str] = {}
    for text in wanted:
        found = [text] if text in names else [i for i, name in names.items() if name.casefold() == text.casefold()]
        if not found:
            meant = nearest(text, names.values())
            hint = f"Did you mean {meant!r}?" if meant else "Name one of its projects."
            raise Invalid({"projects": f"This organisation has no project {text!r}. {hint}"})
        if len(found) > 1:
            raise Invalid({"projects": f"There are {len(found)} projects called {text!r}: give the id of one."})
        reach[found[0]] = names[found[0]]
    return reach
