"""Apps that dial in: the SDK's own connector and bare websockets, against the host's endpoint."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from assigntask_sdk.apps import find_app
from assigntask_sdk.errors import Vetoed
from assigntask_sdk.serving.connecting import Connector
from assigntask_sdk.serving.service import open_service
from assigntask_sdk.wire import CONNECT_PATH, AnswerFrame, CallFrame, Hello

from .conftest import APPS, World

pytestmark = pytest.mark.timeout(60)

APP = "guarding-app"


def manifest(package: str = "guarding_app") -> str:
    return (APPS / package / "app.toml").read_text()


def dial(world: World, key: str) -> Any:
    address = world.url.replace("http", "ws", 1) + CONNECT_PATH
    return connect(address, additional_headers={"Authorization": f"Bearer {key}"}, proxy=None)


async def there(world: World, app_id: str = APP) -> None:
    """Until the host has let it in."""
    async with asyncio.timeout(10):
        while await world.platform.remotes.way(app_id) is None:
            await asyncio.sleep(0)


async def gone(world: World, app_id: str = APP) -> None:
    async with asyncio.timeout(10):
        while await world.platform.remotes.way(app_id) is not None:
            await asyncio.sleep(0)


async def said_hello(world: World, key: str, text: str) -> ClientConnection:
    connection: ClientConnection = await dial(world, key)
    await connection.send(Hello(manifest=text).model_dump_json())
    return connection


@asynccontextmanager
async def answering(connection: ClientConnection, calls: list[CallFrame]) -> AsyncIterator[None]:
    """Takes installs, and answers hooks with nothing."""

    async def run() -> None:
        with suppress(ConnectionClosed):
            async for frame in connection:
                call = CallFrame.model_validate_json(frame)
                calls.append(call)
                status, body = (204, "") if call.path == "/install" else (200, '{"answer":null}')
                await connection.send(AnswerFrame(id=call.id, status=status, body=body).model_dump_json())

    running = asyncio.create_task(run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_an_app_dials_in_and_is_asked_down_its_own_connection(stored_world: World, tmp_path: Any) -> None:
    world = stored_world
    key = await world.platform.remotes.add_connected(APP)
    assert world.platform.directory.list()[0].error is not None  # nothing is known of it before it has come
    app = find_app(APPS / "guarding_app")
    async with open_service(app, [world.url], tmp_path / "store", dev=True, clock=world.clock) as service:
        running = asyncio.create_task(Connector(service, world.url, key).run())
        await there(world)
        await world.install(APP)
        await world.drain()
        assert (await world.lines(APP))[0] == ("credentials", "delivered")
        with pytest.raises(Vetoed, match="due date"):
            await world.task("Oil", due=None)
        assert (await world.task("Oil")).unchecked_by == ()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_the_admin_reads_that_it_dials_in(world: World) -> None:
    key = await world.platform.remotes.add_connected(APP)
    connection = await said_hello(world, key, manifest())
    await there(world)
    seen = await world.platform.installing.install(world.doer(), APP, dry_run=True)
    assert (seen.assurance, seen.origin) == ("enforced", "connected")
    assert "dials in" in seen.assurance_words
    await connection.close()


@pytest.mark.parametrize("header", [None, "", "Bearer ", "Bearer ck_wrong", "Basic eDp5"])
async def test_without_its_key_nobody_is_let_in(world: World, header: str | None) -> None:
    await world.platform.remotes.add_connected(APP)
    headers = {} if header is None else {"Authorization": header}
    with pytest.raises(InvalidStatus) as refused:
        await connect(world.url.replace("http", "ws", 1) + CONNECT_PATH, additional_headers=headers, proxy=None)
    assert refused.value.response.status_code == 401
    assert json.loads(refused.value.response.body)["code"] == "connection_key_invalid"


async def test_a_key_ends_with_the_app_that_it_was_made_for(world: World) -> None:
    remotes = world.platform.remotes
    key = await remotes.add_connected(APP)
    connection = await said_hello(world, key, manifest())
    await there(world)
    await remotes.remove(APP)
    assert await remotes.way(APP) is None
    await remotes.add_connected(APP)
    assert await remotes.way(APP) is None  # the old connection is none of the new key's
    with pytest.raises(InvalidStatus):
        await dial(world, key)
    await connection.close()


@pytest.mark.parametrize(
    "first",
    [
        "nonsense",
        b"\x00",
        '{"type":"answer","id":"x","status":200,"body":""}',
        Hello(manifest="nonsense").model_dump_json(),
        Hello(manifest=manifest("drawing_app")).model_dump_json(),
    ],
)
async def test_who_does_not_say_hello_with_its_own_manifest_is_hung_up_on(world: World, first: str | bytes) -> None:
    key = await world.platform.remotes.add_connected(APP)
    connection = await dial(world, key)
    await connection.send(first)
    with pytest.raises(ConnectionClosed) as closed:
        await connection.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008
    assert await world.platform.remotes.way(APP) is None


async def test_the_newer_connection_of_an_app_takes_the_place_of_the_older(world: World) -> None:
    key = await world.platform.remotes.add_connected(APP)
    older = await said_hello(world, key, manifest())
    await there(world)
    first = await world.platform.remotes.way(APP)
    newer = await said_hello(world, key, manifest())
    with pytest.raises(ConnectionClosed) as closed:
        await older.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4000
    calls: list[CallFrame] = []
    async with answering(newer, calls):
        await world.install(APP)
        await world.drain()
        await world.task("Oil")
    assert [call.path for call in calls] == ["/install", "/hooks/task_saving"]
    assert await world.platform.remotes.way(APP) not in (None, first)
    await newer.close()


async def test_who_hangs_up_while_being_asked_is_asked_again_later(world: World) -> None:
    key = await world.platform.remotes.add_connected("listening-app")
    connection = await said_hello(world, key, manifest("listening_app"))
    await there(world, "listening-app")
    await world.install("listening-app")
    draining = asyncio.create_task(world.drain())
    async for frame in connection:
        call = CallFrame.model_validate_json(frame)
        if call.path != "/install":
            break
        await connection.send(AnswerFrame(id=call.id, status=204, body="").model_dump_json())
    await connection.close()
    await draining
    row = (await world.deliveries("listening-app"))[-1]
    assert (row.hook, row.state, row.attempts, row.last_error) == ("installed", "waiting", 1, "try_later")


async def test_what_is_for_an_app_that_is_not_there_waits_uncounted_until_it_comes(stored_world: World) -> None:
    world = stored_world
    key = await world.platform.remotes.add_connected("listening-app")
    connection = await said_hello(world, key, manifest("listening_app"))
    await there(world, "listening-app")
    await connection.close()
    await gone(world, "listening-app")
    await world.install("listening-app")
    for _ in range(10):
        await world.drain()
        world.clock.later(minutes=2)
    rows = await world.deliveries("listening-app")
    assert [(row.hook, row.state, row.attempts) for row in rows] == [
        ("credentials", "waiting", 0),
        ("installed", "waiting", 0),
    ]
    await world.drain()
    connection = await said_hello(world, key, manifest("listening_app"))
    await there(world, "listening-app")
    calls: list[CallFrame] = []
    async with answering(connection, calls), asyncio.timeout(10):
        while ("installed", "delivered") not in await world.lines("listening-app"):
            await world.drain()
    assert [call.path for call in calls] == ["/install", "/hooks/installed"]
    await connection.close()


async def test_a_question_to_an_app_that_is_not_there_says_so(world: World) -> None:
    key = await world.platform.remotes.add_connected("drawing-app")
    connection = await said_hello(world, key, manifest("drawing_app"))
    await there(world, "drawing-app")
    await world.install("drawing-app")
    await connection.close()
    await gone(world, "drawing-app")
    shown = await world.platform.questions.badges(world.doer(), [await world.task("Oil")], world.clock().date())
    assert [failed.code for failed in shown.failed] == ["app_offline"]


async def test_answers_that_nobody_waits_for_and_frames_of_another_kind(world: World) -> None:
    key = await world.platform.remotes.add_connected(APP)
    connection = await said_hello(world, key, manifest())
    await there(world)
    await connection.send(AnswerFrame(id="nobody", status=200, body="").model_dump_json())
    await connection.send(Hello(manifest=manifest()).model_dump_json())
    with pytest.raises(ConnectionClosed) as closed:
        await connection.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008
