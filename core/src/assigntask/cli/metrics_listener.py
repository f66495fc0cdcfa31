"""`--metrics HOST:PORT`: a listener of its own for monitors, so that the public port never has the metrics."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
import uvicorn

from assigntask.app import Platform
from assigntask.cli.sockets import config_of, taken_at, url_of
from assigntask.metrics.meter import SILENT, Meter
from assigntask.settings import place_of

if TYPE_CHECKING:
    from assigntask.metrics.prometheus import PrometheusMeter

MetricsOption = Annotated[
    str | None,
    typer.Option(
        "--metrics",
        metavar="HOST:PORT",
        envvar="ASSIGNTASK_METRICS",
        help="Where monitors find /metrics, such as 127.0.0.1:9090. Without it nothing is measured.",
        show_default=False,
        show_envvar=False,
    ),
]


class MetricsListener:
    """`meter` is to be given to `Platform.open`. Without a socket it measures nothing, and answers nobody."""

    def __init__(self, taken: socket.socket | None) -> None:
        self._taken = taken
        self._kept: PrometheusMeter | None = None
        if taken is not None:
            from assigntask.metrics.prometheus import PrometheusMeter  # noqa: PLC0415 - for those who measure

            self._kept = PrometheusMeter()

    @property
    def meter(self) -> Meter:
        return SILENT if self._kept is None else self._kept

    @property
    def url(self) -> str | None:
        if self._taken is None:
            return None
        host, port, *_ = self._taken.getsockname()
        return f"{url_of(host, port)}/metrics"

    @asynccontextmanager
    async def answering(self, platform: Platform) -> AsyncIterator[None]:
        if self._taken is None or self._kept is None:
            yield
            return
        from assigntask.metrics.page import MetricsPage  # noqa: PLC0415 - as above

        server = _Server(config_of(MetricsPage(self._kept, platform.standing)))
        answers = asyncio.create_task(server.serve(sockets=[self._taken]), name="metrics")
        try:
            yield
        finally:
            server.should_exit = True
            await answers


class _Server(uvicorn.Server):
    """It ends with the process that it tells of: signals are not its business."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextmanager
def metrics_at(place: str | None) -> Iterator[MetricsListener]:
    """`place`: HOST:PORT. Raises HostError `setting_invalid`, `port_in_use`, `address_unusable`."""
    if not place:
        yield MetricsListener(None)
        return
    with taken_at(*place_of(place), option="--metrics") as taken:
        yield MetricsListener(taken)
