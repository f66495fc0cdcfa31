"""`assigntask dev` as a process: an app is written, saved, and seen; and what is printed for it."""

from __future__ import annotations

import datetime as dt
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from sqlalchemy.engine import Connection

from assigntask.app import Platform
from assigntask.cli.dev_host import as_next_version
from assigntask.cli.dev_lines import WORDS, Lines
from assigntask.installations.directory import Directory
from assigntask.people import organisations, people
from assigntask.people.facts import Doer
from assigntask.settings import Settings
from assigntask_sdk.apps import find_app

PROGRAM = str(Path(sys.executable).parent / "assigntask")
PATIENCE = 90.0

MANIFEST = """\
sdk = 1
id = "dev-app"
name = "Being written"
version = "1.0.0"

[vendor]
name = "Vendor"
contact = "help@vendor.example"
privacy = "https://vendor.example/privacy"
country = "NZ"

[scopes.required]
"tasks:read" = "to greet the board"

[hooks]
board_panel = [{details}]
"""

HOOKS = """\
from assigntask_sdk import Ctx, Text, hook
from assigntask_sdk.hooks import BoardPanel, Panel


@hook.board_panel
async def panel(ctx: Ctx, ask: BoardPanel) -> Panel:
    {does}
"""


def write(folder: Path, *, does: str | None = None, details: str | None = None) -> Path:
    package = folder / "dev_app"
    package.mkdir(exist_ok=True)
    if not (package / "__init__.py").exists():
        (package / "__init__.py").write_text("")
    if details is not None:
        (package / "app.toml").write_text(MANIFEST.format(details=details))
    if does is not None:
        (package / "hooks.py").write_text(HOOKS.format(does=does))
    return package


