"""What comes before anybody has looked at a request: so much, for so long."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn

from assigntask.cli import heads
from assigntask.cli.sockets import config_of

pytestmark = pytest.mark.timeout(20)

GET = b"GET / HTTP/1.1\r\nhost: x\r\n"


async def hello(scope: Any, receive: Any, send: Any) -> None:
    size = 0
    more = True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    body = f"{size}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def address() -> AsyncIterator[tuple[str, int]]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server = uvicorn.Server(config_of(hello))
        running = asyncio.create_task(server._serve(sockets=[taken]))
        yield taken.getsockname()
        server.should_exit = True
        await running


async def test_a_head_that_does_not_end_is_cut_off(address: tuple[str, int]) -> None:
    _, writer = await asyncio.open_connection(*address)
    writer.write(GET)
    with pytest.raises(ConnectionError):
        for _ in range(4000):  # 32 MB: far more than what lies in buffers on the way
            writer.write(b"x-more: " + b"a" * 8000 + b"\r\n")
            await writer.drain()
    writer.close()


async def test_a_head_that_is_too_long_is_refused_in_words(address: tuple[str, int]) -> None:
    reader, writer = await asyncio.open_connection(*address)
    writer.write(GET + b"x-more: " + b"a" * heads.HEAD_BYTES)
    assert (await reader.read()).startswith(b"HTTP/1.1 400")
    writer.close()


async def test_who_begins_and_does_not_go_on_is_hung_up_on(
    address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heads, "HEAD_SECONDS", 0.02)
    for begun in (b"", GET):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(begun)
        assert await reader.read() == b""
        writer.close()


async def test_what_follows_the_head_counts_for_the_next_one_only_once_it_begins(address: tuple[str, int]) -> None:
    reader, writer = await asyncio.open_connection(*address)
    body = b"b" * (3 * heads.HEAD_BYTES)
    for _ in range(3):
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body))
        for start in range(0, len(body), 10_000):
            writer.write(body[start : start + 10_000])
            await writer.drain()
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200")
        assert await reader.readexactly(len(str(len(body)))) == str(len(body)).encode()
    writer.close()
