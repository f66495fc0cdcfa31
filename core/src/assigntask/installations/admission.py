"""What the operator's environment may offer under an app's id and version, and what was accepted before.

Who first offered an id keeps it, and a version means one manifest and one content for ever; otherwise what
an admin agreed to would not be what runs. The tables belong to the host, not to an organisation.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from assigntask.db import tables as t
from assigntask.errors import HostError
from assigntask.grants.grant import Assurance, assurance
from assigntask.installations.directory import manifest_in, runs_elsewhere
from assigntask_sdk.apps import InstalledApp
from assigntask_sdk.manifest import Manifest


def check(conn: Connection, app: InstalledApp) -> None:
    """Changes nothing. Raises HostError `app_id_taken`, `app_version_reused` or `app_code_changed`."""
    manifest = manifest_in(app)
    _check_owner(app, manifest, _app_row(conn, app.id))
    _check_version(app, manifest, _version_row(conn, app.id, manifest.version))


def admit(conn: Connection, app: InstalledApp, now: datetime) -> Manifest:
    """`check`, and remembers what is new. The code of an editable distribution is taken as it stands.

    Of a remote app there is no code to compare: what is held to is its manifest.
    """
    manifest = manifest_in(app)
    if _app_row(conn, app.id) is None:
        _insert_once(
            conn,
            t.app,
            {
                "id": app.id,
                "vendor_name": manifest.vendor.name,
                "distribution": _owner(app),
                "remote": runs_elsewhere(app),
                "first_seen_at": now,
            },
        )
    if _version_row(conn, app.id, manifest.version) is None:
        _check_owner(app, manifest, _app_row(conn, app.id))
        _insert_once(
            conn,
            t.app_version,
            {
                "app_id": app.id,
                "version": manifest.version,
                "manifest_digest": manifest.digest,
                "manifest": manifest.model_dump(mode="json"),
                "content_digest": app.content_digest,
                "editable": app.editable,
                "admitted_at": now,
            },
        )
    check(conn, app)
    conn.execute(
        t.app_version.update()
        .where(
            t.app_version.c.app_id == app.id,
            t.app_version.c.version == manifest.version,
            t.app_version.c.editable == sa.true(),
        )
        .values(content_digest=app.content_digest, editable=app.editable)
    )
    return manifest


def manifest_of(conn: Connection, app_id: str, version: str) -> Manifest:
    """The manifest that was accepted, whatever the installed code says today. Raises HostError `app_unknown`."""
    row = _version_row(conn, app_id, version)
    if row is None:
        raise HostError("app_unknown", f"{app_id} {version} was never accepted on this host.", app=app_id)
    return Manifest.model_validate(row.manifest)


def agrees(conn: Connection, app: InstalledApp) -> bool:
    """Whether the installed code is, to the byte, what was accepted under its version."""
    manifest = manifest_in(app)
    row = _version_row(conn, app.id, manifest.version)
    accepted = (manifest.digest, app.content_digest)
    return row is not None and (row.manifest_digest, row.content_digest) == accepted


def assurance_of(conn: Connection, app_id: str) -> Assurance:
    """Of an app that was admitted: whether the record holds all that it can have."""
    row = _app_row(conn, app_id)
    return assurance(remote=row is not None and row.remote)


def _check_owner(app: InstalledApp, manifest: Manifest, row: sa.Row[Any] | None) -> None:
    owner = (manifest.vendor.name, _owner(app), runs_elsewhere(app))
    if row is None or (row.vendor_name, row.distribution, row.remote) == owner:
        return
    raise HostError(
        "app_id_taken",
        f"The id {app.id!r} belongs to {row.vendor_name} ({_place(row.distribution, row.remote)}). "
        f"{manifest.vendor.name} ({_place(app.distribution, runs_elsewhere(app))}) has to choose another id in "
        "app.toml.",
        app=app.id,
        vendor=row.vendor_name,
    )


def _check_version(app: InstalledApp, manifest: Manifest, row: sa.Row[Any] | None) -> None:
    if row is None:
        return
    if row.manifest_digest != manifest.digest:
        raise HostError(
            "app_version_reused",
            f"{app.id} {manifest.version} was accepted with another manifest. "
            "Whoever changes app.toml has to raise its version.",
            app=app.id,
            version=manifest.version,
        )
    if row.content_digest != app.content_digest and not row.editable:
        raise HostError(
            "app_code_changed",
            f"{app.id} {manifest.version} was accepted with other code. "
            "Install the code that was accepted, or a release with a higher version.",
            app=app.id,
            version=manifest.version,
        )


def _app_row(conn: Connection, app_id: str) -> sa.Row[Any] | None:
    return conn.execute(sa.select(t.app).where(t.app.c.id == app_id)).one_or_none()


def _version_row(conn: Connection, app_id: str, version: str) -> sa.Row[Any] | None:
    return conn.execute(
        sa.select(t.app_version).where(t.app_version.c.app_id == app_id, t.app_version.c.version == version)
    ).one_or_none()


def _insert_once(conn: Connection, table: sa.Table, values: dict[str, Any]) -> None:
    """Two organisations may meet an app at the same moment: the first row stays, and `check` compares with it."""
    try:
        with conn.begin_nested():
            conn.execute(table.insert().values(**values))
    except IntegrityError:
        return


def _owner(app: InstalledApp) -> str:
    """The distribution, or where a remote app answers."""
    return app.distribution if runs_elsewhere(app) else _normal(app.distribution)


def _place(distribution: str, remote: bool) -> str:
    return f"at {distribution}" if remote else f"distribution {distribution}"


def _normal(distribution: str) -> str:
    """The name of a distribution in its normal form (PyPA specification, "Names and normalization")."""
    return re.sub(r"[-_.]+", "-", distribution).lower()
