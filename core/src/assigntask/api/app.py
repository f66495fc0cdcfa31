"""The API as an ASGI application: `/api/v1`."""

from __future__ import annotations

import asyncio
import hashlib
import traceback
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from assigntask.db.ids import new_id
from assigntask.grants.grant import Grant
from assigntask.metrics.routes import name_route
from assigntask.oauth.bearer import Bearer
from assigntask_sdk.errors import FileTooLarge, Gone, Refused

from . import bodies, conditions, idempotency
from .authentication import authenticate, context_of, insufficient, malformed, presented
from .documents import Documents
from .idempotency import Place, request_digest
from .operation import Call, Form, Operation
from .operations import OPERATIONS
from .parameters import holds_secret, read_query
from .problems import Problem, problem_of, unexpected
from .rates import Rates
from .replies import Cut, Header, Reply, begun, send_reply, told
from .requests import Heads, check_accept, read_heads, segments
from .routing import Routes
from .services import BASE, ApiServices

_log = structlog.get_logger("assigntask.api")
_FRAMES = 12
_OWN = "This is the installation's own, and no one person's. Ask with a token of the app itself (client_credentials)."
_STREAMED = "a body that is still coming"


def api(services: ApiServices, operations: Sequence[Operation] = OPERATIONS) -> ASGIApp:
    """Answers below where it is mounted. Takes requests alone: nothing is asked of the server's lifespan."""
    return _Api(services, operations)


@dataclass(slots=True)
class _Request:
    """What is known of one request as it is read; `more`: headers that every answer to it carries from here on."""

    scope: Scope
    receive: Receive
    more: list[Header]
    heads: Heads
    operation: Operation | None = None

    @property
    def method(self) -> str:
        return str(self.scope["method"])

    @property
    def path(self) -> str:
        """As the caller wrote it."""
        raw: bytes = self.scope.get("raw_path") or self.scope["path"].encode()
        return raw.partition(b"?")[0].decode("latin-1")


