"""Over a real socket: files go in pieces, while they are still being made."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn

from assigntask_sdk.client import Client, Token
from assigntask_sdk.errors import TryLater
from assigntask_sdk.records import AttachmentId, TaskId


class Host:
    """Takes a file, and gives one whose second half waits until `go_on` is set; then it may break off."""

    def __init__(self) -> None:
        self.arrived = asyncio.Event()
        self.go_on = asyncio.Event()
        self.breaks_off = False
        self.taken = b""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["method"] == "POST":
            await self._take(receive)
            await _said(send, 201, json.dumps({"id": "a"}).encode())
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"8")]})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        await self.go_on.wait()
        if not self.breaks_off:
            await send({"type": "http.response.body", "body": b"half"})

    async def _take(self, receive: Any) -> None:
        more = True
        while more:
            message = await receive()
            self.taken += message.get("body", b"")
            more = message.get("more_body", False)
            if self.taken:
                self.arrived.set()


async def _said(send: Any, status: int, body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def served() -> AsyncIterator[tuple[Host, Client]]:
    host = Host()
    config = uvicorn.Config(host, port=0, lifespan="off", ws="none", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0)
    port = server.servers[0].sockets[0].getsockname()[1]
    async with Client(f"http://127.0.0.1:{port}", Token("at_x")) as client:
        yield host, client
    server.should_exit = True
    await running


async def test_a_file_is_sent_while_it_is_made(served: tuple[Host, Client]) -> None:
    host, client = served

    async def content() -> AsyncIterator[bytes]:
        yield b"first"
        await asyncio.wait_for(host.arrived.wait(), 10)  # it would never come if the whole were waited for
        yield b"second"

    assert await client.attachments.add_file(TaskId("t"), "x", content(), key="k") == "a"
    assert host.taken == b"firstsecond"


async def test_a_file_is_read_while_it_comes(served: tuple[Host, Client]) -> None:
    host, client = served
    pieces = []
    async with asyncio.timeout(10):
        async for piece in client.attachments.content(AttachmentId("a")):
            pieces.append(piece)
            host.go_on.set()
    assert pieces == [b"half", b"half"]


async def test_half_a_file_is_not_taken_for_the_whole(served: tuple[Host, Client]) -> None:
    host, client = served
    host.breaks_off = True
    host.go_on.set()
    with pytest.raises(TryLater):
        b"".join([piece async for piece in client.attachments.content(AttachmentId("a"))])


async def test_a_file_that_is_not_wanted_any_more_frees_its_connection(served: tuple[Host, Client]) -> None:
    host, client = served
    pieces = client.attachments.content(AttachmentId("a"))
    assert await anext(pieces) == b"half"
    await pieces.aclose()  # type: ignore[attr-defined]
    host.go_on.set()
    assert len([piece async for piece in client.attachments.content(AttachmentId("a"))]) > 0
