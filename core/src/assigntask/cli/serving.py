"""`assigntask serve`: the pages, and what waits for apps, until somebody stops it."""

from __future__ import annotations

import asyncio
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
from assigntask.cli.logs import quieten_logs
from assigntask.cli.metrics_listener import MetricsListener, MetricsOption, metrics_at
from assigntask.cli.opening import Answer, Call, opened, require_database, show
from assigntask.cli.options import DatabaseOption, DataOption, DevOption, JsonOption
from assigntask.cli.page import Page
from assigntask.cli.program import program
from assigntask.cli.sockets import config_of, listening, url_of
from assigntask.errors import HostError
from assigntask.web.security import hostname
from assigntask.web.site import LOOPBACK

cli = typer.Typer()

NoWorkOption = Annotated[
    bool,
    typer.Option("--no-work", help="On PostgreSQL: leave what is no answer to somebody to `assigntask work`."),
]
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
    metrics: MetricsOption = None,
    no_work: NoWorkOption = False,
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
            if monitored.url is not None:
                page.line(f"Metrics are at {monitored.url}.")

        where = {"url": url, "public_url": public, "metrics_url": monitored.url}
        return Answer({**where, "database": platform.db.dialect}, write)

    settings = call.settings()
    if no_work and settings.database.startswith("sqlite:"):
        raise HostError(
            "work_needed",
            "On SQLite one process does everything, so nobody would deliver what apps wait for: leave out --no-work.",
        )
    with listening(host, port, public=settings.url.startswith("https:")) as taken, metrics_at(metrics) as monitored:
        require_database(settings.database)
        serve_at(taken, host, call, ready, monitored, works=not no_work)


def serve_at(
    taken: socket.socket,
    host: str,
    call: Call,
    ready: Ready,
    monitored: MetricsListener | None = None,
    *,
    works: bool = True,
) -> None:
    quieten_logs(serving=True)
    uvloop.run(_serve(taken, host, call, ready, monitored or MetricsListener(None), works=works))


class _Server(uvicorn.Server):
    """Signals are the host's own business: it has more to end than the pages."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve(
    taken: socket.socket, host: str, call: Call, ready: Ready, monitored: MetricsListener, *, works: bool
) -> None:
    url, settings = url_of(host, taken.getsockname()[1]), call.settings()
    hosts = [*LOOPBACK, host, *([hostname(urlsplit(settings.url).netloc)] if settings.url else [])]
    settings = replace(settings, url=settings.url or url)
    async with opened(settings, monitored.meter) as platform, monitored.answering(platform):
        with until_stopped(platform.site(hosts, program())) as server:
            answer = await ready(platform, url)
            await platform.start(works=works)
            show(answer, as_json=call.as_json)
            await server.serve(sockets=[taken])


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
