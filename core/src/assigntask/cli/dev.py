"""`assigntask dev`: a host for writing an app. It reloads when a file is saved, and shows each call of the app."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
import watchfiles

from assigntask.cli.command import call_of
from assigntask.cli.dev_lines import Lines
from assigntask.cli.options import DatabaseOption, DataOption
from assigntask.cli.serving import PortOption
from assigntask.cli.sockets import listening, url_of
from assigntask.errors import HostError
from assigntask_sdk.apps import InstalledApp, find_app, project_of

cli = typer.Typer()

HOST = "127.0.0.1"
ENDING_SECONDS = 10.0
LOOK_MILLISECONDS = 500

JsonLinesOption = Annotated[bool, typer.Option("--json", help="One JSON document on each line; errors are JSON too.")]


@cli.command("dev")
def dev(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="FOLDER", help="The app's project, or its package.")] = Path(),
    port: PortOption = 8000,
    data: DataOption = None,
    remote: Annotated[bool, typer.Option("--remote", help="Run the app as a service of its own.")] = False,
    json_output: JsonLinesOption = False,
    database: DatabaseOption = None,
) -> None:
    """Run a host around an app that is being written: reload on save, show each hook call and what it was given.

    Without --data everything is thrown away at the end. The app is installed in a sample organisation.
    """
    if database is not None:
        raise HostError("option_conflict", "This host keeps its database in its own folder: use --data instead.")
    lines = Lines(as_json=call_of(context).as_json)
    place = project_of(path.resolve()) or path.resolve()
    app = find_app(place)
    with ExitStack() as stack:
        taken = stack.enter_context(listening(HOST, port))
        folder = data or stack.enter_context(tempfile.TemporaryDirectory(prefix="assigntask-dev-"))
        Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
        url = url_of(HOST, taken.getsockname()[1])
        _run(Running(place, Path(folder).resolve(), taken, url, lines, remote, call_of(context).as_json), app)


@dataclass
class Running:
    """The processes of the moment. `service_port` stays over reloads, because the host knows the service by it."""

    path: Path
    data: Path
    taken: socket.socket
    url: str
    lines: Lines
    remote: bool
    as_json: bool
    service_port: int = 0
    processes: list[tuple[str, subprocess.Popen[str]]] = field(default_factory=list)
    told: set[int] = field(default_factory=set)

    def start(self) -> None:
        served = self._start_service() if self.remote else None
        if self.remote and served is None:
            return
        wanted = {
            "path": str(self.path),
            "data": str(self.data),
            "taken": self.taken.fileno(),
            "url": self.url,
            "remote": served,
            "as_json": self.as_json,
        }
        command = [sys.executable, "-m", "assigntask.cli.dev_host", json.dumps(wanted)]
        started = subprocess.Popen(command, stdin=subprocess.PIPE, text=True, pass_fds=[self.taken.fileno()])  # noqa: S603 - this program
        self.processes.append(("host", started))

    def _start_service(self) -> str | None:
        """Where the app serves on its own; None where it can't start, which it says itself."""
        command = [
            *(sys.executable, "-m", "assigntask_sdk.cli", "serve", str(self.path), "--host", self.url, "--dev"),
            *("--port", str(self.service_port), "--store", str(self.data / "service.db"), "--json"),
        ]
        started = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # noqa: S603 - this program
        self.processes.append(("service", started))
        threading.Thread(target=self._show_service, args=[started], daemon=True).start()
        said = _document(started)
        if said is None:
            return None
        url = str(said["url"])
        self.service_port = int(url.rpartition(":")[2])
        return url

    def _show_service(self, service: subprocess.Popen[str]) -> None:
        """Of what the service logs, what the app raised; the host shows the calls themselves."""
        for line in service.stderr or ():
            try:
                found: Mapping[str, Any] = json.loads(line)
            except ValueError:
                continue
            if "error" in found:
                self.lines.say("error", **found["error"])
            elif found.get("raised"):
                *_, words = str(found.get("exception", "")).splitlines() or [""]
                frames = [[found["place"], ""]] if found.get("place") else []
                said = words.partition(": ")[2]
                self.lines.say("raised", hook=found["hook"], error=found["raised"], words=said, frames=frames)

    def stop(self) -> None:
        """In the order in which they were started, the last first; what does not end in time is killed."""
        for _, process in reversed(self.processes):
            process.terminate()
            try:
                process.wait(ENDING_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with suppress(OSError):
                        stream.close()
        self.processes.clear()

    def look(self) -> None:
        """Says once of each process that it has ended by itself."""
        for what, process in self.processes:
            if process.poll() is not None and process.pid not in self.told:
                self.told.add(process.pid)
                self.lines.say("ended", what=what, status=process.returncode)


def _run(running: Running, app: InstalledApp) -> None:
    """Until SIGINT or SIGTERM."""
    package = app.directory or running.path
    with _stopping() as stop:
        try:
            running.start()
            for changes in watchfiles.watch(
                package,
                stop_event=stop,
                rust_timeout=LOOK_MILLISECONDS,
                yield_on_timeout=True,
                raise_interrupt=False,
                debug=False,
            ):
                changed = _names(changes, package)
                if changed:
                    running.lines.say("reloading", changed=changed)
                    running.stop()
                    running.start()
                running.look()
        finally:
            running.stop()


def _names(changes: set[tuple[watchfiles.Change, str]], package: Path) -> Sequence[str]:
    """The files that changed, from the package on."""
    paths = {Path(path) for _, path in changes}
    return sorted(path.relative_to(package).as_posix() for path in paths if path.is_relative_to(package))


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """Set by the first SIGINT or SIGTERM."""
    stop = threading.Event()
    before = {each: signal.signal(each, lambda *_: stop.set()) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _document(process: subprocess.Popen[str]) -> Any:
    """The first JSON document that it prints; None where it ends before."""
    text = ""
    for line in process.stdout or ():
        text += line
        try:
            return json.loads(text)
        except ValueError:
            continue
    return None
