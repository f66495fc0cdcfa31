"""An operation: one method at one path. Routes, the OpenAPI document and the page are all made of these."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal

from assigntask.context.factory import HostCtx
from assigntask.db.ids import new_id
from assigntask.grants.grant import Grant
from assigntask.oauth.bearer import Bearer
from assigntask_sdk.details import DETAILS

from .bodies import JSON_BYTES, JSON_TYPES, Body
from .parameters import Parameter
from .replies import Reply
from .services import ApiServices

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


@dataclass(frozen=True, slots=True)
class Call:
    """One request, authenticated and read. `body` is the operation's model; `stream` what came instead, for a file.

    `recheck` raises where the token is no longer valid.
    `key`: the Idempotency-Key. `versions`: those that If-Match allows; None where it was not sent, or allows any.
    """

    services: ApiServices
    bearer: Bearer
    grant: Grant
    ctx: HostCtx
    path: Mapping[str, str]
    query: Mapping[str, Any]
    recheck: Callable[[], Awaitable[None]]
    body: Any = None
    stream: AsyncIterator[bytes] | None = None
    key: str | None = None
    if_none_match: str | None = None
    versions: Sequence[int] | None = None

    def key_or_new(self) -> str:
        """For what ctx makes under a key: without one from the caller it is made once more when it is sent again."""
        key = self.ctx_key()
        return new_id() if key is None else key

    def ctx_key(self) -> str | None:
        """A `key` in the body, or beside a file: it holds for good, for this operation, whatever else is said then.

        The Idempotency-Key stands in for it. For ctx a key is the installation's, but whoever sends a person's token
        may know nothing of what others sent: their keys are kept apart.
        """
        own: str | None = self.query.get("key") if self.body is None else self.body.key
        key = own if own is not None else self.key or None
        if not key or self.bearer.kind != "person":
            return key
        return sha256(json.dumps([self.bearer.actor.person_id, key]).encode()).hexdigest()


Handler = Callable[[Call], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Form:
    """A body: JSON of `model`, or, without one, bytes as they come."""

    model: type[Body] | None
    media: tuple[str, ...] = JSON_TYPES
    limit: int | None = JSON_BYTES  # None: the operator's limit for files


@dataclass(frozen=True, slots=True)
class Shape:
    """What is answered when it goes well. `of`: a kind of record, a dataclass, or a schema; None: no content."""

    status: int
    words: str
    of: Any = None
    page: bool = False  # `of` is what each of `items` is
    media: str = "application/json"


@dataclass(frozen=True, slots=True)
class Operation:
    """`scope` is what a caller is told to ask for. `record`: any scope that opens a detail of it does as well.

    `power`: only `scope` itself will do. Without a scope it is about the installation itself, and not for a person's
    token unless it is `anybodys`, or has the scope `persons`; `goodbye`: it is open to a token that was given for a
    goodbye. `problems`: codes beside those that follow from the rest.
    """

    id: str
    method: Method
    path: str
    summary: str
    handler: Handler
    answer: Shape
    words: str = ""
    scope: str | None = None
    record: str | None = None
    power: bool = False
    anybodys: bool = False
    persons: str | None = None
    goodbye: bool = False
    query: tuple[Parameter, ...] = ()
    form: Form | None = None
    tagged: bool = False  # it answers with an ETag, and takes If-None-Match
    if_match: bool = False
    problems: frozenset[str] = frozenset()

    @property
    def segments(self) -> tuple[str, ...]:
        return tuple(self.path.strip("/").split("/"))

    @property
    def names(self) -> tuple[str, ...]:
        """Of what stands in the path."""
        return tuple(part[1:-1] for part in self.segments if part.startswith("{"))

    @property
    def repeatable(self) -> bool:
        """Whether it takes an Idempotency-Key."""
        return self.method == "POST"

    @property
    def own(self) -> bool:
        """Whether it opens what is neither the organisation's nor a person's, but the installation's."""
        return self.scope is None and not self.anybodys

    def scopes(self) -> frozenset[str]:
        """Each of which opens it by itself; empty: it needs none."""
        if self.scope is None:
            return frozenset()
        if self.power or self.record is None:
            return frozenset({self.scope})
        return frozenset(detail.scope for detail in DETAILS.values() if detail.record == self.record)
