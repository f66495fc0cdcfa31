"""The small app that `assigntask-sdk new` writes. Its files are templates: `$$id`, `$$package`, `$$title`."""

from __future__ import annotations

import keyword
import re
import sys
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from string import Template

_NAME = re.compile(r"[a-z][a-z0-9-]{1,38}")
_TAKEN = frozenset({"assigntask", "assigntask_sdk", "tests"})


class NotWritten(Exception):
    """The project could not be written; nothing was changed, or `message` says what was."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def why_not_named(name: str) -> str | None:
    """Why an app can't have this name, and which ones it can have; None where it can."""
    if not _NAME.fullmatch(name) or name.endswith("-"):
        return 'a name has small letters, digits and hyphens, 2 to 39 of them, a letter first, for example "due-guard"'
    package = package_of(name)
    if keyword.iskeyword(package) or package in sys.stdlib_module_names or package in _TAKEN:
        return f'{package} is a module of Python or AssignTask already: say more, for example "my-{name}"'
    return None


def package_of(name: str) -> str:
    return name.replace("-", "_")


def files_of(name: str) -> Mapping[str, str]:
    """Path in the project to content, for an app of this name."""
    package = package_of(name)
    title = name.replace("-", " ").capitalize()
    places = {
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
        f"src/{package}/app.toml": "app.toml",
        f"src/{package}/__init__.py": "__init__.py",
        f"src/{package}/hooks.py": "hooks.py",
        f"tests/test_{package}.py": "test.py",
    }
    here = resources.files(__name__)
    return {
        path: Template((here / f"{file}.tmpl").read_text("utf-8")).substitute(id=name, package=package, title=title)
        for path, file in places.items()
    }


def write_app(name: str, directory: Path) -> list[Path]:
    """Writes the project and returns its files. Raises NotWritten; an existing folder must be empty."""
    problem = why_not_named(name)
    if problem is not None:
        raise NotWritten("bad_name", f"{name!r} can't be an app's name: {problem}")
    try:
        if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
            raise NotWritten("directory_not_empty", f"{directory} is there already: choose another with --directory")
        for path, content in files_of(name).items():
            target = directory / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content, encoding="utf-8")
    except OSError as error:
        raise NotWritten("cannot_write", f"{directory} can't be written: {error.strerror}") from error
    return [directory / path for path in files_of(name)]
