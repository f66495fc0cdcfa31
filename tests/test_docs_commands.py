"""Every command in a block marked `console` is run as it stands, in order, and what the page shows has to come.

`…` stands for anything: alone on a line for any number of lines. Where a page shows `error[code]`, the command has to
fail with status 1; else it has to succeed. Each page starts with the sample organisation in the folder `data`.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from assigntask import sample
from assigntask.cli.root import COMMANDS

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
EVERY_PAGE = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PAGES = [page for page in EVERY_PAGE if BLOCK.search(page.read_text("utf-8"))]
SECONDS = 60


@dataclass(slots=True)
class Shown:
    """A command as a page shows it, and the lines under it."""

    command: str
    lines: list[str] = field(default_factory=list)

    @property
    def status(self) -> int:
        return 1 if any(line.startswith("error[") for line in self.lines) else 0


def shown(text: str) -> list[Shown]:
    found: list[Shown] = []
    for block in BLOCK.findall(text):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append(Shown(line.removeprefix("$ ")))
            else:
                found[-1].lines.append(line)
    return found


def plain(text: str) -> str:
    return " ".join(text.split())


def matches(lines: Sequence[str], output: str) -> bool:
    """Columns are as wide as what is in them, so blanks count as one."""
    pattern = ""
    for line in map(plain, lines):
        pattern += r"(?:.*\n)*?" if line == "…" else ".*?".join(map(re.escape, line.split("…"))) + r"\n"
    real = "".join(f"{plain(line)}\n" for line in output.splitlines())
    return not lines or re.fullmatch(pattern, real) is not None


def environment() -> dict[str, str]:
    """As a newcomer has it, with this Python's programs in front."""
    ours = ("ASSIGNTASK_", "PYTEST", "MAKE", "MFLAGS", "COLUMNS", "NO_COLOR", "FORCE_COLOR")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"}


def make_n(target: str) -> str:
    """What make would do."""
    result = subprocess.run(
        ["make", "-n", *shlex.split(target)], cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def run_until_told(command: Sequence[str], folder: Path) -> str:
    """Starts a server, waits until it says how to stop it, and stops it so. What it printed."""
    with subprocess.Popen(
        command, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as server:
        assert server.stdout is not None
        said: list[str] = []
        patience = threading.Timer(SECONDS, server.kill)
        patience.daemon = True
        patience.start()
        for line in server.stdout:
            said.append(line)
            if line.startswith("Stop with Ctrl-C"):
                break
        server.send_signal(signal.SIGINT)
        said.append(server.stdout.read())
        assert server.wait() == 0, "".join(said)
        patience.cancel()
    return "".join(said)


@pytest.fixture(scope="module")
def as_made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """The folder after `make run`, and what that printed. Only the port is another one: 8000 may be taken."""
    folder = tmp_path_factory.mktemp("docs")
    *_, recipe = make_n("run").splitlines()
    words = shlex.split(recipe)
    assert words[:2] == [".venv/bin/assigntask", "run"]
    words[words.index("--port") + 1] = "0"
    yield folder, run_until_told(["assigntask", *words[1:]], folder)


@pytest.fixture
def place(as_made: tuple[Path, str], tmp_path: Path) -> Path:
    """The folder in which a page's commands are run."""
    folder = tmp_path / "place"
    shutil.copytree(as_made[0], folder)
    (folder / "board.json").write_bytes((Path(sample.__file__).parent / "board.json").read_bytes())
    return folder


def test_make_run_says_who_is_who_and_what_to_try(as_made: tuple[Path, str]) -> None:
    folder, said = as_made
    assert re.match(r"AssignTask is at http://127\.0\.0\.1:\d+\n", said)
    assert "Ruth Adebayo, ruth.adebayo@example.org" in said
    assert "Amara Diallo, amara.diallo@example.org" in said
    assert (folder / "data" / "assigntask.db").stat().st_mode & 0o777 == 0o600


class Terminal:
    """Runs a line as a shell would; commands of our own that need no shell come from a process that is loaded."""

    def __init__(self, output: Path) -> None:
        self._output = output
        self._loaded = subprocess.Popen(
            [sys.executable, HERE / "terminal.py", output],
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, command: str, folder: Path) -> tuple[int, str]:
        """Exit status, and what it printed, errors last."""
        if command.startswith("assigntask ") and not re.search(r"[$`><|&;]", command):
            return self._run_loaded(shlex.split(command)[1:], folder)
        result = subprocess.run(
            ["bash", "-c", command],
            cwd=folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        return result.returncode, result.stdout + result.stderr

    def _run_loaded(self, arguments: Sequence[str], folder: Path) -> tuple[int, str]:
        assert self._loaded.stdin is not None
        assert self._loaded.stdout is not None
        self._loaded.stdin.write(json.dumps([str(folder), *arguments]) + "\n")
        self._loaded.stdin.flush()
        status = int(self._loaded.stdout.readline())
        return status, "".join((self._output / name).read_text("utf-8") for name in ("out", "err"))

    def close(self) -> None:
        self._loaded.communicate()
        assert self._loaded.returncode == 0


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    opened = Terminal(tmp_path_factory.mktemp("terminal"))
    yield opened
    opened.close()


def test_what_make_run_says_to_try_works_as_it_stands(
    as_made: tuple[Path, str], place: Path, terminal: Terminal
) -> None:
    tries = [line for line in as_made[1].splitlines() if " --database " in line]
    assert len(tries) >= 8
    for command in tries:
        status, output = terminal.run(command, place)
        assert status == 0, f"{command}\n{output}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_do_what_the_page_shows(page: Path, place: Path, terminal: Terminal) -> None:
    for each in shown(page.read_text("utf-8")):
        if each.command.startswith("make "):
            assert make_n(each.command.removeprefix("make "))
            continue
        status, output = terminal.run(each.command, place)
        assert status == each.status, f"{each.command}\n{output}"
        assert matches(each.lines, output), f"{each.command}\n{output}"


def test_every_command_of_the_terminal_is_shown_somewhere() -> None:
    everything = "\n".join(page.read_text("utf-8") for page in EVERY_PAGE)
    for name in COMMANDS:
        assert re.search(rf"assigntask {name}\b", everything), name


class TestMatching:
    """The comparison itself can fail."""

    def test_other_words_do_not_match(self) -> None:
        assert not matches(["reporting is installed."], "reporting is not installed.\n")

    def test_a_missing_line_does_not_match(self) -> None:
        assert not matches(["one", "two"], "one\n")

    def test_more_lines_match_only_where_the_page_says_so(self) -> None:
        assert not matches(["one"], "one\ntwo\n")
        assert matches(["one", "…"], "one\ntwo\n")
        assert matches(["…", "two"], "one\ntwo\n")

    def test_columns_may_be_wider(self) -> None:
        assert matches(["a … c"], "a    b   c\n")
