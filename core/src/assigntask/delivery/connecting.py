"""Apps that dial in: one websocket of an app at a time, down which the host sends its calls.

An app that has no public address opens the connection itself, with the key that it was given. A connection belongs to
the process of the host that took it: another process can't use it, so an app that dials in is for hosts of which one
process serves.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Mapping
from contextlib import suppress

import structlog
from pydantic import ValidationError
from starlette.responses import JSONResponse
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from assigntask.db.database import Database
from assigntask.db.ids import new_id
from assigntask.hooks import lines
from assigntask_sdk.wire import CONNECT_PATH, FRAME, FRAME_BYTES, AnswerFrame, CallFrame, Hello

from .remotes import Remote, Remotes
from .ways import LONGEST_ANSWER, Answered, Way, WayFailed

HELLO_SECONDS = 10.0
WENT, POLICY, TOO_LARGE, REPLACED = 1001, 1008, 1009, 4000
"""Codes of closing (RFC 6455, section 7.4): the last is ours, for "the same app dialled in again"."""
REASON_BYTES = 120

log = structlog.get_logger(__name__)


class ConnectWay:
    """One live connection. `end` makes all calls that are under way fail."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._waiting: dict[str, asyncio.Future[AnswerFrame]] = {}
        self._over = False

    async def post(self, path: str, headers: Mapping[str, str], body: bytes, *, limit: float) -> Answered:
        if self._over:
            raise _hung_up()
        call = CallFrame(id=new_id(), path=path, headers=dict(headers), body=body.decode())
        answered = self._waiting[call.id] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(limit):
                await self._send(call.model_dump_json())
                answer = await answered
        except TimeoutError:
            raise WayFailed("timeout", f"it did not answer within {limit:g} seconds") from None
        finally:
            del self._waiting[call.id]
        said = answer.body.encode("utf-8", "surrogatepass")
        if len(said) > LONGEST_ANSWER:
            raise WayFailed("too_large", f"it answered more than {LONGEST_ANSWER} bytes", answer.status)
        return Answered(answer.status, said)

    def take(self, answer: AnswerFrame) -> None:
        """An answer that nobody waits for any more is dropped."""
        waiting = self._waiting.get(answer.id)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def end(self) -> None:
        self._over = True
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(_hung_up())

    async def close(self, code: int, reason: str) -> None:
        self.end()
        with suppress(RuntimeError, WebSocketDisconnect):
            await self._websocket.close(code, reason.encode()[:REASON_BYTES].decode(errors="ignore"))

    async def _send(self, text: str) -> None:
        try:
            await self._websocket.send_text(text)
        except (RuntimeError, WebSocketDisconnect):
            raise _hung_up() from None


class Connections:
    """The live connections of this process, by app."""

    def __init__(self) -> None:
        self._live: dict[str, tuple[Remote, ConnectWay]] = {}

    def way(self, remote: Remote) -> Way | None:
        """None where it is not there, or came with a key that no longer holds."""
        remembered, way = self._live.get(remote.app_id, (None, None))
        return way if remembered is not None and remembered.added_at == remote.added_at else None

    def apps(self) -> frozenset[str]:
        """The ids of those that are there."""
        return frozenset(self._live)

    def any(self) -> bool:
        return bool(self._live)

    async def put(self, remote: Remote, way: ConnectWay) -> None:
        """The newer connection of an app takes the place of the older."""
        _, older = self._live.get(remote.app_id, (None, None))
        self._live[remote.app_id] = (remote, way)
        if older is not None:
            await older.close(REPLACED, "the same app has dialled in again")

    def drop(self, remote: Remote, way: ConnectWay) -> None:
        way.end()
        if self._live.get(remote.app_id, (None, None))[1] is way:
            del self._live[remote.app_id]


class Connecting:
    """The endpoint. `come`: called once an app is there and what waits for it may be told."""

    def __init__(
        self,
        db: Database,
        remotes: Remotes,
        connections: Connections,
        clock: Callable[[], dt.datetime],
        come: Callable[[], None],
    ) -> None:
        self._db = db
        self._remotes = remotes
        self._connections = connections
        self._clock = clock
        self._come = come

    def route(self) -> WebSocketRoute:
        return WebSocketRoute(CONNECT_PATH, self.serve)

    async def serve(self, websocket: WebSocket) -> None:
        remote = await self._who(websocket)
        if remote is None:
            await _refuse(websocket)
            return
        await websocket.accept()
        way = ConnectWay(websocket)
        try:
            why = await self._hello(websocket, remote)
            if why is not None:
                log.info("app_connection_refused", app=remote.app_id)
                await way.close(POLICY, why)
                return
            await self._connections.put(remote, way)
            log.info("app_connected", app=remote.app_id)
            await self._wake(remote.app_id)
            await _listen(websocket, way)
        except WebSocketDisconnect:
            pass
        finally:
            self._connections.drop(remote, way)
            log.info("app_disconnected", app=remote.app_id)

    async def _who(self, websocket: WebSocket) -> Remote | None:
        scheme, _, key = websocket.headers.get("authorization", "").partition(" ")
        return await self._remotes.by_key(key.strip()) if scheme.lower() == "bearer" else None

    async def _hello(self, websocket: WebSocket, remote: Remote) -> str | None:
        """Why the app can't be let in."""
        try:
            async with asyncio.timeout(HELLO_SECONDS):
                frame = _frame(await _text(websocket))
        except TimeoutError:
            frame = None
        if not isinstance(frame, Hello):
            return "say hello first, with the manifest"
        return await self._remotes.take_manifest(remote.app_id, frame.manifest)

    async def _wake(self, app_id: str) -> None:
        await self._db.write(lines.wake, app_id, self._clock())
        self._come()


async def _listen(websocket: WebSocket, way: ConnectWay) -> None:
    while True:
        text = await _text(websocket)
        if text is not None and len(text) > FRAME_BYTES:
            await way.close(TOO_LARGE, f"a frame has at most {FRAME_BYTES} bytes")
            return
        frame = _frame(text)
        if not isinstance(frame, AnswerFrame):
            await way.close(POLICY, "only answers to calls are taken here")
            return
        way.take(frame)


async def _text(websocket: WebSocket) -> str | None:
    """None for a binary frame. Raises WebSocketDisconnect."""
    message = await websocket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code") or WENT)
    return message.get("text")


def _frame(text: str | None) -> Hello | CallFrame | AnswerFrame | None:
    try:
        return None if text is None else FRAME.validate_json(text)
    except ValidationError:
        return None


async def _refuse(websocket: WebSocket) -> None:
    """401 where the server can say so, else the handshake fails with 403."""
    if "websocket.http.response" in websocket.scope.get("extensions", {}):
        problem = {
            "type": "about:blank",
            "title": "Unauthorized",
            "status": 401,
            "code": "connection_key_invalid",
            "detail": "No app is offered with this key. `assigntask remote add --connect APP` makes one.",
        }
        await websocket.send_denial_response(
            JSONResponse(problem, 401, {"WWW-Authenticate": "Bearer"}, media_type="application/problem+json")
        )
    else:
        await websocket.close()


def _hung_up() -> WayFailed:
    return WayFailed("disconnected", "it hung up while it was being asked")
