"""Finding apps without running any of their code."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import EntryPoint
from importlib.metadata import entry_points as installed_entry_points
from pathlib import Path
from typing import Any

from ..manifest import ManifestError, load
from ..manifest.reading import FILE_NAME
from .installed import AppBroken, InstalledApp

GROUP = "assigntask.apps"


def find_apps(entry_points: Iterable[EntryPoint] | None = None) -> list[InstalledApp]:
    """All installed apps by id, the broken ones with their error. Imports nothing of them."""
    points = list(installed_entry_points(group=GROUP) if entry_points is None else entry_points)
    claims = Counter(point.name for point in points)
    apps = [_described(point) for point in points]
    apps = [_refused(app, _twice(app, apps)) if claims[app.id] > 1 else app for app in apps]
    return sorted(apps, key=lambda app: (app.id, app.distribution))


def find_app(path: Path) -> InstalledApp:
    """The app in a folder: a project (with `src/` or without) or the package itself. Makes it importable.

    For development and tests. A package of the same name that was imported from elsewhere is forgotten.
    Raises AppBroken.
    """
    path = path.resolve()
    project = _project(path)
    points = _points(project)
    directory = _package_in(path, list(points.values()))
    names = [name for name, package in points.items() if package == directory.name]
    about = project.get("project", {})
    bare = InstalledApp(
        id=names[0] if names else directory.name.replace("_", "-"),
        package=directory.name,
        directory=None,
        distribution=str(about.get("name", directory.name)),
        distribution_version=str(about.get("version", "0")),
        content_digest="",
        editable=True,
        manifest=None,
        error=None,
    )
    app = _with_content(bare, directory, id_known=bool(names))
    app.usable()
    _make_importable(directory)
    return app


# --- from an installed distribution ----------------------------------------------------------------------------


def _described(point: EntryPoint) -> InstalledApp:
    dist = point.dist
    bare = InstalledApp(
        id=point.name,
        package=point.value,
        directory=None,
        distribution=str(dist.metadata["Name"]) if dist is not None else "unknown",
        distribution_version=str(dist.version) if dist is not None else "0",
        content_digest="",
        editable=_is_editable(dist.read_text("direct_url.json")) if dist is not None else False,
        manifest=None,
        error=None,
    )
    try:
        return _with_content(bare, _package_directory(point), id_known=True)
    except AppBroken as error:
        return _refused(bare, error)
    except Exception as error:  # whatever one distribution does, the others are listed
        broken = AppBroken("app_unreadable", point.name, f"can't be read: {type(error).__name__}")
        broken.__cause__ = error
        return _refused(bare, broken)


def _package_directory(point: EntryPoint) -> Path:
    """Where the entry point's package is. A top-level name is found without importing anything."""
    if not point.value.isidentifier():
        raise AppBroken(
            "app_entry_point",
            point.name,
            f'its entry point names "{point.value}": write the top-level package, for example '
            f'{point.name} = "{point.name.replace("-", "_")}"',
        )
    try:
        spec = importlib.util.find_spec(point.value)
    except (ImportError, ValueError):
        spec = None
    if spec is None or spec.origin is None or not spec.submodule_search_locations:
        raise AppBroken(
            "app_no_package",
            point.name,
            f"there is no package {point.value} (a folder with __init__.py): install the app again",
        )
    return Path(spec.origin).parent


def _is_editable(direct_url: str | None) -> bool:
    """From the record of where a distribution was installed from (PEP 610)."""
    if direct_url is None:
        return False
    try:
        return json.loads(direct_url).get("dir_info", {}).get("editable") is True
    except (ValueError, AttributeError):
        return False


def _twice(app: InstalledApp, apps: Sequence[InstalledApp]) -> AppBroken:
    claimants = ", ".join(sorted(other.distribution for other in apps if other.id == app.id))
    return AppBroken("app_id_twice", app.id, f"the id is claimed by {claimants}: uninstall all but one of them")


def _refused(app: InstalledApp, error: AppBroken) -> InstalledApp:
    return replace(app, manifest=None, error=error)


