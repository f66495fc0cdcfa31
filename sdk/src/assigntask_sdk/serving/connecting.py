"""Dialling in to a host: its posts come as frames of a websocket, so the service needs no address of its own."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import structlog
from pydantic import ValidationError
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from ..wire import CONNECT_PATH, FRAME, FRAME_BYTES, AnswerFrame, CallFrame, Hello
from .hosts import ServingError
from .service import Service

FIRST_DELAY, LONGEST_DELAY = 1.0, 60.0
STEADY = 30.0
"""Seconds after which a connection counts as one that worked, so that the next delay is short again."""
PING_SECONDS = 20.0
CALLS_AT_ONCE = 100
ENDING_SECONDS = 5.0

log = structlog.get_logger(__name__)


class _Connect(connect):
    """Follows no redirects: the key is for one address alone."""

    def process_redirect(self, exc: Exception) -> Exception:
        return exc


def delays(random_part: Callable[[float, float], float] = random.uniform) -> Iterator[float]:
    """Seconds before each new attempt: doubled up to a minute, each between half and all of it."""
    longest = FIRST_DELAY
    while True:
        yield random_part(longest / 2, longest)
        longest = min(longest * 2, LONGEST_DELAY)


class Connector:
    """`host` is an origin; `key` is the connection key that the host gave out for this app."""

    def __init__(
        self, service: Service, host: str, key: str, *, delays: Callable[[], Iterator[float]] = delays
    ) -> None:
        self._service = service
        self._url = host.replace("http", "ws", 1) + CONNECT_PATH
        self._host = host
        self._key = key
        self._delays = delays
        self.connected = asyncio.Event()
        """Set while the host has been greeted."""

    async def run(self) -> None:
        """Until cancelled: calls that run then have five seconds. Raises ServingError `connection_refused`."""
        waits = self._delays()
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                async with self._greeted() as connection:
                    await self._answer_calls(connection)
                why = "closed"
            except InvalidStatus as error:
                status = error.response.status_code
                if status in (401, 403, 404):
                    raise _refused(self._host, status) from None
                why = f"status {status}"
            except (OSError, TimeoutError, InvalidHandshake, ConnectionClosed) as error:
                why = type(error).__name__
            if loop.time() - began > STEADY:
                waits = self._delays()
            wait = next(waits)
            log.warning("disconnected", host=self._host, why=why, again_in=round(wait, 1))
            await asyncio.sleep(wait)

    @asynccontextmanager
    async def _greeted(self) -> AsyncIterator[ClientConnection]:
        opened = _Connect(
            self._url,
            additional_headers={"Authorization": f"Bearer {self._key}"},
            max_size=FRAME_BYTES,
            ping_interval=PING_SECONDS,
            ping_timeout=PING_SECONDS,
            compression=None,  # what is secret and what others chose would share one window
            proxy=None,
        )
        async with opened as connection:
            await connection.send(Hello(manifest=self._service.manifest_bytes.decode("utf-8-sig")).model_dump_json())
            log.info("connected", host=self._host)
            self.connected.set()
            try:
                yield connection
            finally:
                self.connected.clear()

    async def _answer_calls(self, connection: ClientConnection) -> None:
        """Many at a time; further frames wait in the connection. Ends when the host closes it in order."""
        room = asyncio.Semaphore(CALLS_AT_ONCE)
        running: set[asyncio.Task[None]] = set()
        try:
            async for frame in connection:
                call = _call_in(frame)
                if call is None:
                    continue
                await room.acquire()
                task = asyncio.create_task(self._answer(connection, call))
                running.add(task)
                task.add_done_callback(running.discard)
                task.add_done_callback(lambda _: room.release())
        finally:
            await _end(running)

    async def _answer(self, connection: ClientConnection, call: CallFrame) -> None:
        reply = await self._service.post(call.path, call.headers, call.body.encode())
        answer = AnswerFrame(id=call.id, status=reply.status, body=reply.body.decode())
        try:
            await connection.send(answer.model_dump_json())
        except ConnectionClosed:
            return  # the host asks again, as after any answer that it did not get
        if reply.after is not None:
            await reply.after()


def _call_in(frame: str | bytes) -> CallFrame | None:
    """None for frames of a kind that this SDK does not know."""
    try:
        read = FRAME.validate_json(frame)
    except ValidationError:
        return None
    return read if isinstance(read, CallFrame) else None


async def _end(running: set[asyncio.Task[None]]) -> None:
    """Calls that run have a moment to end."""
    if not running:
        return
    _, late = await asyncio.wait(running, timeout=ENDING_SECONDS)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)


def _refused(host: str, status: int) -> ServingError:
    if status == 404:
        return ServingError("connection_refused", f"{host} takes no connections of apps: name another with --host.")
    return ServingError(
        "connection_refused",
        f"{host} does not know this connection key. Make a new one there: assigntask remote add --connect APP_ID",
    )
