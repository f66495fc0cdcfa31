"""The one way out for the host's own requests: each address is judged at the moment of connecting to it.

A name is looked up once, by us, and the connection goes to the very address that was judged; whoever changes what
the name means in between changes nothing. No proxy of the environment, no cookies, no redirects, no compression.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from assigntask.errors import HostError
from assigntask.settings import LOOPBACK_NETWORKS

from .guard import Target, is_loopback, needs_tls, refused, target, why_denied

CONNECTIONS = 100
PER_HOST = 20
LIMIT_BYTES = 256 * 1024
TIMEOUT_SECONDS = 10.0
EXCUSE_BYTES = 2 * 1024
"""Of an answer that is no success nobody reads more than its first words."""
EXCUSE_SECONDS = 2.0
KEPT_SECONDS = 4.0
"""How long an idle connection is kept: less than servers keep theirs, so that we don't ask down a closed one."""
_CHUNK = 64 * 1024
_HEADERS = {"User-Agent": "AssignTask", "Accept-Encoding": "identity"}

MakeSocket = Callable[[Any], socket.socket]
"""Makes the socket for one address (family, type, protocol, name, address)."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What was answered. `headers` by lower-case name. Where `status` is 300 or more, `body` is its beginning."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Denied(OSError):
    """An address that is not to be connected to. It travels through aiohttp as an error of the connection."""

    def __init__(self, address: str, what: str) -> None:
        super().__init__(what)
        self.address, self.what = address, what


class Outgoing:
    """Belongs to the event loop in which it is used first; `close` at the end.

    `allow`: networks that may be reached although they are not public. `resolver` and `make_socket` stand in for the
    system's in tests. Errors are HostError `outgoing_refused`, `outgoing_failed`, `outgoing_timeout`,
    `outgoing_too_large`; none repeats what was sent or answered. The fact `connected` of `outgoing_failed` says whether
    anything may have been sent, the fact `status` of `outgoing_too_large` what the answer began with.
    """

    def __init__(
        self,
        allow: Sequence[str] = (),
        resolver: AbstractResolver | None = None,
        make_socket: MakeSocket | None = None,
    ) -> None:
        self._allow = tuple(allow)
        self._resolver = resolver
        self._make_socket = make_socket or _socket
        self._sessions: dict[bool, aiohttp.ClientSession] = {}
        self._here: Outgoing | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        sessions, self._sessions = list(self._sessions.values()), {}
        for session in sessions:
            await session.close()
        here, self._here = self._here, None
        if here is not None:
            await here.close()

    def on_this_machine(self) -> Outgoing:
        """For addresses that the operator named with --dev: reaches the loopback, and nothing else that is private."""
        if self._here is None:
            self._here = Outgoing(LOOPBACK_NETWORKS, self._resolver, self._make_socket)
        return self._here

    def allow_this_machine(self) -> None:
        """For development: from now on the loopback may be asked, also without TLS."""
        self._allow = tuple(dict.fromkeys((*self._allow, *LOOPBACK_NETWORKS)))

    async def get(self, url: str, *, limit_bytes: int = LIMIT_BYTES, timeout: float = TIMEOUT_SECONDS) -> Fetched:  # noqa: ASYNC109
        """`timeout` in seconds, over all. Anything but status 200 raises `outgoing_failed`."""
        fetched = await self._ask("GET", url, {}, None, limit_bytes, timeout)
        if fetched.status != 200:
            raise _failed(target(url), f"it answered with status {fetched.status}")
        return fetched

    async def post(
        self,
        url: str,
        body: bytes,
        *,
        headers: Mapping[str, str],
        limit_bytes: int = LIMIT_BYTES,
        timeout: float = TIMEOUT_SECONDS,  # noqa: ASYNC109 - one limit for looking up, connecting, sending, reading
    ) -> Fetched:
        """The answer, whatever its status. `timeout` in seconds, over all."""
        return await self._ask("POST", url, headers, body, limit_bytes, timeout)

    async def _ask(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, limit_bytes: int, seconds: float
    ) -> Fetched:
        asked = target(url)
        if asked.literal is not None:
            self._judge(asked, str(asked.literal))
        session = self._session(asked.plain)
        try:
            async with (
                asyncio.timeout(seconds),
                session.request(method, asked.url, headers=headers, data=body, allow_redirects=False) as answer,
            ):
                return await _read(answer, asked, limit_bytes)
        except TimeoutError:
            raise HostError(
                "outgoing_timeout",
                f"{asked.host} did not answer within {seconds:g} seconds. Try again later.",
                host=asked.host,
            ) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            denied = next((each for each in _chain(error) if isinstance(each, Denied)), None)
            if denied is not None:
                raise self._refusal(asked, denied.address, denied.what) from None
            # The causes may hold the whole address, and with it what is secret in it.
            connected = isinstance(error, aiohttp.ClientError) and not isinstance(error, aiohttp.ClientConnectorError)
            raise _failed(asked, f"the connection failed ({type(error).__name__})", connected) from None

    def _session(self, plain: bool) -> aiohttp.ClientSession:
        session = self._sessions.get(plain)
        if session is None:
            connector = aiohttp.TCPConnector(
                limit=CONNECTIONS,
                limit_per_host=PER_HOST,
                keepalive_timeout=KEPT_SECONDS,
                use_dns_cache=False,
                resolver=_Resolver(self._resolver or aiohttp.ThreadedResolver(), partial(self._require, plain=plain)),
                socket_factory=self._guarded(plain),
            )
            session = self._sessions[plain] = aiohttp.ClientSession(
                connector=connector,
                headers=_HEADERS,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                timeout=aiohttp.ClientTimeout(total=None),  # it is ours, around everything
            )
        return session

    def _guarded(self, plain: bool) -> MakeSocket:
        def make(info: Any) -> socket.socket:
            self._require(str(info[4][0]), plain=plain)
            return self._make_socket(info)

        return make

    def _require(self, address: str, *, plain: bool) -> None:
        """Raises Denied. Without TLS nothing but this machine is asked."""
        what = why_denied(address, self._allow)
        if what is None and plain and not is_loopback(address):
            what = "a network"
        if what is not None:
            raise Denied(address, what)

    def _judge(self, asked: Target, address: str) -> None:
        try:
            self._require(address, plain=asked.plain)
        except Denied as denied:
            raise self._refusal(asked, denied.address, denied.what) from None

    def _refusal(self, asked: Target, address: str, what: str) -> HostError:
        if asked.plain and not is_loopback(address):
            return needs_tls(asked)
        return refused(asked, address, what, self._allow)


class _Resolver(AbstractResolver):
    """Another resolver, whose answer counts only where every address in it may be reached."""

    def __init__(self, inner: AbstractResolver, require: Callable[[str], None]) -> None:
        self._inner, self._require = inner, require

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if not found:
            raise OSError("no address")
        for each in found:
            self._require(each["host"])
        return found

    async def close(self) -> None:
        await self._inner.close()


async def _read(answer: aiohttp.ClientResponse, asked: Target, limit_bytes: int) -> Fetched:
    compressed = answer.headers.get("Content-Encoding", "identity").lower() != "identity"
    headers = {name.lower(): value for name, value in answer.headers.items()}
    if answer.status >= 300:
        return Fetched(answer.status, headers, b"" if compressed else await _beginning(answer))
    if compressed:
        raise _failed(asked, "it answered compressed, which it was not asked to")
    body = bytearray()
    async for chunk in answer.content.iter_chunked(_CHUNK):
        body += chunk
        if len(body) > limit_bytes:
            answer.close()
            raise HostError(
                "outgoing_too_large",
                f"{asked.host} answered more than {limit_bytes} bytes.",
                host=asked.host,
                status=answer.status,
            )
    return Fetched(answer.status, headers, bytes(body))


async def _beginning(answer: aiohttp.ClientResponse) -> bytes:
    """The status is what counts: where the body ends too early, or does not end, what came of it will do."""
    body = bytearray()
    with suppress(aiohttp.ClientError, OSError, TimeoutError):
        async with asyncio.timeout(EXCUSE_SECONDS):
            async for chunk in answer.content.iter_chunked(EXCUSE_BYTES):
                body += chunk
                if len(body) >= EXCUSE_BYTES:
                    break
    if not answer.content.at_eof():
        answer.close()
    return bytes(body[:EXCUSE_BYTES])


def _failed(asked: Target, why: str, connected: bool = True) -> HostError:
    return HostError("outgoing_failed", f"{asked.host} can't be asked: {why}.", host=asked.host, connected=connected)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        inner = getattr(error, "os_error", None)
        error = inner if isinstance(inner, BaseException) and inner is not error else error.__cause__


def _socket(info: Any) -> socket.socket:
    return socket.socket(family=info[0], type=info[1], proto=info[2])
