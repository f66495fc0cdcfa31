"""Which scopes an app's tests needed, kept beside its project, one small file for each test."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(".assigntask") / "scopes"


@dataclass(frozen=True, slots=True)
class ScopesNeeded:
    """`used`: those that opened what the app was given, and powers that it used. `refused`: those that it lacked."""

    used: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()

    def __or__(self, other: ScopesNeeded) -> ScopesNeeded:
        return ScopesNeeded(self.used | other.used, self.refused | other.refused)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What all tests of a project needed together. `tests`: how many of them opened a host."""

    tests: int
    needed: ScopesNeeded


def running_test(environ: Mapping[str, str] = os.environ, here: Path | None = None) -> tuple[Path, str] | None:
    """The file of the test that runs now, and its name with parameters; None where pytest runs none."""
    name = environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0]
    file, _, test = name.partition("::")
    base = here or Path.cwd()
    for folder in (base, *base.parents):  # pytest names it from its root, which may lie above
        if test and (folder / file).is_file():
            return folder / file, test
    return None


def record(project: Path, needed: ScopesNeeded, test: tuple[Path, str]) -> None:
    """Replaces what this test needed before. Tests of other projects count nothing here, nor does a read-only disk."""
    file, name = test
    project = project.resolve()
    if not file.resolve().is_relative_to(project):
        return
    path = file.resolve().relative_to(project).as_posix()
    digest = hashlib.sha256(f"{path}::{name}".encode()).hexdigest()[:16]
    body = {"file": path, "test": name, "used": sorted(needed.used), "refused": sorted(needed.refused)}
    folder = project / FOLDER
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        (folder.parent / ".gitignore").write_text("*\n", "utf-8")
        (folder / f"{digest}.json").write_text(json.dumps(body), "utf-8")


def recorded(project: Path) -> Recorded:
    """Over all tests that are still there."""
    needed, tests = ScopesNeeded(), 0
    for body in _bodies(project / FOLDER):
        with suppress(KeyError, TypeError):
            if _is_there(project, str(body["file"]), str(body["test"])):
                needed |= ScopesNeeded(frozenset(body["used"]), frozenset(body["refused"]))
                tests += 1
    return Recorded(tests, needed)


def _bodies(folder: Path) -> Iterator[Mapping[str, Any]]:
    for file in sorted(folder.glob("*.json")):
        with suppress(OSError, ValueError):
            body = json.loads(file.read_text("utf-8"))
            if isinstance(body, dict):
                yield body


def _is_there(project: Path, file: str, test: str) -> bool:
    function = re.escape(test.partition("[")[0].rpartition("::")[2])
    try:
        return re.search(rf"\bdef {function}\b", (project / file).read_text("utf-8")) is not None
    except (OSError, ValueError):
        return False
