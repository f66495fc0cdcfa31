"""What `assigntask-sdk check` finds out about an app, and how it says what the app asks for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .apps import AppBroken, InstalledApp, find_app, load_hooks, project_of
from .details import DETAILS, SCOPES
from .manifest import Manifest, Problem
from .testing.needed import Recorded, ScopesNeeded, recorded

NOTHING_RECORDED = Recorded(0, ScopesNeeded())


@dataclass(frozen=True, slots=True)
class Checked:
    """`app` is None where it could not be read; `cause` is what the app's code raised, for its developer alone.

    `recorded`: what the app's tests needed when they ran last.
    """

    app: InstalledApp | None
    problems: tuple[Problem, ...]
    cause: str | None = None
    recorded: Recorded = NOTHING_RECORDED

    @property
    def manifest(self) -> Manifest | None:
        return self.app.manifest if self.app is not None else None

    def to_json(self) -> dict[str, Any]:
        manifest = self.manifest
        about = None
        if manifest is not None:
            about = {
                "id": manifest.id,
                "name": manifest.name,
                "version": manifest.version,
                "digest": manifest.digest,
                "asks": asks(manifest),
            }
        return {
            "ok": not self.problems,
            "app": about,
            "problems": [problem.to_json() for problem in self.problems],
            "scopes": scopes(manifest, self.recorded) if manifest is not None else None,
        }


def check(path: Path) -> Checked:
    """Reads the manifest, imports the app and compares the two. Raises nothing about the app."""
    try:
        app = find_app(path)
    except AppBroken as error:
        return Checked(None, _placed(error, path, path))
    try:
        load_hooks(app)
    except AppBroken as error:
        cause = error.__cause__
        said = f"{type(cause).__name__}: {cause}" if cause is not None else None
        return Checked(app, _placed(error, app.directory or path, path), said)
    project = project_of(app.directory) if app.directory is not None else None
    return Checked(app, (), recorded=recorded(project) if project is not None else NOTHING_RECORDED)


def _placed(error: AppBroken, package: Path, path: Path) -> tuple[Problem, ...]:
    """The problems, with paths as one would type them here."""
    if not error.problems:
        return (Problem(error.code, str(path), None, None, error.message),)
    return tuple(replace(problem, file=_from_here(problem.file, package, path)) for problem in error.problems)


def _from_here(file: str, package: Path, path: Path) -> str:
    """`package/file` as a path from the working directory, where there is such a file."""
    for base in (package.parent, path / "src", path, path.parent):
        if (base / file).exists():
            return os.path.relpath(base / file)
    return file


def asks(manifest: Manifest) -> dict[str, Any]:
    """What an admin is asked for, in the catalogue's words. Names are sorted."""
    wanted = frozenset(detail for details in manifest.hooks.values() for detail in details)
    return {
        "required": _scopes(manifest.scopes.required),
        "optional": _scopes(manifest.scopes.optional),
        "by_hook": {hook: list(details) for hook, details in sorted(manifest.hooks.items())},
        "details": {name: DETAILS[name].words for name in sorted(wanted)},
        "contacts": {
            contact: {name: DETAILS[name].words for name in details}
            for contact, details in sorted(manifest.contacts.items())
        },
        "egress": list(manifest.egress),
        "retention_days": manifest.retention_days,
        "on_failure": manifest.on_failure,
    }


def scopes(manifest: Manifest, found: Recorded) -> dict[str, Any]:
    """What app.toml asks for, beside what the app's tests needed; both lists are empty where no test was recorded."""
    used = found.needed.used
    return {
        "tests": found.tests,
        "never_needed": sorted(manifest.requested - used) if found.tests else [],
        "not_asked_for": sorted((found.needed.refused | used) - manifest.requested) if found.tests else [],
    }


def _scopes(reasons: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    return {
        name: {"words": SCOPES[name].words, "reason": reason, "power": SCOPES[name].power}
        for name, reason in sorted(reasons.items())
    }
