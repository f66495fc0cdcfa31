"""`assigntask serve`: the pages, and what waits for apps, until somebody stops it."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
import uvicorn
from starlette.applications import Starlette

from assigntask.app import Platform
from assigntask.cli.command import call_of
from assigntask.cli.opening import Answer, Call, opened, quieten_logs, require_database, show
from assigntask.cli.options import DatabaseOption, DataOption, JsonOption
from assigntask.cli.page import Page
from assigntask.cli.program import program
from assigntask.errors import HostError
from assigntask.web.site import LOOPBACK

cli = typer.Typer()

PortOption = Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")]
Ready = Callable[[Platform, str], Awaitable[Answer]]
"""Called once connections are taken: the host and its address → what to print."""


@cli.command("serve")
def serve(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="The address to serve at, on this machine.")] = "127.0.0.1",
    port: PortOption = 8000,
    data: DataOption = None,
    json_output: JsonOption = False,
    database: DatabaseOption = None,
) -> None:
    """Serve the pages, deliver what apps are waiting for, seal the ledger and sweep, until Ctrl-C."""
    call = call_of(context)
    call = Call(call.as_json, call.database, data)

    async def ready(platform: Platform, url: str) -> Answer:
        def write(page: Page) -> None:
            page.line(f"Serving at {url}. Stop with Ctrl-C.")

        return Answer({"url": url, "database": platform.db.dialect}, write)

    with listening(host, port) as taken:
        require_database(call.settings().database)
        serve_at(taken, host, call, ready)


def serve_at(taken: socket.socket, host: str, call: Call, ready: Ready) -> None:
    quieten_logs(serving=True)
    asyncio.run(_serve(taken, host, call, ready))


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that takes connections. Raises HostError `not_loopback`, `port_in_use`, `address_unusable`."""
    if not is_loopback(host):
        raise HostError(
            "not_loopback",
            f"{host} can be reached from elsewhere, and the pages have no sign-in yet. Serve at 127.0.0.1, and put "
            "a proxy that asks who is there before it.",
            host=host,
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind((host, port))
            made.listen(128)
        except OSError as error:
            raise _unusable(host, port, error) from error
        yield made


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _unusable(host: str, port: int, error: OSError) -> HostError:
    if error.errno == errno.EADDRINUSE:
        return HostError(
            "port_in_use",
            f"Something else on this machine has port {port}. Stop it, or choose another with --port, "
            "for example --port 8001.",
            port=port,
        )
    return HostError(
        "address_unusable", f"{host}, port {port}, can't be used: {error.strerror}. Choose another.", port=port
    )


class _Server(uvicorn.Server):
    """Signals are the host's own business: it has more to end than the pages."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve(taken: socket.socket, host: str, call: Call, ready: Ready) -> None:
    async with opened(call.settings()) as platform:
        with _until_stopped(platform.site((*LOOPBACK, host), program())) as server:
            answer = await ready(platform, _url(host, taken.getsockname()[1]))
            await platform.start()
            show(answer, as_json=call.as_json)
            await server.serve(sockets=[taken])


@contextmanager
def _until_stopped(site: Starlette) -> Iterator[_Server]:
    """The first SIGINT or SIGTERM ends it in order, the second at once."""
    config = uvicorn.Config(
        site, lifespan="off", access_log=False, log_config=None, server_header=False, timeout_graceful_shutdown=5
    )
    server = _Server(config)

    def stop() -> None:
        server.force_exit = server.should_exit
        server.should_exit = True

    loop = asyncio.get_running_loop()
    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, stop)
    try:
        yield server
    finally:
        for each in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(each)


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
