"""The command as a process: quick, quiet in pipes, stopped in order, and serving."""

from __future__ import annotations

import json
import os
import pty
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

PROGRAM = str(Path(sys.executable).parent / "assigntask")
ADMIN = "ada@example.org"
PATIENCE = 60.0


@contextmanager
def started(folder: Path, *arguments: str, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Ends it afterwards, whatever happens."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("ASSIGNTASK_")}
    process = subprocess.Popen(
        [PROGRAM, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**environ, "PYTHONUNBUFFERED": "1"},
        **options,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def read_json(process: subprocess.Popen[str]) -> Any:
    """The one document that a command prints before it goes on."""
    assert process.stdout is not None
    text = ""
    while line := process.stdout.readline():
        text += line
        try:
            return json.loads(text)
        except ValueError:
            continue
    assert process.stderr is not None
    raise AssertionError(f"no document: {text!r} {process.stderr.read()}")


def page_at(url: str) -> str:
    assert url.startswith("http://127.0.0.1:")
    with urlopen(url, timeout=PATIENCE) as answer:  # noqa: S310 - it is one of ours
        return str(answer.read().decode())


def stopped(process: subprocess.Popen[str], how: signal.Signals) -> tuple[int, str, str]:
    process.send_signal(how)
    out, err = process.communicate(timeout=PATIENCE)
    return process.returncode, out, err


def test_help_loads_no_host(tmp_path: Path) -> None:
    """What takes long to load is loaded only when a command is run."""
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, assigntask.cli; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert not {"sqlalchemy", "pydantic", "starlette", "uvicorn", "assigntask.app"} & set(loaded)
    told = subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "ledger" in told.stdout


def test_the_installed_command_does_what_the_function_does(quick_house: Any) -> None:
    house = quick_house
    plain = house.process("people", "list")
    assert (plain.returncode, plain.stderr) == (0, "")
    assert plain.stdout == house("people", "list").out
    document = house.process("people", "list", "--json")
    assert json.loads(document.stdout) == house.json("people", "list")
    refused = house.process("tasks", "show", "999", "--json")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert json.loads(refused.stderr)["error"]["code"] == "not_found"
    assert house.process("people", "rolle").returncode == 2


def test_a_reader_that_stops_reading_causes_no_traceback(quick_house: Any) -> None:
    line = f"{shlex.quote(PROGRAM)} tasks list --json | head -n 1; echo ${{PIPESTATUS[0]}}"
    told = subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, check=True, env={**os.environ, **quick_house.environ}
    )
    # The whole document may have fitted into the pipe before its reader went.
    assert told.stdout.splitlines()[0] == "["
    assert told.stdout.splitlines()[1] in ("141", "0")
    assert told.stderr == ""


def test_a_closed_stdout_causes_no_traceback(quick_house: Any) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as gone:
        told = subprocess.run(
            [PROGRAM, "tasks", "list"],
            stdout=gone,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env={**os.environ, **quick_house.environ},
        )
    assert (told.returncode, told.stderr) == (141, "")


def test_ctrl_c_while_a_board_is_read_stops_cleanly(tmp_path: Path) -> None:
    with started(tmp_path, "import", "trello", "-", "--organisation", "Quay", "--admin", ADMIN,
                 stdin=subprocess.PIPE) as process:  # fmt: skip
        assert process.stdin is not None
        process.stdin.write(" " * (1 << 20))  # more than a pipe holds: when this is done, it reads
        process.stdin.flush()
        code, out, err = stopped(process, signal.SIGINT)
    assert (code, out) == (130, "")
    assert err.startswith("error[interrupted]: ")
    assert not (tmp_path / "data").exists()


@pytest.fixture
def here(make_terminal: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Commands of a newcomer, whose folder this is and who has set nothing, in this process."""
    terminal = make_terminal("")
    for name in terminal.environ:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return terminal


def test_run_makes_the_sample_once_serves_it_and_stops_in_order(here: Any, tmp_path: Path) -> None:
    with started(tmp_path, "run", "--data", "my data", "--port", "0", "--json") as process:
        told = read_json(process)
        assert told["organisation"]["created"] is True
        assert told["organisation"]["name"] in page_at(told["url"])
        assert told["admin"]["role"] == "admin"
        assert told["member"]["role"] == "member"
        # What it says can be tried can be, in its order, while it serves.
        for each in told["try"]:
            done = here(*shlex.split(each["command"])[1:])
            assert done.status == 0, (each, done.err)
        assert stopped(process, signal.SIGINT)[:2] == (0, "")
    with started(tmp_path, "run", "--data", "my data", "--port", "0", "--json") as process:
        assert read_json(process)["organisation"]["created"] is False
        assert stopped(process, signal.SIGTERM)[0] == 0


def test_run_tells_a_newcomer_what_there_is(tmp_path: Path) -> None:
    with started(tmp_path, "run", "--port", "0") as process:
        assert process.stdout is not None
        text = ""
        while "Stop with Ctrl-C" not in text and (line := process.stdout.readline()):
            text += line
        assert "AssignTask is at http://127.0.0.1:" in text
        assert "Data          data" in text
        assert "--dry-run --database sqlite:///data/assigntask.db" in text
        assert stopped(process, signal.SIGINT)[0] == 0
    assert (tmp_path / "data" / "keys").stat().st_mode & 0o777 == 0o700


def test_serve_answers_on_either_database(house: Any) -> None:
    process = subprocess.Popen(
        [PROGRAM, "serve", "--port", "0", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **house.environ},
    )
    try:
        assert "Harbour &amp; Sons" in page_at(read_json(process)["url"])
        assert stopped(process, signal.SIGTERM)[0] == 0
    finally:
        process.kill()
        process.communicate()


def test_a_port_that_is_taken_is_said_before_anything_is_made(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for command in ("run", "serve"):
            with started(tmp_path, command, "--port", port) as process:
                out, err = process.communicate(timeout=PATIENCE)
            assert (process.returncode, out) == (1, "")
            assert err.startswith("error[port_in_use]: ")
            assert "--port" in err
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("host", ["0.0.0.0", "example.org"])  # noqa: S104 - to be refused
def test_serving_beyond_this_machine_is_refused(quick_house: Any, host: str) -> None:
    assert quick_house.fails("serve", "--host", host, code="not_loopback")["host"] == host


def test_behind_a_proxy_that_ends_tls_it_serves_whoever_signs_in(quick_house: Any) -> None:
    house = quick_house
    process = subprocess.Popen(
        [PROGRAM, "serve", "--host", "0.0.0.0", "--port", "0", "--json"],  # noqa: S104 - as behind a proxy
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **house.environ, "ASSIGNTASK_URL": "https://tasks.example"},
    )
    try:
        told = read_json(process)
        assert told["public_url"] == "https://tasks.example"
        port = urlsplit(told["url"]).port
        for host, status in (("tasks.example", 401), ("127.0.0.1", 401), ("elsewhere.example", 421)):
            there = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
            there.request("GET", "/", headers={"Host": host})
            assert there.getresponse().status == status
            there.close()
    finally:
        process.kill()
        process.communicate()


def typed_at(words: list[str], environ: dict[str, str], answer: str) -> tuple[int, str]:
    """Runs it in a terminal, and types `answer` when it asks."""
    child, screen = pty.fork()
    if child == 0:
        os.environ.update(environ)
        os.execv(PROGRAM, [PROGRAM, *words])  # noqa: S606
    shown = ""
    while True:
        try:
            read = os.read(screen, 4096).decode(errors="replace")
        except OSError:  # what Linux says when the other end is closed
            break
        if not read:
            break
        shown += read
        if answer and "[y/N]" in shown:
            os.write(screen, f"{answer}\n".encode())
            answer = ""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), shown


def test_forgetting_asks_first_where_somebody_can_answer(quick_house: Any) -> None:
    forget = ["people", "forget", "inesokafor"]
    status, shown = typed_at(forget, quick_house.environ, "n")
    assert status == 1
    assert "Forget Ines Okafor in Harbour & Sons?" in shown
    assert "error[not_confirmed]" in shown
    assert "inesokafor" in quick_house.text("people", "list")
    status, shown = typed_at(forget, quick_house.environ, "y")
    assert status == 0
    assert "They are forgotten." in shown
    assert "inesokafor" not in quick_house.text("people", "list")


def test_a_terminal_that_wants_no_colour_gets_none(quick_house: Any) -> None:
    _, shown = typed_at(["ledger", "verify"], {**quick_house.environ, "NO_COLOR": "1", "TERM": "dumb"}, "")
    assert "\x1b" not in shown
    assert "All of it is as it was signed." in shown
