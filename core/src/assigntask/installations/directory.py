"""The directory: which apps the operator's environment offers, read without importing any of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from assigntask.errors import HostError
from assigntask_sdk.apps import InstalledApp, find_apps
from assigntask_sdk.details import nearest
from assigntask_sdk.manifest import Manifest


class Directory:
    """Reads afresh each time, because packages come and go while the host runs. Blocks on the file system."""

    def __init__(self, apps: Callable[[], Sequence[InstalledApp]] = find_apps) -> None:
        self._apps = apps

    def list(self) -> list[InstalledApp]:
        """Sorted by id; a broken app is there too, with its error."""
        return sorted(self._apps(), key=lambda app: app.id)

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


def manifest_in(app: InstalledApp) -> Manifest:
    """The manifest of an app that `Directory.get` gave. Raises HostError `app_broken` for any other."""
    if app.manifest is None:
        raise HostError("app_broken", f"{app.id} can't be used: its manifest can't be read.", app=app.id)
    return app.manifest
