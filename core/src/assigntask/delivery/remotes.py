"""Which apps run on their vendors' machines, where they answer, and their manifests as they were read last."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from assigntask.db import tables as t
from assigntask.db.database import Database
from assigntask.errors import HostError
from assigntask.installations.directory import DIALS_IN
from assigntask.installations.life import LIVE
from assigntask.oauth.secrets import digest, new_secret
from assigntask.outgoing.client import Outgoing
from assigntask.outgoing.guard import target
from assigntask_sdk.apps import AppBroken, InstalledApp
from assigntask_sdk.manifest import Manifest, ManifestError, parse
from assigntask_sdk.manifest.model import AppId
from assigntask_sdk.manifest.reading import MAX_BYTES
from assigntask_sdk.wire import MANIFEST_PATH

from .ways import HttpWay, Way

_APP_ID: TypeAdapter[str] = TypeAdapter(AppId)

ERROR_LENGTH = 500


@dataclass(frozen=True, slots=True)
class Remote:
    """`url` has no slash at the end; None: the app dials in. `manifest` is text. `error`: of the last reading."""

    app_id: str
    url: str | None
    manifest: str | None
    read_at: datetime | None
    error: str | None
    added_at: datetime

    @property
    def origin(self) -> str:
        return DIALS_IN if self.url is None else origin(self.url)


def origin(url: str) -> str:
    """Scheme, host and port: whose machine it is, whatever the path."""
    return str(target(url).url.origin())


def offered(remote: Remote) -> InstalledApp:
    """As the directory lists it. There is no code here that could be compared, so the manifest stands for it."""
    bare = InstalledApp(
        id=remote.app_id,
        package="",
        directory=None,
        distribution=remote.origin,
        distribution_version="",
        content_digest="",
        editable=False,
        manifest=None,
        error=None,
    )
    if remote.manifest is None:
        words = "it has not dialled in yet: start it with `assigntask-sdk serve --connect`, and give it its key"
        return replace(bare, error=AppBroken("app_never_connected", remote.app_id, words))
    try:
        manifest = parse(remote.manifest)
    except ManifestError as error:  # an earlier release of the host took it
        return replace(bare, error=AppBroken(error.code, remote.app_id, str(error), error.problems))
    return replace(bare, distribution_version=manifest.version, content_digest=manifest.digest, manifest=manifest)


class Remotes:
    """`packaged` lists the apps whose code is on this machine: an id is offered once."""

    def __init__(
        self,
        db: Database,
        outgoing: Outgoing,
        clock: Callable[[], datetime],
        packaged: Callable[[], Sequence[InstalledApp]],
        dialled_in: Callable[[Remote], Way | None],
    ) -> None:
        self._db = db
        self._outgoing = outgoing
        self._clock = clock
        self._packaged = packaged
        self._dialled_in = dialled_in

    def offered(self) -> list[InstalledApp]:
        """For the directory, from a thread: it blocks on the database."""
        return [offered(remote) for remote in self._db.read_inline(listed)]

    async def listed(self) -> list[Remote]:
        return await self._db.read(listed)

    async def way(self, app_id: str) -> Way | None:
        """None: it dials in and is not there, or is no longer offered."""
        remote = await self._db.read(find, app_id)
        if remote is None:
            return None
        return self._dialled_in(remote) if remote.url is None else HttpWay(self._out(remote.url), remote.url)

    def _out(self, url: str) -> Outgoing:
        """An address without TLS is on this machine, and was taken because the operator said --dev: for good."""
        return self._outgoing.on_this_machine() if url.startswith("http:") else self._outgoing

    async def add(self, url: str) -> Remote:
        """Reads the manifest there, naming nobody, and offers the app from now on.

        Raises ManifestError, and HostError `outgoing_refused`, `outgoing_failed`, `outgoing_timeout`,
        `outgoing_too_large`, `remote_url_invalid`, `remote_known`, `app_id_taken`, `manifest_unreadable`.
        """
        base = _base(url)
        text, manifest = await _read(self._outgoing, base)
        await self._check_free(manifest.id)
        now = self._clock()
        return await self._db.write(_insert, Remote(manifest.id, base, text, now, None, now), None)

    async def add_connected(self, app_id: str) -> str:
        """The key with which the app dials in. It is shown once: what is kept is its digest.

        Raises HostError `remote_known`, `app_id_taken`, `app_id_invalid`.
        """
        if not _is_app_id(app_id):
            raise HostError("app_id_invalid", f"{app_id!r} is no app's id: lower-case letters, digits and -.")
        await self._check_free(app_id)
        key = new_secret("ck_")
        await self._db.write(_insert, Remote(app_id, None, None, None, None, self._clock()), digest(key))
        return key

    async def remove(self, app_id: str) -> Remote:
        """No longer offered. Raises HostError `remote_unknown`, `remote_in_use` while it is installed anywhere."""
        return await self._db.write(_remove, app_id)

    async def refresh(self, app_id: str | None = None) -> list[Remote]:
        """Reads manifests again, of one app or of all that have an address; what went wrong is kept beside the old one.

        Raises HostError `remote_unknown`.
        """
        known = [remote for remote in await self.listed() if app_id in (None, remote.app_id)]
        if app_id is not None and not known:
            raise _unknown(app_id)
        return list(await asyncio.gather(*(self._refreshed(remote) for remote in known)))

    async def take_manifest(self, app_id: str, text: str) -> str | None:
        """What an app that dials in says of itself. Why it can't be taken; None: it was."""
        remote = await self._db.read(find, app_id)
        if remote is None:
            raise _unknown(app_id)
        try:
            _own(app_id, parse(text))
        except (HostError, ManifestError) as error:
            kept = await self._store(replace(remote, error=_words(error)))
            return kept.error
        await self._store(replace(remote, manifest=text, error=None))
        return None

    async def by_key(self, key: str) -> Remote | None:
        """The app that dials in with this key."""
        return await self._db.read(_by_key, digest(key))

    async def _refreshed(self, remote: Remote) -> Remote:
        if remote.url is None:
            return remote
        try:
            text, manifest = await _read(self._out(remote.url), remote.url)
            _own(remote.app_id, manifest)
        except (HostError, ManifestError) as error:
            return await self._store(replace(remote, error=_words(error)))
        return await self._store(replace(remote, manifest=text, error=None))

    async def _store(self, remote: Remote) -> Remote:
        read = replace(remote, read_at=self._clock())
        await self._db.write(_update, read)
        return read

    async def _check_free(self, app_id: str) -> None:
        if any(app.id == app_id for app in await asyncio.to_thread(self._packaged)):
            raise HostError(
                "app_id_taken",
                f"The id {app_id!r} belongs to a package on this host. Uninstall the package, or have the vendor "
                "choose another id in app.toml.",
                app=app_id,
            )