class Developing:
    """The running command: what it says comes as events, in order."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._said: queue.Queue[dict[str, Any] | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self._said.put(json.loads(line))
        self._said.put(None)

    def until(self, event: str, **facts: Any) -> dict[str, Any]:
        """The next of that kind with these facts; what comes before is passed over."""
        passed: list[Any] = []
        while (said := self._said.get(timeout=PATIENCE)) is not None:
            if said["event"] == event and all(said[name] == value for name, value in facts.items()):
                return said
            passed.append(said)
        raise AssertionError(f"ended without {event}: {passed} {self.process.stderr and self.process.stderr.read()}")


@contextmanager
def developing(folder: Path, *arguments: str) -> Iterator[Developing]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("ASSIGNTASK_")}
    process = subprocess.Popen(
        [PROGRAM, "dev", *arguments, "--port", "0", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**environ, "PYTHONUNBUFFERED": "1", "TMPDIR": str(folder)},
        start_new_session=True,
    )
    try:
        yield Developing(process)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=PATIENCE)
        finally:
            process.kill()


def page_at(url: str) -> str:
    with urlopen(url, timeout=PATIENCE) as answer:  # noqa: S310 - it is one of ours
        return str(answer.read().decode())


def test_a_saved_file_gives_a_new_answer(tmp_path: Path) -> None:
    package = write(tmp_path, does='return [Text(["first words"])]', details='"project.name"')
    with developing(tmp_path, str(package)) as running:
        installed = running.until("installed")
        assert (installed["app"], installed["version"]) == ("dev-app", "1.0.0")
        serving = running.until("serving")
        assert "first words" in page_at(serving["url"])
        called = running.until("hook", hook="board_panel")
        assert (called["outcome"], called["details"]) == ("answered", ["project.name"])
        assert called["milliseconds"] > 0

        reports = 'await ctx.problems.report("late", "words of a problem")'
        write(tmp_path, does=f'{reports}; return [Text(["second words"])]')
        assert running.until("reloading")["changed"] == ["hooks.py"]
        assert running.until("serving")["url"] == serving["url"]
        assert "second words" in page_at(serving["url"])
        assert running.until("problem")["text"] == "words of a problem"

        write(tmp_path, does='raise RuntimeError("third words")')
        running.until("serving")
        page_at(serving["url"])
        raised = running.until("raised")
        assert (raised["error"], raised["words"]) == ("RuntimeError", "third words")
        assert raised["frames"] == [["dev_app/hooks.py:7", 'raise RuntimeError("third words")']]
        assert running.until("hook", outcome="hook_raised")["hook"] == "board_panel"

        write(tmp_path, does="return [", details='"project.name"')
        assert running.until("error")["code"] == "app_import_failed"

        write(tmp_path, does="return []", details='"project.description"')
        assert running.until("upgraded")["version"] == "1.0.1"
        running.until("serving")
        page_at(serving["url"])
        assert running.until("hook")["details"] == ["project.description"]

        running.process.send_signal(signal.SIGINT)
        running.process.wait(PATIENCE)
    assert running.process.returncode == 0
    assert [entry.name for entry in tmp_path.iterdir()] == ["dev_app"]  # the rest is thrown away


def test_as_its_own_service_it_answers_too(tmp_path: Path) -> None:
    package = write(
        tmp_path, does='return [Text([(await ctx.projects.list())[0].name + " by wire"])]', details='"project.name"'
    )
    with developing(tmp_path, str(package), "--remote", "--data", str(tmp_path / "data")) as running:
        serving = running.until("serving")
        assert "by wire" in page_at(serving["url"])
        assert running.until("hook", hook="board_panel")["outcome"] == "answered"
        write(tmp_path, does='raise RuntimeError("of the service")')
        running.until("serving")
        page_at(serving["url"])
        raised = running.until("raised")
        assert (raised["error"], raised["words"]) == ("RuntimeError", "of the service")
        assert raised["frames"][0][0] == "dev_app/hooks.py:7"


def test_a_folder_without_an_app_is_named(tmp_path: Path) -> None:
    done = subprocess.run(
        [PROGRAM, "dev", str(tmp_path), "--json"], capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert done.returncode == 1
    assert json.loads(done.stderr)["error"]["code"] == "app_not_found"


def test_every_event_has_words_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines(as_json=False)
    facts: dict[str, dict[str, Any]] = {
        "serving": {"app": "a", "version": "1.0.0", "url": "http://127.0.0.1:1"},
        "reloading": {"changed": ["hooks.py"]},
        "installed": {"app": "a", "version": "1.0.0"},
        "upgraded": {"app": "a", "version": "1.0.1"},
        "hook": {"hook": "task_badges", "milliseconds": 1.5, "outcome": "answered", "details": []},
        "raised": {"hook": "h", "error": "ValueError", "words": "x\x1b[2J", "frames": [["a/hooks.py:1", "raise"]]},
        "problem": {"key": "k", "severity": "warning", "text": "t"},
        "log": {"said": "s", "facts": {"n": 1}},
        "host": {"what": "w", "facts": {}},
        "error": {"code": "c", "message": "m"},
        "ended": {"what": "host", "status": 1},
    }
    assert set(facts) == set(WORDS)
    for event, given in facts.items():
        lines.say(event, **given)
    said = capsys.readouterr().out
    assert "task_badges           1.5 ms  answered  got nothing but ids" in said
    assert "\x1b" not in said
    assert "h raised ValueError: x" in said and "\n  a/hooks.py:1  raise\n" in said


async def test_a_changed_manifest_counts_as_the_next_version_once(tmp_path: Path, sys_path: None) -> None:
    package = write(tmp_path, does="return []", details='"project.name"')
    here = [find_app(package)]
    async with Platform.open(Settings.in_memory(), directory=Directory(lambda: here)) as platform:
        doer = await platform.db.write(found)
        assert (await platform.db.read(as_next_version, here[0])).usable().version == "1.0.0"
        await platform.installing.install(doer, "dev-app")
        assert (await platform.db.read(as_next_version, here[0])).usable().version == "1.0.0"

        write(tmp_path, details='"project.description"')
        here[:] = [await platform.db.read(as_next_version, find_app(package))]
        assert here[0].usable().version == "1.0.1"
        await platform.upgrading.check("dev-app")
        assert (await platform.db.read(as_next_version, find_app(package))).usable().version == "1.0.1"

        write(tmp_path, details='"project.statuses"')
        assert (await platform.db.read(as_next_version, find_app(package))).usable().version == "1.0.2"


def found(conn: Connection) -> Doer:
    now = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
    organisation = organisations.create(conn, "Quay", "UTC", now)
    admin = people.add(conn, organisation.id, name="Ada", email="ada@quay.example", role="admin", now=now)
    return Doer(organisation.id, admin.id, "admin")


@pytest.fixture
def sys_path() -> Iterator[None]:
    """Puts back what finding an app in a folder changes."""
    before = list(sys.path)
    yield
    sys.path[:] = before