# --- what the package holds ------------------------------------------------------------------------------------


def _with_content(app: InstalledApp, directory: Path, *, id_known: bool) -> InstalledApp:
    """The app with manifest and digest, or with the error. `id_known`: an entry point says the id."""
    app = replace(app, directory=directory)
    try:
        app = replace(app, content_digest=digest_of(directory))
        manifest = load(directory / FILE_NAME, file=f"{app.package}/{FILE_NAME}")
    except ManifestError as error:
        broken = AppBroken(error.code, app.id, str(error), error.problems)
        broken.__cause__ = error
        return _refused(app, broken)
    except OSError as error:
        return _refused(app, AppBroken("app_unreadable", app.id, f"can't be read: {error.strerror}"))
    if id_known and manifest.id != app.id:
        message = f'the entry point is called "{app.id}" and the manifest\'s id is "{manifest.id}": make them the same'
        return _refused(app, AppBroken("app_id_differs", app.id, message))
    return replace(app, id=manifest.id, manifest=manifest)


def digest_of(directory: Path) -> str:
    """ "sha256:…" over the sorted paths and contents of all files, without `__pycache__`. Raises OSError."""
    whole = hashlib.sha256()
    files = [(path.relative_to(directory), path) for path in directory.rglob("*") if path.is_file()]
    kept = [(name.as_posix(), path) for name, path in files if "__pycache__" not in name.parts]
    for name, path in sorted(kept):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256")
        whole.update(hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest() + content.digest())
    return f"sha256:{whole.hexdigest()}"


# --- from a folder ---------------------------------------------------------------------------------------------


def project_of(path: Path) -> Path | None:
    """The nearest folder, from `path` up, whose pyproject.toml names an app."""
    for folder in (path, *path.parents):
        if (folder / "pyproject.toml").is_file() and _points(_read_project(folder / "pyproject.toml")):
            return folder
    return None


def _project(path: Path) -> Mapping[str, Any]:
    """The pyproject.toml that belongs to a project's folder or to a package in it; empty without one."""
    for folder in (path, path.parent, path.parent.parent):
        if (folder / "pyproject.toml").is_file():
            return _read_project(folder / "pyproject.toml")
    return {}


def _read_project(file: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}


def _points(project: Mapping[str, Any]) -> dict[str, str]:
    """Id to package, as the project's entry points say."""
    here: Any = project
    for key in ("project", "entry-points", GROUP):
        here = here.get(key) if isinstance(here, Mapping) else None
    return {str(name): str(package) for name, package in here.items()} if isinstance(here, Mapping) else {}


def _package_in(path: Path, packages: Sequence[str]) -> Path:
    """The package's folder. Raises AppBroken where there is none or more than one."""
    if (path / FILE_NAME).is_file() and (path / "__init__.py").is_file():
        return path
    named = [base / package for base in (path / "src", path) for package in packages]
    found = [folder for folder in named if (folder / "__init__.py").is_file()]
    if not packages:
        found = [file.parent for file in (*path.glob(f"src/*/{FILE_NAME}"), *path.glob(f"*/{FILE_NAME}"))]
    if len(found) == 1:
        return found[0]
    if not found:
        raise AppBroken(
            "app_not_found",
            path.name,
            f"there is no app in {path}: an app is a package with {FILE_NAME} in it, in the folder itself or in src/, "
            f'named in pyproject.toml under [project.entry-points."{GROUP}"]',
        )
    names = ", ".join(sorted(folder.name for folder in found))
    raise AppBroken("app_several", path.name, f"there are several apps in {path} ({names}): name the folder of one")


def _make_importable(directory: Path) -> None:
    package, root = directory.name, str(directory.parent)
    known = sys.modules.get(package)
    origin = getattr(known, "__file__", None)
    if known is not None and (origin is None or Path(origin).resolve().parent != directory):
        for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
            del sys.modules[name]
    if root in sys.path:
        sys.path.remove(root)
    sys.path.insert(0, root)
    importlib.invalidate_caches()
