"""The app as a service: one place where posts are answered, whatever way they came."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import structlog

from ..apps import InstalledApp, load_hooks
from ..manifest import Manifest
from ..manifest.reading import FILE_NAME
from ..wire import BODY_BYTES, INSTALL_PATH, hook_path
from .calling import Calling, Contexts
from .contexts import WireContexts
from .hosts import ServingError
from .installing import Installing
from .keys import Clock, HostKeys
from .reply import Refusal, Reply
from .store import Store

log = structlog.get_logger(__name__)

_HOOKS = hook_path("")


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@dataclass(frozen=True, slots=True)
class Service:
    """`manifest_bytes` are those of the app's file."""

    app: InstalledApp
    manifest: Manifest
    manifest_bytes: bytes
    installing: Installing
    calling: Calling

    async def post(self, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Never raises for what a sender does: a refusal is a reply too."""
        try:
            return await self._post(path, headers, body)
        except Refusal as refusal:
            log.warning("refused", code=refusal.code, status=refusal.status)
            return refusal.reply()

    async def _post(self, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        if len(body) > BODY_BYTES:
            raise too_large()
        if path == INSTALL_PATH:
            return await self.installing.take(headers, body)
        if path.startswith(_HOOKS):
            return await self.calling.call(path.removeprefix(_HOOKS), headers, body)
        raise Refusal(404, "path_unknown", "There is nothing here: an app's service takes installs and hooks.")


def too_large() -> Refusal:
    return Refusal(413, "body_too_large", f"A body has at most {BODY_BYTES} bytes.")


@asynccontextmanager
async def open_service(
    app: InstalledApp,
    hosts: Collection[str],
    store_at: Path,
    *,
    dev: bool = False,
    clock: Clock = now,
    contexts: Contexts | None = None,
    transport: httpx2.AsyncBaseTransport | None = None,
) -> AsyncIterator[Service]:
    """Loads the app's code and opens its store. `hosts`: origins that credentials are taken from.

    `contexts` and `transport` stand in for the way to the hosts. Raises AppBroken, ServingError.
    """
    manifest, directory = app.usable(), app.directory
    if directory is None:
        raise ServingError("app_no_files", f"{app.id} has no files here: name the folder of an app.")
    hooks = await asyncio.to_thread(load_hooks, app)
    manifest_bytes = await asyncio.to_thread((directory / FILE_NAME).read_bytes)
    store, wired = Store(store_at), WireContexts(transport)
    try:
        await store.open()
        keys = HostKeys(clock, transport=transport)
        installing = Installing(app.id, frozenset(hosts), store, keys, clock)
        calling = Calling(app, hooks, store, contexts or wired, clock, dev)
        yield Service(app, manifest, manifest_bytes, installing, calling)
    finally:
        await wired.close()
        await store.close()
