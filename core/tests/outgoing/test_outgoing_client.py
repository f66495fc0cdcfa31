"""The client: it connects to the very address that was judged. Nothing here leaves the loopback."""

from __future__ import annotations

import asyncio
import datetime as dt
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from assigntask.errors import HostError
from assigntask.outgoing.client import Outgoing
from assigntask.settings import LOOPBACK_NETWORKS

pytestmark = pytest.mark.timeout(30)

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Names(AbstractResolver):
    """Answers from a list, one after the other, the last for ever, and remembers what it was asked."""

    def __init__(self, **names: list[list[str]]) -> None:
        self.names = {name.replace("_", "."): list(answers) for name, answers in names.items()}
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        answers = self.names[host]
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        return [
            {"hostname": host, "host": each, "port": port, "family": family, "proto": 0, "flags": 0} for each in found
        ]

    async def close(self) -> None:
        return


class Sockets:
    """Makes sockets for the loopback only; for others it writes down who would have been asked."""

    def __init__(self) -> None:
        self.wanted: list[str] = []

    def __call__(self, info: Any) -> socket.socket:
        address = str(info[4][0])
        self.wanted.append(address)
        if address not in ("127.0.0.1", "::1"):
            raise OSError("nothing leaves this machine")
        return socket.socket(info[0], info[1], info[2])


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(answer: bytes | Serve) -> AsyncIterator[int]:
    """A server on the loopback that answers every request with these bytes; its port."""
    requests: list[bytes] = []

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if isinstance(answer, bytes):
                requests.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(answer)
                await writer.drain()
            else:
                await answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(one, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def code(asking: Awaitable[Any]) -> str:
    with pytest.raises(HostError) as failed:
        await asking
    return failed.value.code


async def test_what_a_server_on_an_allowed_address_answers_is_given_back() -> None:
    async with serving(OK) as port, Outgoing(LOOPBACK_NETWORKS) as outgoing:
        fetched = await outgoing.get(f"http://127.0.0.1:{port}/app.toml")
    assert (fetched.status, fetched.body, fetched.headers["content-length"]) == (200, b"ok", "2")


async def test_this_machine_is_refused_and_the_error_names_dev() -> None:
    async with Outgoing() as outgoing:
        for url in ("http://127.0.0.1:1/", "https://127.0.0.1:1/", "http://[::1]:1/"):
            with pytest.raises(HostError) as refused:
                await outgoing.get(url)
            assert refused.value.code == "outgoing_refused"
            assert "--dev" in refused.value.message


async def test_a_private_network_is_refused_and_the_error_names_the_setting() -> None:
    sockets = Sockets()
    names = Names(inside_example=[["10.1.2.3"]])
    async with Outgoing(resolver=names, make_socket=sockets) as outgoing:
        for url in ("https://10.1.2.3/", "https://inside.example/"):
            with pytest.raises(HostError) as refused:
                await outgoing.get(url)
            assert refused.value.code == "outgoing_refused"
            assert "ASSIGNTASK_OUTGOING_ALLOW=10.1.2.3/32" in refused.value.message
    assert sockets.wanted == []


async def test_one_bad_address_among_good_ones_is_enough_to_refuse() -> None:
    sockets = Sockets()
    names = Names(mixed_example=[["93.184.216.34", "169.254.169.254"]])
    async with Outgoing(resolver=names, make_socket=sockets) as outgoing:
        assert await code(outgoing.get("https://mixed.example/")) == "outgoing_refused"
    assert sockets.wanted == []


async def test_a_public_address_is_connected_to_as_it_was_judged() -> None:
    sockets = Sockets()
    names = Names(app_example=[["93.184.216.34"], ["127.0.0.1"]])
    async with Outgoing(resolver=names, make_socket=sockets) as outgoing:
        assert await code(outgoing.get("https://app.example/")) == "outgoing_failed"
    assert names.asked == ["app.example"]  # asked once: there is no second answer that could differ
    assert sockets.wanted == ["93.184.216.34"]


async def test_a_name_that_comes_to_mean_this_machine_is_refused_then() -> None:
    sockets = Sockets()
    names = Names(app_example=[["93.184.216.34"], ["127.0.0.1"]])
    async with Outgoing(resolver=names, make_socket=sockets) as outgoing:
        await code(outgoing.get("https://app.example/"))
        assert await code(outgoing.get("https://app.example/")) == "outgoing_refused"
    assert "127.0.0.1" not in sockets.wanted


async def test_without_tls_nothing_but_this_machine_is_asked_whatever_is_allowed() -> None:
    sockets = Sockets()
    names = Names(app_example=[["93.184.216.34"]], inside_example=[["10.1.2.3"]])
    allow = ("10.0.0.0/8", *LOOPBACK_NETWORKS)
    async with Outgoing(allow, resolver=names, make_socket=sockets) as outgoing:
        for url in ("http://app.example/", "http://inside.example/", "http://10.1.2.3/", "http://8.8.8.8/"):
            with pytest.raises(HostError, match="https://") as refused:
                await outgoing.get(url)
            assert refused.value.code == "outgoing_refused"
    assert sockets.wanted == []


async def test_a_redirect_is_not_followed() -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    async with serving(moved) as port, Outgoing(LOOPBACK_NETWORKS) as outgoing:
        url = f"http://127.0.0.1:{port}/"
        assert await code(outgoing.get(url)) == "outgoing_failed"
        assert (await outgoing.post(url, b"{}", headers={})).status == 302


@pytest.mark.parametrize("length", [b"Content-Length: 5000\r\n", b""])
async def test_an_answer_over_the_limit_is_not_read_to_its_end(length: bytes) -> None:
    long = b"HTTP/1.1 200 OK\r\n" + length + b"\r\n" + b"x" * 5000
    async with serving(long) as port, Outgoing(LOOPBACK_NETWORKS) as outgoing:
        url = f"http://127.0.0.1:{port}/"
        assert await code(outgoing.get(url, limit_bytes=4999)) == "outgoing_too_large"
        assert len((await outgoing.get(url, limit_bytes=5000)).body) == 5000


async def test_a_compressed_answer_is_refused_unread() -> None:
    packed = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"
    async with serving(packed) as port, Outgoing(LOOPBACK_NETWORKS) as outgoing:
        assert await code(outgoing.get(f"http://127.0.0.1:{port}/")) == "outgoing_failed"


async def test_an_answer_that_does_not_come_or_does_not_end_is_given_up() -> None:
    begun = asyncio.Event()

    async def drips(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx")
        await writer.drain()
        begun.set()
        await reader.read()  # until the other side gives up

    async with serving(drips) as port, Outgoing(LOOPBACK_NETWORKS) as outgoing:
        assert await code(outgoing.get(f"http://127.0.0.1:{port}/", timeout=0.2)) == "outgoing_timeout"
    assert begun.is_set()


@pytest.mark.parametrize("answer", [b"", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx"])
async def test_what_is_no_answer_is_an_error_and_none_of_it_is_repeated(answer: bytes) -> None:
    async with serving(answer) as port, Outgoing(LOOPBACK_NETWORKS) as outgoing:
        with pytest.raises(HostError) as failed:
            await outgoing.get(f"http://127.0.0.1:{port}/?secret=hidden")
    assert failed.value.code == "outgoing_failed"
    assert "hidden" not in str(failed.value) and "garbage" not in str(failed.value)
    assert failed.value.__cause__ is None and failed.value.__suppress_context__


async def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with serving(OK) as port, Outgoing(LOOPBACK_NETWORKS) as outgoing:
        assert (await outgoing.get(f"http://127.0.0.1:{port}/")).body == b"ok"


async def test_cookies_are_not_kept() -> None:
    seen: list[bytes] = []

    async def bakes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            seen.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()

    async with serving(bakes) as port, Outgoing(LOOPBACK_NETWORKS) as outgoing:
        for _ in range(2):
            await outgoing.get(f"http://127.0.0.1:{port}/")
    assert len(seen) == 2
    assert b"cookie" not in seen[1].lower()
    assert b"accept-encoding: identity" in seen[0].lower()


async def test_a_server_that_can_t_prove_its_name_is_not_asked(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "app.example")])
    now = dt.datetime.now(dt.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=1))
    both = tmp_path / "server.pem"
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    both.write_bytes(
        key.private_bytes(*plain) + made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    asked: list[bytes] = []

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))

    server = await asyncio.start_server(one, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    async with Outgoing(LOOPBACK_NETWORKS, resolver=Names(app_example=[["127.0.0.1"]])) as outgoing:
        assert await code(outgoing.get(f"https://app.example:{port}/")) == "outgoing_failed"
    server.close()
    assert asked == []