async def _read(outgoing: Outgoing, base: str) -> tuple[str, Manifest]:
    answer = await outgoing.get(base + MANIFEST_PATH, limit_bytes=MAX_BYTES)
    try:
        text = answer.body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise HostError("manifest_unreadable", f"{MANIFEST_PATH} there is not UTF-8.") from None
    return text, parse(text)


def listed(conn: Connection) -> list[Remote]:
    """By id. They belong to the host, not to an organisation."""
    rows = conn.execute(sa.select(*_COLUMNS).order_by(t.remote_app.c.app_id))
    return [Remote(*row) for row in rows]


def find(conn: Connection, app_id: str) -> Remote | None:
    row = conn.execute(sa.select(*_COLUMNS).where(t.remote_app.c.app_id == app_id)).one_or_none()
    return None if row is None else Remote(*row)


_COLUMNS: Sequence[sa.ColumnElement[Any]] = tuple(
    t.remote_app.c[name] for name in ("app_id", "url", "manifest", "read_at", "error", "added_at")
)


def _by_key(conn: Connection, key_digest: str) -> Remote | None:
    """By the digest of 256 random bits: how long the comparison takes tells nothing of the key."""
    row = conn.execute(sa.select(*_COLUMNS).where(t.remote_app.c.key_digest == key_digest)).one_or_none()
    return None if row is None else Remote(*row)


def _insert(conn: Connection, remote: Remote, key_digest: str | None) -> Remote:
    values = {name: getattr(remote, name) for name in ("app_id", "url", "manifest", "read_at", "error", "added_at")}
    try:
        with conn.begin_nested():
            conn.execute(t.remote_app.insert().values(**values, key_digest=key_digest))
    except IntegrityError:
        raise HostError(
            "remote_known",
            f"{remote.app_id}, or its address, is offered already. To take another address, remove it first: "
            f"`assigntask remote remove {remote.app_id}`.",
            app=remote.app_id,
        ) from None
    return remote


def _update(conn: Connection, remote: Remote) -> None:
    conn.execute(
        t.remote_app.update()
        .where(t.remote_app.c.app_id == remote.app_id)
        .values(manifest=remote.manifest, read_at=remote.read_at, error=remote.error)
    )


def _remove(conn: Connection, app_id: str) -> Remote:
    remote = find(conn, app_id)
    if remote is None:
        raise _unknown(app_id)
    if _installed_anywhere(conn, app_id):
        raise HostError(
            "remote_in_use", f"{app_id} is installed on this host. Uninstall it everywhere first.", app=app_id
        )
    conn.execute(t.remote_app.delete().where(t.remote_app.c.app_id == app_id))
    return remote


def _installed_anywhere(conn: Connection, app_id: str) -> bool:
    query = sa.select(t.installation.c.id).where(
        t.installation.c.app_id == app_id, t.installation.c.state.in_(sorted(LIVE))
    )
    return conn.execute(query.limit(1)).first() is not None


def _base(url: str) -> str:
    """Raises HostError `outgoing_refused`, `remote_url_invalid`."""
    parts = target(url.strip())
    if parts.url.raw_query_string:
        raise HostError("remote_url_invalid", "Give the address at which the app serves, without a query.")
    return str(parts.url).rstrip("/").removesuffix(MANIFEST_PATH)


def _own(app_id: str, manifest: Manifest) -> None:
    if manifest.id != app_id:
        raise HostError(
            "app_id_differs", f"The manifest there is of {manifest.id}, and {app_id} was added.", app=app_id
        )


def _is_app_id(text: str) -> bool:
    try:
        _APP_ID.validate_python(text)
    except ValidationError:
        return False
    return True


def _words(error: HostError | ManifestError) -> str:
    return f"{error.code}: {error.message}"[:ERROR_LENGTH]


def _unknown(app_id: str) -> HostError:
    return HostError(
        "remote_unknown", f"No remote app {app_id!r} is offered. `assigntask remote list` shows them.", app=app_id
    )
