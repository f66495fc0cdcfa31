"""What the judge looks at: rows of the database, the ledger's own verdict, and who is behind which id."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.app import Platform
from assigntask.db import tables as t
from assigntask.grants.pairwise import pairwise_id
from assigntask.ledger.subjects import subject_ref
from assigntask.people import organisations
from assigntask_sdk.details import details_of
from assigntask_sdk.manifest import Manifest

from .place import ORGANISATION, the_app

Named = Mapping[tuple[str, str], str]
"""(installation, the id by which it knows a person) → how the ledger names that person there."""


@dataclass(frozen=True, slots=True)
class Entry:
    kind: str
    installation_id: str | None
    sealed: bool
    leaf: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Evidence:
    manifest: Manifest
    installations: Mapping[str, sa.RowMapping]
    subscriptions: Mapping[str, Mapping[str, frozenset[str]]]  # installation → hook → details
    projects: Mapping[str, frozenset[str]]  # installation → projects
    entries: Sequence[Entry]  # in the order in which they were written
    events: Mapping[str, sa.RowMapping]
    deliveries: Sequence[sa.RowMapping]  # by installation and position
    tasks: Mapping[str, tuple[int, str]]  # id → version, summary
    comments: frozenset[str]
    named: Named
    fault: str | None
    checkpoint: str | None

    def opened(self, installation_id: str) -> Mapping[str, frozenset[str]]:
        """Who hears what of an active installation: of the manifest's hooks, what its scopes open."""
        granted = details_of(self.installations[installation_id]["scopes"])
        return {hook: frozenset(wanted) & granted for hook, wanted in self.manifest.hooks.items()}


async def collect(platform: Platform, credentials: Collection[tuple[str, str]], since: str | None) -> Evidence:
    """`credentials`: (installation, credential) as they were seen over time; those of today are added."""
    here = (await platform.db.read(organisations.by_name, ORGANISATION)).id
    found = await platform.db.read(_rows, here)
    known = {*credentials, *((row["id"], row["credential"]) for row in found["installations"].values())}
    verification = await platform.ledger.verify(here, since)
    return Evidence(
        manifest=the_app().usable(),
        named=_named(platform, found.pop("people"), found.pop("generations"), known),
        fault=None if verification.fault is None else f"{verification.fault.code}: {verification.fault.message}",
        **found,
    )


def _named(
    platform: Platform, people: Any, generations: Mapping[str, int], known: Collection[tuple[str, str]]
) -> Named:
    keys = platform.subject_keys.existing(person.subject_id for person in people)
    secret = platform.keys.pairwise()
    return {
        (installation_id, pairwise_id(secret, credential, person.id, generation)): subject_ref(
            keys[person.subject_id], installation_id, generation
        )
        for person in people
        if person.subject_id in keys
        for installation_id, credential in known
        for generation in range(generations.get(person.id, 0) + 1)
    }


def _rows(conn: Connection, here: str) -> dict[str, Any]:
    def mappings(table: sa.Table, *order: sa.ColumnElement[Any]) -> list[sa.RowMapping]:
        query = sa.select(table).where(table.c.organisation_id == here).order_by(*order)
        return list(conn.execute(query).mappings())

    subscriptions: dict[str, dict[str, frozenset[str]]] = {}
    for row in mappings(t.subscription):
        subscriptions.setdefault(row["installation_id"], {})[row["hook"]] = frozenset(row["details"])
    projects: dict[str, set[str]] = {}
    for row in mappings(t.installation_project):
        projects.setdefault(row["installation_id"], set()).add(row["project_id"])
    last = sa.select(t.checkpoint.c.note).where(t.checkpoint.c.organisation_id == here)
    return {
        "installations": {row["id"]: row for row in mappings(t.installation, t.installation.c.ordinal)},
        "subscriptions": subscriptions,
        "projects": {installation: frozenset(chosen) for installation, chosen in projects.items()},
        "entries": [
            Entry(row["kind"], row["installation_id"], row["leaf_index"] is not None, json.loads(row["leaf"]))
            for row in mappings(t.ledger_entry, t.ledger_entry.c.row)
        ],
        "events": {row["id"]: row for row in mappings(t.event)},
        "deliveries": mappings(t.delivery, t.delivery.c.installation_id, t.delivery.c.position),
        "tasks": {row["id"]: (row["version"], row["summary"]) for row in mappings(t.task)},
        "comments": frozenset(row["id"] for row in mappings(t.comment)),
        "people": conn.execute(sa.select(t.person).where(t.person.c.organisation_id == here)).all(),
        "generations": {row["person_id"]: row["generation"] for row in mappings(t.pairwise_generation)},
        "checkpoint": conn.scalar(last.order_by(t.checkpoint.c.size.desc()).limit(1)),
    }
