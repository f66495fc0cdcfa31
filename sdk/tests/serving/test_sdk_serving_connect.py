"""Dialling in: the same posts as frames of a websocket, and what happens when the connection goes."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from assigntask_sdk.serving import ServingError
from assigntask_sdk.serving.connecting import Connector, delays
from assigntask_sdk.webhooks import sign, sign_with_key
from assigntask_sdk.wire import FRAME, INSTALLATION, AnswerFrame, CallFrame, Hello, HookAnswer

SECRET = bytes(range(32))
PATIENCE = 20.0
Talk = Callable[[ServerConnection], Awaitable[None]]


@dataclass
class Dialled:
    """A host on loopback that apps dial in to. `refusing`: the status of its answer to whoever knocks."""

    talk: Talk
    refusing: int | None = None
    knocks: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""

    def meet(self, connection: ServerConnection, request: Request) -> Response | None:
        self.knocks.append((request.path, request.headers.get("authorization")))
        if self.refusing is None:
            return None
        answer = connection.respond(HTTPStatus(self.refusing), "")
        answer.headers["Location"] = f"{self.url}/elsewhere"
        return answer


@asynccontextmanager
async def dialled(talk: Talk, **options: Any) -> AsyncIterator[Dialled]:
    made = Dialled(talk, **options)
    async with serve(talk, "127.0.0.1", 0, process_request=made.meet) as server:
        made.url = f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        yield made


@asynccontextmanager
async def running(connector: Connector) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(connector.run())
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, ServingError):
            await task


async def silent(connection: ServerConnection) -> None:
    await connection.wait_closed()


def call_frame(path: str, headers: dict[str, str], body: bytes, frame: str = "f_1") -> str:
    return CallFrame(id=frame, path=path, headers=headers, body=body.decode()).model_dump_json()


def hook_frame(host: Any, *words: str, frame: str = "f_1", **changed: Any) -> str:
    given = host.hook_body(*words, **changed)
    body = json.dumps(given).encode()
    headers = {**sign(given["id"], host.clock.now, body, [SECRET]), INSTALLATION: "inst_1"}
    return call_frame(f"/hooks/{given['hook']}", headers, body, frame)


async def answer_in(connection: ServerConnection) -> AnswerFrame:
    read = FRAME.validate_json(await connection.recv())
    assert isinstance(read, AnswerFrame)
    return read


async def test_installs_and_hooks_come_as_frames(service: Any, host: Any) -> None:
    heard: list[Any] = []
    done = asyncio.Event()

    async def talk(connection: ServerConnection) -> None:
        heard.append(FRAME.validate_json(await connection.recv()))
        body = json.dumps(host.install_body()).encode()
        headers = sign_with_key("install_1", host.clock.now, body, host.key.private_bytes_raw())
        await connection.send(call_frame("/install", headers, body, "f_0"))
        heard.append(await answer_in(connection))
        await connection.send(hook_frame(host, "veto"))
        heard.append(await answer_in(connection))
        await connection.send(hook_frame(host, "fine", hook="uninstalling", frame="f_2"))
        heard.append(await answer_in(connection))
        done.set()
        await connection.wait_closed()

    async with dialled(talk) as there, running(Connector(service, there.url, "ck_key")):
        await asyncio.wait_for(done.wait(), PATIENCE)
        assert there.knocks == [("/apps/connect", "Bearer ck_key")]
    hello, installed, vetoed, goodbye = heard
    assert isinstance(hello, Hello) and hello.manifest.encode() == service.manifest_bytes
    assert (installed.id, installed.status, installed.body) == ("f_0", 204, "")
    assert (vetoed.id, vetoed.status) == ("f_1", 200)
    assert "may not" in str(HookAnswer.model_validate_json(vetoed.body).answer)
    assert goodbye.status == 200
    assert [kept.parted for kept in await service.calling.store.find("inst_1")] == [True]


async def test_signatures_count_here_too(service: Any, host: Any) -> None:
    answer: asyncio.Future[AnswerFrame] = asyncio.get_running_loop().create_future()

    async def talk(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.send(call_frame("/hooks/task_saving", {INSTALLATION: "inst_1"}, b"{}"))
        answer.set_result(await answer_in(connection))

    async with dialled(talk) as there, running(Connector(service, there.url, "ck_key")):
        refused = await asyncio.wait_for(answer, PATIENCE)
    assert (refused.status, json.loads(refused.body)["code"]) == (404, "installation_unknown")


async def test_a_slow_call_does_not_hold_up_others(installed: Any, service: Any, host: Any) -> None:
    answered: asyncio.Future[AnswerFrame] = asyncio.get_running_loop().create_future()

    async def talk(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.send("no frame at all")
        await connection.send('{"type": "of later"}')
        soon = (host.clock.now + dt.timedelta(seconds=1)).isoformat()
        await connection.send(hook_frame(host, "hang", frame="f_slow", deadline=soon))
        await connection.send(hook_frame(host, "fine", frame="f_quick"))
        answered.set_result(await answer_in(connection))

    async with dialled(talk) as there, running(Connector(service, there.url, "ck_key")):
        assert (await asyncio.wait_for(answered, PATIENCE)).id == "f_quick"


async def test_it_dials_again_when_the_connection_ends(service: Any) -> None:
    waited: list[float] = []

    def none() -> Any:
        while True:
            waited.append(0.0)
            yield 0.0

    greeted: asyncio.Queue[str] = asyncio.Queue()

    async def talk(connection: ServerConnection) -> None:
        await connection.recv()
        greeted.put_nowait("hello")
        if greeted.qsize() < 3:
            connection.transport.abort()  # as when a cable is pulled

    async with dialled(talk) as there, running(Connector(service, there.url, "ck_key", delays=none)):
        for _ in range(3):
            await asyncio.wait_for(greeted.get(), PATIENCE)
    assert len(waited) >= 2


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_key_that_the_host_refuses_ends_it(service: Any, status: int) -> None:
    async with dialled(silent, refusing=status) as there:
        with pytest.raises(ServingError) as caught:
            await asyncio.wait_for(Connector(service, there.url, "ck_key").run(), PATIENCE)
    assert caught.value.code == "connection_refused"
    assert "ck_key" not in caught.value.message


async def test_a_redirect_is_not_followed(service: Any) -> None:
    """The key must not go where a host points."""
    again = asyncio.Event()

    def noted() -> Any:
        again.set()
        yield 60.0

    async with dialled(silent, refusing=307) as there:
        async with running(Connector(service, there.url, "ck_key", delays=noted)):
            await asyncio.wait_for(again.wait(), PATIENCE)
        assert [path for path, _ in there.knocks] == ["/apps/connect"]


async def test_a_host_that_is_not_there_is_dialled_again(service: Any) -> None:
    tried = asyncio.Event()

    def noted() -> Any:
        yield 0.0
        tried.set()
        yield 60.0

    async with running(Connector(service, "http://127.0.0.1:9", "ck_key", delays=noted)) as task:
        await asyncio.wait_for(tried.wait(), PATIENCE)
        assert not task.done()


def test_delays_double_up_to_a_minute_with_jitter() -> None:
    longest = delays(lambda low, high: high)
    assert [next(longest) for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    shortest = delays(lambda low, high: low)
    assert [next(shortest) for _ in range(3)] == [0.5, 1, 2]
