"""The service as a process: where it listens or whom it dials, until somebody stops it."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import shlex
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
import uvicorn

from ..apps import InstalledApp, find_app, project_of
from .connecting import Connector
from .hosts import ServingError, origin_of
from .service import Service, open_service
from .site import site

KEY_VARIABLE = "ASSIGNTASK_CONNECT_KEY"
ENDING_SECONDS = 5

Show = Callable[[dict[str, Any], Sequence[str]], None]
"""What to print once it serves: facts, and lines for people."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command was called with. `port` 0: any that is free."""

    path: Path
    hosts: Sequence[str]
    listen: str = "127.0.0.1"
    port: int = 8100
    store: Path | None = None
    dev: bool = False
    connect: bool = False
    key_file: Path | None = None
    as_json: bool = False


def run(wanted: Wanted, show: Show) -> None:
    """Until SIGINT or SIGTERM. Raises AppBroken, ServingError."""
    _log(as_json=wanted.as_json)
    hosts = [origin_of(host, dev=wanted.dev) for host in wanted.hosts]
    app = find_app(project_of(wanted.path.resolve()) or wanted.path)
    store = wanted.store if wanted.store is not None else usual_store(app.id)
    if wanted.connect:
        if len(hosts) != 1:
            raise ServingError("one_host_needed", "With --connect, name one host: each gives out a key of its own.")
        asyncio.run(_connect(app, hosts[0], connection_key(wanted.key_file, os.environ), store, wanted, show))
        return
    with _listening(wanted.listen, wanted.port) as taken:
        asyncio.run(_serve(app, hosts, taken, store, wanted, show))


def usual_store(app_id: str) -> Path:
    """In the folder for what programs keep for one user (XDG Base Directory Specification)."""
    state = os.environ.get("XDG_STATE_HOME", "")
    folder = Path(state) if Path(state).is_absolute() else Path.home() / ".local" / "state"
    return folder / "assigntask-sdk" / f"{app_id}.db"


def connection_key(file: Path | None, environ: Mapping[str, str]) -> str:
    """From the file, else from ASSIGNTASK_CONNECT_KEY. Raises ServingError `key_missing`, `key_wrong`."""
    text = environ.get(KEY_VARIABLE, "")
    if file is not None:
        try:
            text = file.read_text("utf-8")
        except (OSError, ValueError):
            raise ServingError("key_missing", f"{file} can't be read: name the file that holds the key.") from None
    text = text.strip()
    if not text:
        raise ServingError(
            "key_missing",
            f"Give the connection key in --key-file or {KEY_VARIABLE}. The host makes one: "
            "assigntask remote add --connect APP_ID",
        )
    if not text.startswith("ck_") or not text.isascii() or not text.isprintable() or " " in text:
        raise ServingError("key_wrong", "This is no connection key: it begins with ck_.")
    return text


async def _serve(
    app: InstalledApp, hosts: Sequence[str], taken: socket.socket, store: Path, wanted: Wanted, show: Show
) -> None:
    async with open_service(app, hosts, store, dev=wanted.dev) as service:
        config = uvicorn.Config(
            site(service),
            http="h11",  # which ends a head of a request that goes on and on
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            ws="none",
            timeout_graceful_shutdown=ENDING_SECONDS,
        )
        server = _Server(config)

        def stop() -> None:
            server.force_exit = server.should_exit
            server.should_exit = True

        with _stopped_by(stop):
            url = _url(wanted.listen, taken.getsockname()[1])
            dev = " --dev" if wanted.dev else ""
            register = f"assigntask remote add {shlex.quote(url)}{dev}"
            show(
                {**_facts(service, hosts, store), "url": url, "register": register},
                [f"Serving {app.id} at {url}. Stop with Ctrl-C.", f"On the host: {register}"],
            )
            await server.serve(sockets=[taken])


async def _connect(app: InstalledApp, host: str, key: str, store: Path, wanted: Wanted, show: Show) -> None:
    async with open_service(app, [host], store, dev=wanted.dev) as service:
        running = asyncio.ensure_future(Connector(service, host, key).run())
        with _stopped_by(running.cancel):
            show(
                {**_facts(service, [host], store), "connects_to": host},
                [f"Serving {app.id} to {host}, dialling in. Stop with Ctrl-C."],
            )
            await asyncio.wait([running])
        if not running.cancelled():
            running.result()


def _facts(service: Service, hosts: Sequence[str], store: Path) -> dict[str, Any]:
    return {
        "app": service.app.id,
        "version": service.manifest.version,
        "hosts": list(hosts),
        "store": str(store),
    }


class _Server(uvicorn.Server):
    """Signals are the process's own business: it has more to end than the listening."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextmanager
def _stopped_by(stop: Callable[[], object]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, stop)
    try:
        yield
    finally:
        for each in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(each)


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio sets TCP_NODELAY: without it an answer in two writes waits for 40 ms.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind((host, port))
            made.listen(128)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise ServingError(
                    "port_in_use", f"Something else has port {port}: choose another with --port."
                ) from error
            raise ServingError("address_unusable", f"{host}, port {port}, can't be used: {error.strerror}.") from error
        yield made


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _log(*, as_json: bool) -> None:
    """To stderr: JSON lines for programs, else lines for people. Other libraries only when something is wrong."""
    shown: list[structlog.typing.Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if as_json
        else [structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)]
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *shown,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, force=True)