class _Api:
    def __init__(self, services: ApiServices, operations: Sequence[Operation]) -> None:
        self._services = services
        self._routes = Routes(operations)
        self._documents = Documents(operations)
        self._needs = {operation.id: operation.scopes() for operation in operations}
        limits = services.limits
        self._rates = Rates(limits.requests, limits.window.total_seconds(), services.monotonic)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1003})
            return
        request = _Request(scope, receive, [], Heads())
        head = request.method == "HEAD"
        try:
            reply = await begun(await self._reply(request))
        except bodies.Disconnected:
            return
        except Exception as error:  # whatever it is, the caller gets a problem
            reply = told(self._problem(error, request), self._services.base)
        try:
            await send_reply(send, reply, request.more, head=head)
        except Cut:
            _log.info("stream_cut", operation=None if request.operation is None else request.operation.id)

    async def _reply(self, request: _Request) -> Reply:
        parts = segments(request.scope)
        request.heads = heads = read_heads(request.scope["headers"])
        document = self._documents.find(request.method, parts, heads, self._services.base)
        if document is not None:
            name_route(request.scope, "/".join((BASE, *parts)))
            return document
        operation, path = self._routes.find(request.method, parts)
        request.operation = operation
        name_route(request.scope, BASE + operation.path)
        query: bytes = request.scope["query_string"]
        url = self._services.url()
        if query and holds_secret(query):
            raise malformed("A token never stands in an address: send it in the Authorization header.", url)
        bearer, grant = await authenticate(self._services, heads, request.method, request.path)
        request.more.extend(self._rates.take(bearer.installation_id))
        check_accept(heads.accept, operation.answer.media)
        self._admit(operation, bearer, grant)
        values = read_query(query, operation.query)
        call = Call(
            services=self._services,
            bearer=bearer,
            grant=grant,
            ctx=context_of(self._services, heads, bearer, grant),
            path=path,
            query=values,
            recheck=lambda: self._recheck(request),
            key=heads.key if operation.repeatable else None,
            if_none_match=heads.if_none_match if operation.tagged else None,
            versions=conditions.versions(heads.if_match) if operation.if_match and heads.if_match else None,
        )
        if operation.form is None and operation.method != "POST":
            return await operation.handler(call)
        return await self._with_body(call, operation, request)

    def _admit(self, operation: Operation, bearer: Bearer, grant: Grant) -> None:
        """Raises Refused, Gone, before a body is read. ctx decides anew, with the person's rights where it acts so."""
        if bearer.goodbye:
            if not operation.goodbye:
                raise Gone("This installation is not active: its own storage is all that is left to it.")
            return
        needs = self._needs[operation.id]
        if operation.own and bearer.kind == "person":
            if operation.persons is None:
                raise Refused("installation", _OWN)
            needs = frozenset({operation.persons})
        if needs and (needs.isdisjoint(grant.scopes) or (bearer.scopes is not None and not needs & bearer.scopes)):
            raise Refused(operation.scope or operation.persons or "")

    async def _with_body(self, call: Call, operation: Operation, request: _Request) -> Reply:
        form, heads = operation.form, request.heads
        if form is None:
            await bodies.read(request.receive, heads.length, 0)
            return await self._once(call, operation, request, b"")
        bodies.check_type(heads.content_type, heads.encoding, form.media)
        limit = self._limit(form)
        if form.model is None:
            if heads.length is not None and heads.length > limit:
                raise FileTooLarge(limit)
            return await self._stream_once(call, operation, request, limit)
        raw = await bodies.read(request.receive, heads.length, limit)
        call = replace(call, body=bodies.parse(raw, form.model))
        return await self._once(call, operation, request, raw)

    async def _once(self, call: Call, operation: Operation, request: _Request, body: bytes) -> Reply:
        if call.key is None:
            return await operation.handler(call)
        place, digest = Place.of(call.bearer, call.key), _digest(operation, request, body)
        services = self._services
        earlier = await services.db.write(idempotency.begin, place, digest, services.clock())
        if earlier is not None:
            return idempotency.repeated(earlier, digest)
        return await self._kept(call, operation, place, lambda: digest)

    async def _stream_once(self, call: Call, operation: Operation, request: _Request, limit: int) -> Reply:
        """A file is read once only, so what it was is known at its end."""
        content = _Hashed(bodies.patiently(bodies.stream(request.receive)))
        call = replace(call, stream=content.pieces())
        if call.key is None:
            return await operation.handler(call)
        place, services = Place.of(call.bearer, call.key), self._services
        earlier = await services.db.write(idempotency.begin, place, _STREAMED, services.clock())
        if earlier is None:
            return await self._kept(
                call, operation, place, lambda: _digest(operation, request, content.digest.digest())
            )
        if earlier.status is not None:
            async for _piece in content.pieces():
                if content.size > limit:
                    raise FileTooLarge(limit)
        return idempotency.repeated(earlier, _digest(operation, request, content.digest.digest()))

    async def _kept(self, call: Call, operation: Operation, place: Place, digest: Callable[[], str]) -> Reply:
        db = self._services.db
        try:
            reply = await operation.handler(call)
        except BaseException:
            await asyncio.shield(db.write(idempotency.give_back, place))
            raise
        await db.write(idempotency.finish, place, digest(), reply)
        return reply

    async def _recheck(self, request: _Request) -> None:
        _scheme, token = presented(request.heads.authorization, self._services.url())
        await self._services.tokens.check(token)

    def _limit(self, form: Form) -> int:
        return self._services.limits.file_bytes if form.limit is None else form.limit

    def _problem(self, error: Exception, request: _Request) -> Problem:
        operation = request.operation
        matched = operation is not None and operation.if_match and request.heads.if_match is not None
        known = problem_of(error, if_match=matched)
        if known is None:
            known = unexpected(new_id())
            _write_down(error, known, operation)
        elif isinstance(error, Refused) and operation is not None:
            known.headers = (*known.headers, *insufficient(operation, error.scope, self._services.url()))
        return known


class _Hashed:
    """A stream, and what went through."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces
        self.digest = hashlib.sha256()
        self.size = 0

    async def pieces(self) -> AsyncIterator[bytes]:
        async for piece in self._pieces:
            self.digest.update(piece)
            self.size += len(piece)
            yield piece


def _digest(operation: Operation, request: _Request, body: bytes) -> str:
    query: bytes = request.scope["query_string"]
    return request_digest(operation.id, request.path, query, request.heads.person, body)


def _write_down(error: Exception, problem: Problem, operation: Operation | None) -> None:
    """Where it failed, but no message and no values: those may be somebody's details."""
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    _log.error(
        "host_error",
        id=problem.facts["id"],
        operation=None if operation is None else operation.id,
        error=type(error).__name__,
        frames=[f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames],
    )
