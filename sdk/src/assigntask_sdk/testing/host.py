"""Opening a host for a test. The SDK knows hosts only by an entry point: it depends on none."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

from ..apps import AppBroken, InstalledApp, find_app, project_of
from .needed import record, running_test
from .protocol import HostUnderTest

HOSTS = "assigntask_sdk.host"

OpenHost: TypeAlias = Callable[..., AbstractAsyncContextManager[HostUnderTest]]
"""`open_host(app: InstalledApp, **options)`: what the entry point's value is."""


class NoHost(Exception):
    """There is no host to test against, or it can't be told which one."""

    code = "no_host"


class Host:
    """`async with Host.open("path/to/my-app") as host:` gives a `HostUnderTest`."""

    @staticmethod
    def open(
        app: InstalledApp | Path | str | ModuleType, *, hosts: Iterable[EntryPoint] | None = None, **options: Any
    ) -> AbstractAsyncContextManager[HostUnderTest]:
        """`app` is a folder, an imported package or the name of one. `options` go to the host.

        Raises AppBroken, NoHost.
        """
        found = _app(app)
        return _noted(found, find_host(hosts)(found, **options))


@asynccontextmanager
async def _noted(
    app: InstalledApp, opening: AbstractAsyncContextManager[HostUnderTest]
) -> AsyncIterator[HostUnderTest]:
    """Keeps which scopes the test needed, also where it fails."""
    async with opening as host:
        try:
            yield host
        finally:
            test, project = running_test(), project_of(app.directory) if app.directory is not None else None
            if test is not None and project is not None and hasattr(host, "scopes_needed"):
                record(project, await host.scopes_needed(), test)


def find_host(hosts: Iterable[EntryPoint] | None = None) -> OpenHost:
    """The one installed host's `open_host`. Raises NoHost."""
    found = list(entry_points(group=HOSTS) if hosts is None else hosts)
    if not found:
        raise NoHost(
            "no host is installed to test against: install the distribution `assigntask` beside the SDK "
            "(a test dependency of the app)"
        )
    if len(found) > 1:
        names = ", ".join(sorted(point.value for point in found))
        raise NoHost(f"several hosts are installed ({names}): uninstall all but one of them")
    try:
        opens: OpenHost = found[0].load()
    except (ImportError, AttributeError) as error:
        raise NoHost(f"the host {found[0].value} can't be loaded ({error}): install its distribution again") from error
    return opens


def _app(app: InstalledApp | Path | str | ModuleType) -> InstalledApp:
    if isinstance(app, InstalledApp):
        return app
    if isinstance(app, ModuleType):
        return find_app(_folder(app.__name__, app.__file__))
    if isinstance(app, Path) or Path(app).is_dir():
        return find_app(Path(app))
    spec = importlib.util.find_spec(app) if app.isidentifier() else None
    return find_app(_folder(app, spec.origin if spec is not None else None))


def _folder(name: str, origin: str | None) -> Path:
    if origin is None:
        message = "there is no such folder and no such package: give the path of the app's project"
        raise AppBroken("app_not_found", name, message)
    return Path(origin).parent
