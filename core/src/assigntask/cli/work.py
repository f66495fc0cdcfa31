"""`assigntask work`: what waits for apps, the ledger and the sweep, without pages; as many processes as are wanted."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated

import typer
import uvloop

from assigntask.cli.command import call_of
from assigntask.cli.logs import quieten_logs
from assigntask.cli.metrics_listener import MetricsListener, MetricsOption, metrics_at
from assigntask.cli.opening import Answer, Call, opened, show
from assigntask.cli.options import DatabaseOption, DataOption, DevOption, JsonOption
from assigntask.cli.page import Page
from assigntask.errors import HostError
from assigntask.settings import Settings

cli = typer.Typer()

MOST = 1000


@cli.command("work")
def work(
    context: typer.Context,
    concurrency: Annotated[
        int, typer.Option(min=1, max=MOST, help="How many installations are told beside each other.")
    ] = 64,
    data: DataOption = None,
    dev: DevOption = False,
    metrics: MetricsOption = None,
    json_output: JsonOption = False,
    database: DatabaseOption = None,
) -> None:
    """Deliver what apps are waiting for, seal the ledger and sweep, without pages, until Ctrl-C. For PostgreSQL."""
    call = call_of(context)
    call = Call(call.as_json, call.database, data, dev)
    settings = replace(call.settings(), lines=concurrency)
    _check(settings)
    with metrics_at(metrics) as monitored:
        quieten_logs(serving=True)
        uvloop.run(_work(settings, call, monitored))


def _check(settings: Settings) -> None:
    """Raises HostError `work_needs_postgresql`, `address_needed`."""
    if settings.database.startswith("sqlite:"):
        raise HostError(
            "work_needs_postgresql",
            "On SQLite `assigntask serve` does all the work itself, in one process: there is nothing for another one. "
            "Name a PostgreSQL database with --database or ASSIGNTASK_DATABASE to share it.",
        )
    if not settings.url:
        raise HostError(
            "address_needed",
            "This process calls remote apps, and has to tell them where the host is: set ASSIGNTASK_URL to the address "
            "that `assigntask serve` has.",
        )


async def _work(settings: Settings, call: Call, monitored: MetricsListener) -> None:
    with told_to_stop() as stop:
        async with opened(settings, monitored.meter) as platform, monitored.answering(platform):
            await platform.start()
            show(_answer(settings, platform.db.dialect, monitored.url), as_json=call.as_json)
            await stop.wait()


def _answer(settings: Settings, dialect: str, metrics_url: str | None) -> Answer:
    def write(page: Page) -> None:
        page.line(f"Working for {settings.url}, {settings.lines} installations at once. Stop with Ctrl-C.")
        if metrics_url is not None:
            page.line(f"Metrics are at {metrics_url}.")

    facts = {"public_url": settings.url, "concurrency": settings.lines, "metrics_url": metrics_url, "database": dialect}
    return Answer(facts, write)


@contextmanager
def told_to_stop() -> Iterator[asyncio.Event]:
    """Set by the first SIGINT or SIGTERM; the second has its usual effect, and ends the process at once."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def end() -> None:
        stop.set()
        for each in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(each)

    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, end)
    try:
        yield stop
    finally:
        end()
