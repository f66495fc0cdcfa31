"""Answers, built wholly before the status line, and sent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import to_json
from starlette.types import Send

from assigntask_sdk.records import Record

from .problems import Problem

Header = tuple[bytes, bytes]

JSON: Header = (b"content-type", b"application/json")
PROBLEM: Header = (b"content-type", b"application/problem+json")
NO_STORE: Header = (b"cache-control", b"no-store")
REVALIDATE: Header = (b"cache-control", b"private, no-cache")
NOSNIFF: Header = (b"x-content-type-options", b"nosniff")


@dataclass(slots=True)
class Reply:
    """`value`: what the body says, where it is kept to be said again; else `body` is all there is."""

    status: int
    body: bytes = b""
    headers: list[Header] = field(default_factory=list)
    value: Any = None
    stream: AsyncIterator[bytes] | None = None
    cache: Header = NO_STORE


def said(value: Any, status: int = 200, *headers: Header) -> Reply:
    return Reply(status, to_json(value), [JSON, *headers], value)


def record(found: Record) -> Reply:
    return Reply(200, to_json(found.to_json()), [JSON])


def page(found: Iterable[Record], following: str | None) -> Reply:
    return Reply(200, to_json({"items": [each.to_json() for each in found], "next": following}), [JSON])


def items(found: Sequence[Any], following: str | None = None) -> Reply:
    """Of what is no record: dataclasses, and JSON as it is."""
    return Reply(200, to_json({"items": found, "next": following}), [JSON])


def created(id: str, *, location: str | None = None, version: int | None = None) -> Reply:
    """No details: it may be said again for a day, whatever is withheld by then."""
    value: dict[str, Any] = {"id": id} if version is None else {"id": id, "version": version}
    headers = [] if location is None else [(b"location", location.encode())]
    return said(value, 201, *headers)


def nothing() -> Reply:
    return Reply(204)


def tagged(reply: Reply, tag: str) -> Reply:
    reply.headers.append((b"etag", f'"{tag}"'.encode()))
    reply.cache = REVALIDATE
    return reply


def not_modified(tag: str) -> Reply:
    return tagged(Reply(304), tag)


def told(problem: Problem, base: str) -> Reply:
    return Reply(problem.status, to_json(problem.to_json(base)), [PROBLEM, *problem.headers])


async def begun(reply: Reply) -> Reply:
    """Waits for the first piece of a stream: what fails before it still has a status."""
    if reply.stream is not None:
        reply.body = await anext(reply.stream, b"")
    return reply


async def send_reply(send: Send, reply: Reply, more: Sequence[Header] = (), *, head: bool = False) -> None:
    """Sends what was built. `head`: without the body. Raises Cut where a stream must not go on: it stays unfinished."""
    headers = [*reply.headers, reply.cache, NOSNIFF, *more]
    if reply.stream is None and reply.status not in (204, 304):
        headers.append((b"content-length", b"%d" % len(reply.body)))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    if reply.stream is None or head:
        await send({"type": "http.response.body", "body": b"" if head else reply.body})
        return
    await send({"type": "http.response.body", "body": reply.body, "more_body": True})
    async for piece in reply.stream:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


class Cut(Exception):
    """The rest of a stream must not be sent, so that nobody takes what came for the whole."""


def as_kept(reply: Reply) -> tuple[int, Mapping[str, str], Any]:
    """Status, headers and value, as JSON can hold them."""
    return reply.status, {name.decode(): value.decode() for name, value in reply.headers}, reply.value


def as_was(status: int, headers: Mapping[str, str], value: Any) -> Reply:
    """The reply that `as_kept` took apart."""
    made = [(name.encode(), text.encode()) for name, text in headers.items()]
    return Reply(status, b"" if value is None else to_json(value), made, value)
