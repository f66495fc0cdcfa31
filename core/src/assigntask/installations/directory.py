"""The directory: which apps the operator offers, packages and remote ones alike, read without importing any of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from assigntask.errors import HostError
from assigntask_sdk.apps import AppBroken, InstalledApp, find_apps
from assigntask_sdk.details import nearest
from assigntask_sdk.manifest import Manifest

DIALS_IN = "connected"
"""Stands for the distribution of an app that dials in to the host: it has no address of its own."""


class Directory:
    """Reads afresh each time, because apps come and go while the host runs. Blocks on files and database."""

    def __init__(
        self,
        apps: Callable[[], Sequence[InstalledApp]] = find_apps,
        remote: Callable[[], Sequence[InstalledApp]] = tuple,
    ) -> None:
        self._apps = apps
        self._remote = remote

    def with_remote(self, remote: Callable[[], Sequence[InstalledApp]]) -> Directory:
        """The same packages, and beside them apps that run elsewhere."""
        return Directory(self._apps, remote)

    def packages(self) -> Sequence[InstalledApp]:
        return self._apps()

    def list(self) -> list[InstalledApp]:
        """Sorted by id; a broken app is there too, with its error."""
        remote = self._remote()
        packages = _newcomers_refused(self._apps(), {app.id for app in remote})
        return sorted([*packages, *remote], key=lambda app: (app.id, app.error is None))

    def get(self, app_id: str) -> InstalledApp:
        """Raises HostError `app_unknown` with the nearest id, or `app_broken` with what is wrong."""
        apps = {app.id: app for app in self.list()}
        app = apps.get(app_id)
        if app is None:
            meant = nearest(app_id, apps)
            raise HostError(
                "app_unknown",
                f"No app {app_id!r} is installed on this host. "
                + (f"Did you mean {meant!r}?" if meant else "The directory lists those that are."),
                app=app_id,
                nearest=meant,
            )
        if app.manifest is None:
            why = "its manifest can't be read" if app.error is None else str(app.error)
            raise HostError("app_broken", f"{app_id} can't be used: {why}", app=app_id)
        return app


def runs_elsewhere(app: InstalledApp) -> bool:
    """Whether its code is on its vendor's machine, and nothing but its manifest is known here."""
    return not app.package


def _newcomers_refused(packages: Iterable[InstalledApp], taken: set[str]) -> Sequence[InstalledApp]:
    """A remote app is not added under a package's id, so where both have one the package came later."""
    words = "a remote app with this id is offered already: `assigntask remote remove` it, or uninstall this package"
    return [
        replace(app, manifest=None, error=AppBroken("app_id_twice", app.id, words)) if app.id in taken else app
        for app in packages
    ]


def manifest_in(app: InstalledApp) -> Manifest:
    """The manifest of an app that `Directory.get` gave. Raises HostError `app_broken` for any other."""
    if app.manifest is None:
        raise HostError("app_broken", f"{app.id} can't be used: its manifest can't be read.", app=app.id)
    return app.manifest
