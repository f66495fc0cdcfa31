"""The terminal, as somebody uses it: one database, its keys, and commands that are run in it."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import structlog

from assigntask import sample
from assigntask.cli import main
from assigntask_sdk.new import write_app

ADMIN, MEMBER = "ada@example.org", "ben@example.org"
ORGANISATION = "Harbour & Sons"
PROGRAM = Path(sys.executable).parent / "assigntask"


@dataclass(frozen=True)
class Result:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, Any]:
        """The one error, of a command that was called with --json."""
        assert self.out == ""
        told = json.loads(self.err)
        assert list(told) == ["error"]
        return dict(told["error"])


@dataclass
class Terminal:
    url: str
    folder: Path
    environ: dict[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str, stdin: str = "") -> Result:
        """Runs a command in this process."""
        out, err = io.StringIO(), io.StringIO()
        given, sys.stdin = sys.stdin, io.TextIOWrapper(io.BytesIO(stdin.encode()), "utf-8")
        try:
            with redirect_stdout(out), redirect_stderr(err):
                status = main(arguments)
        finally:
            sys.stdin = given
        return Result(status, out.getvalue(), err.getvalue())

    def json(self, *arguments: str, stdin: str = "") -> Any:
        """The document of a command that has to succeed, and says nothing else."""
        result = self(*arguments, "--json", stdin=stdin)
        assert (result.status, result.err) == (0, "")
        return result.json

    def text(self, *arguments: str) -> str:
        """What people read of a command that has to succeed."""
        result = self(*arguments)
        assert (result.status, result.err) == (0, "")
        assert "\x1b" not in result.out
        return result.out

    def fails(self, *arguments: str, code: str, status: int = 1) -> dict[str, Any]:
        """The error of a command, which is the same with and without --json."""
        plain = self(*arguments)
        assert (plain.status, plain.out) == (status, "")
        assert plain.err.startswith(f"error[{code}]: ")
        assert "Traceback" not in plain.err
        error = self(*arguments, "--json").error
        assert error["code"] == code
        assert plain.err == f"error[{code}]: {error['message']}\n"
        return error

    def process(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Runs the command that people run, in a process of its own."""
        return subprocess.run(
            [str(PROGRAM), *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, **self.environ},
            **options,
        )


@pytest.fixture
def logs_restored() -> Iterator[None]:
    """A command sets up logging for its process; here others use the process too."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


@pytest.fixture
def make_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logs_restored: None) -> Callable[[str], Terminal]:
    def make(url: str) -> Terminal:
        environ = {"ASSIGNTASK_DATABASE": url, "ASSIGNTASK_KEYS": str(tmp_path / "keys")}
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("COLUMNS", raising=False)
        monkeypatch.delenv("ASSIGNTASK_DEBUG", raising=False)
        return Terminal(url, tmp_path, environ)

    return make


@pytest.fixture
def terminal(make_terminal: Callable[[str], Terminal], database_url: str) -> Terminal:
    """An empty database; each test runs on SQLite and on PostgreSQL."""
    return make_terminal(database_url)


@pytest.fixture
def board(tmp_path: Path) -> Path:
    """A Trello export of 35 tasks."""
    path = tmp_path / "board.json"
    path.write_bytes(sample.load(date(2026, 3, 2))[0])
    return path


@pytest.fixture
def settle(board: Path) -> Callable[[Terminal], Terminal]:
    """Gives the organisation a board, an admin and a member."""

    def fill(terminal: Terminal) -> Terminal:
        terminal.json("import", "trello", str(board), "--organisation", ORGANISATION, "--admin", ADMIN)
        terminal.json("people", "add", MEMBER, "--name", "Ben", "--department", "Docks")
        return terminal

    return fill


@pytest.fixture
def house(terminal: Terminal, settle: Callable[[Terminal], Terminal]) -> Terminal:
    return settle(terminal)


@pytest.fixture
def quick_house(
    make_terminal: Callable[[str], Terminal], settle: Callable[[Terminal], Terminal], sqlite_url: str
) -> Terminal:
    """On SQLite alone, for what has nothing to do with the database."""
    return settle(make_terminal(sqlite_url))


@pytest.fixture
def due_guard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The app that the SDK writes for a beginner, installed as a package: it refuses tasks without a due date."""
    write_app("due-guard", tmp_path / "due-guard")
    packages = tmp_path / "due-guard" / "src"
    about = packages / "due_guard-1.0.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: due-guard\nVersion: 1.0.0\n")
    (about / "entry_points.txt").write_text("[assigntask.apps]\ndue-guard = due_guard\n")
    monkeypatch.syspath_prepend(str(packages))
    yield "due-guard"
    for name in [name for name in sys.modules if name.partition(".")[0] == "due_guard"]:
        del sys.modules[name]
