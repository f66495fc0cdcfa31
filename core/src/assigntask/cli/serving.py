"""`assigntask serve`: the pages, and what waits for apps, until somebody stops it."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated
from urllib.parse import urlsplit

import typer
import uvicorn
import uvloop
from starlette.types import ASGIApp

from assigntask.app import Platform
from assigntask.cli.command import call_of
from assigntask.cli.heads import BoundedHttp
from assigntask.cli.opening import Answer, Call, opened, quieten_logs, require_database, show
from assigntask.cli.options import DatabaseOption, DataOption, DevOption, JsonOption
from assigntask.cli.page import Page
from assigntask.cli.program import program
from assigntask.errors import HostError
from assigntask.web.security import hostname
from assigntask.web.site import LOOPBACK
from assigntask_sdk.wire import FRAME_BYTES

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
    dev: DevOption = False,
    json_output: JsonOption = False,
    database: DatabaseOption = None,
) -> None:
    """Serve the pages, deliver what apps are waiting for, seal the ledger and sweep, until Ctrl-C."""
    call = call_of(context)
    call = Call(call.as_json, call.database, data, dev)

    async def ready(platform: Platform, url: str) -> Answer:
        public = platform.settings.url

        def write(page: Page) -> None:
            page.line(f"Serving at {url}{f', for {public}' if public != url else ''}. Stop with Ctrl-C.")

        return Answer({"url": url, "public_url": public, "database": platform.db.dialect}, write)

    settings = call.settings()
    with listening(host, port, public=settings.url.startswith("https:")) as taken:
        require_database(settings.database)
        serve_at(taken, host, call, ready)


def serve_at(taken: socket.socket, host: str, call: Call, ready: Ready) -> None:
    quieten_logs(serving=True)
    uvloop.run(_serve(taken, host, call, ready))


@contextmanager
def listening(host: str, port: int, *, public: bool = False) -> Iterator[socket.socket]:
    """A socket that takes connections. `public`: people come over https, so that nobody is let in without signing in.

    Raises HostError `not_loopback`, `port_in_use`, `address_unusable`.
    """
    if not (public or is_loopback(host)):
        raise HostError(
            "not_loopback",
            f"{host} can be reached from elsewhere, where others read what is sent. Set ASSIGNTASK_URL to the "
            "https address that people come to, with a proxy there that ends TLS; or serve at 127.0.0.1.",
            host=host,
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio sets TCP_NODELAY: without it an answer in two writes waits for 40 ms.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as made:
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
    url, settings = url_of(host, taken.getsockname()[1]), call.settings()
    hosts = [*LOOPBACK, host, *([hostname(urlsplit(settings.url).netloc)] if settings.url else [])]
    async with opened(replace(settings, url=settings.url or url)) as platform:
        with until_stopped(platform.site(hosts, program())) as server:
            answer = await ready(platform, url)
            await platform.start()
            show(answer, as_json=call.as_json)
            await server.serve(sockets=[taken])


def config_of(site: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        site,
        loop="none",  # the one that runs already
        http=BoundedHttp,
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=5,
        ws="websockets-sansio",  # apps that dial in; it pings them, so that a dead line is noticed
        ws_max_size=FRAME_BYTES,
        ws_per_message_deflate=False,  # what is secret and what others chose would share one window
    )


@contextmanager
def until_stopped(site: ASGIApp) -> Iterator[_Server]:
    """The first SIGINT or SIGTERM ends it in order, the second at once."""
    server = _Server(config_of(site))

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


def url_of(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
