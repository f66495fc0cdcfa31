"""The installation itself: what it is, what it was granted, its settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import Connection

from assigntask.installations import admission, installations

from ..operation import Call, Operation, Shape
from ..replies import Reply, said


@dataclass(frozen=True, slots=True)
class InstallationAnswer:
    """`granted`: the scopes that this token opens now. `client_id` is empty for the token of a hook's call."""

    id: str
    app: str
    version: str
    state: str
    granted: tuple[str, ...]
    client_id: str


@dataclass(frozen=True, slots=True)
class SettingsAnswer:
    """With the defaults of the manifest where nothing was set."""

    settings: dict[str, Any]


async def get(call: Call) -> Reply:
    bearer, grant = call.bearer, call.grant
    own = await call.services.db.read(installations.get, bearer.organisation_id, bearer.installation_id)
    granted = grant.scopes if bearer.scopes is None else grant.scopes & bearer.scopes
    return said(
        {
            "id": own.id,
            "app": own.app_id,
            "version": own.version,
            "state": own.state,
            "granted": [] if bearer.goodbye else sorted(granted),
            "client_id": bearer.client_id,
        }
    )


async def settings(call: Call) -> Reply:
    bearer = call.bearer
    found = await call.services.db.read(_settings, bearer.organisation_id, bearer.installation_id)
    return said({"settings": dict(found)})


def _settings(conn: Connection, organisation_id: str, installation_id: str) -> Mapping[str, Any]:
    own = installations.get(conn, organisation_id, installation_id)
    return admission.manifest_of(conn, own.app_id, own.version).settings_with(own.settings)


OPERATIONS = (
    Operation(
        id="getInstallation",
        method="GET",
        path="/installation",
        summary="This installation, and what the token opens",
        handler=get,
        answer=Shape(200, "The installation.", InstallationAnswer),
        anybodys=True,
        goodbye=True,
    ),
    Operation(
        id="getSettings",
        method="GET",
        path="/settings",
        summary="What an admin has set for this app",
        handler=settings,
        answer=Shape(200, "Every setting of the manifest, by name.", SettingsAnswer),
    ),
)
