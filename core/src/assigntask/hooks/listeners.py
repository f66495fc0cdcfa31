"""Who is to be called: active installations that subscribed to a hook, with what their admins accepted and set."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask.db.database import Database
from assigntask.errors import HostError
from assigntask.grants.grants import Grants
from assigntask_sdk.manifest import Manifest

KEPT_MANIFESTS = 1000


@dataclass(frozen=True, slots=True)
class Listener:
    """`details`: what the hook wants and the grant opens. `manifest` is the accepted one, not the code's of today."""

    organisation_id: str
    installation_id: str
    app_id: str
    details: frozenset[str]
    manifest: Manifest
    settings: Mapping[str, Any]
    contacts: Mapping[str, str]  # contact → person id
    state: str
    upgrading_from: str | None

    @property
    def app_name(self) -> str:
        return self.manifest.name


class Listeners:
    """Manifests are kept by digest: what has the same digest is the same for ever."""

    def __init__(self, db: Database, grants: Grants) -> None:
        self._db = db
        self._grants = grants
        self._manifests: OrderedDict[str, Manifest] = OrderedDict()

    async def of(self, organisation_id: str, hook: str, app_id: str | None = None) -> Sequence[Listener]:
        """In install order; with `app_id` only that app's."""
        subscribed = await self._grants.subscriptions(organisation_id, hook)
        if app_id is not None:
            subscribed = [one for one in subscribed if one.app_id == app_id]
        if not subscribed:
            return ()
        details = {one.installation_id: one.details for one in subscribed}
        rows = await self._db.read(_rows, organisation_id, list(details))
        found = {row.id: row for row in rows if row.state == "active"}
        await self._learn(found.values())
        return [self._listener(found[one], details[one]) for one in details if one in found]

    async def one(self, organisation_id: str, installation_id: str, hook: str) -> Listener:
        """In any state, for notices. Raises HostError `installation_unknown`."""
        rows = await self._db.read(_rows, organisation_id, [installation_id])
        if not rows:
            raise HostError("installation_unknown", "There is no such installation in this organisation.")
        await self._learn(rows)
        manifest = self._manifests[rows[0].manifest_digest]
        return self._listener(rows[0], manifest.details_wanted(hook))

    def _listener(self, row: sa.Row[Any], details: frozenset[str]) -> Listener:
        manifest = self._manifests[row.manifest_digest]
        return Listener(
            organisation_id=row.organisation_id,
            installation_id=row.id,
            app_id=row.app_id,
            details=details,
            manifest=manifest,
            settings=manifest.settings_with(row.settings),
            contacts=row.contacts,
            state=row.state,
            upgrading_from=row.upgrading_from,
        )

    async def _learn(self, rows: Collection[sa.Row[Any]]) -> None:
        missing = {(row.app_id, row.version): row.manifest_digest for row in rows}
        missing = {place: digest for place, digest in missing.items() if digest not in self._manifests}
        for (app_id, version), digest in missing.items():
            self._manifests[digest] = await self._db.read(_manifest, app_id, version)
        while len(self._manifests) > KEPT_MANIFESTS + len(rows):
            self._manifests.popitem(last=False)


def _rows(conn: Connection, organisation_id: str, ids: Sequence[str]) -> Sequence[sa.Row[Any]]:
    columns = (
        "id", "organisation_id", "app_id", "version", "manifest_digest", "settings", "contacts", "state",
        "upgrading_from",
    )  # fmt: skip
    query = sa.select(*(t.installation.c[name] for name in columns)).where(
        t.installation.c.organisation_id == organisation_id, t.installation.c.id.in_(ids)
    )
    return conn.execute(query).all()


def _manifest(conn: Connection, app_id: str, version: str) -> Manifest:
    query = sa.select(t.app_version.c.manifest).where(
        t.app_version.c.app_id == app_id, t.app_version.c.version == version
    )
    manifest = conn.execute(query).scalar_one_or_none()
    if manifest is None:
        raise HostError("app_unknown", f"{app_id} {version} was never accepted on this host.", app=app_id)
    return Manifest.model_validate(manifest)
