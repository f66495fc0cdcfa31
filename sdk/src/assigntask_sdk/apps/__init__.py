"""Finding apps and loading their hooks. Until `load_hooks` none of an app's code is run.

An app is known by an entry point of the group `assigntask.apps`: its name is the app's id, its value the
app's top-level package, which holds `app.toml`.
"""

from .finding import GROUP, digest_of, find_app, find_apps, project_of
from .installed import AppBroken, InstalledApp
from .loading import Hook, load_hooks

__all__ = [
    "GROUP",
    "AppBroken",
    "Hook",
    "InstalledApp",
    "digest_of",
    "find_app",
    "find_apps",
    "load_hooks",
    "project_of",
]
