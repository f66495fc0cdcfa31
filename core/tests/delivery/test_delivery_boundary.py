"""Whatever a service answers, the host goes on: the same boundary and the same breaker as for apps in its process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import structlog
from starlette.responses import RedirectResponse, Response

from assigntask.delivery.carrier import understood
from assigntask.hooks import breakers
from assigntask.hooks.replies import ANSWER_BYTES
from assigntask_sdk.errors import Vetoed
from assigntask_sdk.wire import HookBody

from .conftest import World, bound, said

pytestmark = pytest.mark.timeout(60)

OpenWorld = Callable[..., Any]
SAVING = "task_saving"


async def saved(world: World, app_id: str = "raising-app") -> str:
    """What a save was told of the app: the code of its failure, or "asked"."""
    task = await world.task("Oil")
    if not task.unchecked_by:
        return "asked"
    known = await world.platform.db.read(breakers.get, world.ids["here"], world.ids[app_id], SAVING)
    return (known.last_error or "").partition(":")[0]


async def never(_: HookBody) -> Response:
    await asyncio.get_running_loop().create_future()
    raise AssertionError


def big(_: HookBody) -> Response:
    return Response(b'{"answer":"' + b"x" * (ANSWER_BYTES + 5000) + b'"}')


ANSWERS: dict[str, tuple[Callable[[HookBody], Any], str]] = {
    "redirect": (lambda _: RedirectResponse("http://127.0.0.1:1/", 307), "hook_raised"),
    "gone": (lambda _: Response(status_code=410), "hook_raised"),
    "not found": (lambda _: Response(status_code=404), "hook_raised"),
    "error": (lambda _: Response(b"secret words", 500), "hook_raised"),
    "no content": (lambda _: Response(status_code=204), "hook_raised"),
    "empty": (lambda _: Response(b""), "hook_wrong_answer"),
    "garbage": (lambda _: Response(b"\xff\x00garbage"), "hook_wrong_answer"),
    "html": (lambda _: Response("<p>Hello</p>", media_type="text/html"), "hook_wrong_answer"),
    "a list": (lambda _: Response(b"[]"), "hook_wrong_answer"),
    "neither": (lambda _: Response(b"{}"), "hook_wrong_answer"),
    "both": (lambda _: said(answer=None, error={"code": "conflict"}), "hook_wrong_answer"),
    "another hook's": (lambda _: said(answer=[{"text": "x"}]), "hook_wrong_answer"),
    "deep": (lambda _: Response(b'{"answer":' + b"[" * 9000 + b"]" * 9000 + b"}"), "hook_wrong_answer"),
    "no number": (lambda _: Response(b'{"answer":NaN}'), "hook_wrong_answer"),
    "huge": (big, "hook_answer_too_large"),
    "raised": (lambda _: said(error={"code": "hook_raised", "message": "RuntimeError"}), "hook_raised"),
    "wrong inside": (lambda _: said(error={"code": "hook_wrong_answer", "message": "x"}), "hook_wrong_answer"),
    "late inside": (lambda _: said(error={"code": "hook_timeout", "message": "x"}), "hook_timeout"),
    "host's own word": (lambda _: said(error={"code": "host_error", "message": "x"}), "hook_raised"),
    "refused": (lambda _: said(error={"code": "refused", "message": "x", "scope": "x"}), "hook_raised"),
    "conflict without keys": (lambda _: said(error={"code": "conflict", "message": "x"}), "hook_wrong_answer"),
    "later, but when": (lambda _: said(error={"code": "try_later", "message": "", "after": "x"}), "hook_wrong_answer"),
}


async def test_an_answer_that_is_none_fails_the_hook_and_nothing_else(world: World) -> None:
    service = await world.scripted_app("raising_app")
    found: dict[str, str] = {}
    for name, (answer, _) in ANSWERS.items():
        service.answer = answer
        found[name] = await saved(world)
        known = await world.platform.db.read(breakers.get, world.ids["here"], world.ids["raising-app"], SAVING)
        assert "secret" not in str(known.last_error)
        await world.platform.proxies.breakers.reset(world.ids["here"], world.ids["raising-app"])
    assert found == {name: code for name, (_, code) in ANSWERS.items()}


async def test_a_service_that_does_not_answer_is_given_up_within_the_hooks_limit(open_world: OpenWorld) -> None:
    async with open_world(limits={SAVING: 0.2}) as world:
        await world.scripted_app("raising_app", answer=never)
        assert await saved(world) == "hook_timeout"


async def test_a_service_that_is_not_there_is_a_failure(world: World) -> None:
    service = await world.scripted_app("raising_app")
    await moved(world, "raising-app", f"http://127.0.0.1:{closed_port()}")
    assert await saved(world) == "hook_raised"
    assert service.asked == []


BROKEN_OFF = (
    b"",
    b"garbage\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + b'{"answer":',
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 15\r\n\r\n" + b'{"answer":null}',
    b"HTTP/1.1 200 " + b"x" * 100_000 + b"\r\n\r\n",
)


async def test_a_connection_that_breaks_off_is_a_failure(world: World) -> None:
    await world.scripted_app("raising_app")
    for answer in BROKEN_OFF:
        async with raw(answer) as url:
            await moved(world, "raising-app", url)
            assert await saved(world) == "hook_raised", answer[:40]
        await world.platform.proxies.breakers.reset(world.ids["here"], world.ids["raising-app"])


async def test_after_five_failures_the_service_is_left_alone_until_it_may_be_tried(world: World) -> None:
    service = await world.scripted_app("raising_app", answer=lambda _: Response(status_code=500))
    for _ in range(7):
        await world.task("Oil")
    assert len(service.asked) == 5
    world.clock.later(seconds=31)
    service.answer = lambda _: said(answer=None)
    assert (await world.task("Oil")).unchecked_by == ()
    assert len(service.asked) == 6


async def test_an_app_that_lacks_its_credentials_does_not_open_its_breaker(world: World) -> None:
    url, _ = await world.scripted("raising_app", install_status=500)
    await world.platform.remotes.add(url)
    await world.install("raising-app")
    for _ in range(7):
        assert (await world.task("Oil")).unchecked_by == ("raising-app",)
    known = await world.platform.db.read(breakers.get, world.ids["here"], world.ids["raising-app"], SAVING)
    assert known.failures == 0


async def test_a_panel_says_that_the_app_is_not_connected(world: World) -> None:
    url, _ = await world.scripted("drawing_app", install_status=500)
    await world.platform.remotes.add(url)
    await world.install("drawing-app")
    shown = await world.platform.questions.badges(world.doer(), [await world.task("Oil")], world.clock().date())
    assert [failed.code for failed in shown.failed] == ["app_not_connected"]


async def test_errors_of_the_contract_pass_and_are_no_failure(world: World) -> None:
    later = {"code": "try_later", "message": "busy", "after": 7}
    service = await world.scripted_app("listening_app", answer=lambda _: said(error=later))
    row = (await world.deliveries("listening-app"))[-1]
    assert (row.hook, row.state, row.last_error) == ("installed", "waiting", "try_later")
    assert 5 < (row.next_at - world.clock()).total_seconds() <= 7
    service.answer = lambda _: said(answer=None)
    world.clock.later(seconds=8)
    await world.drain()
    assert (await world.lines("listening-app"))[-1] == ("installed", "delivered")
    first, second = service.asked
    assert first.ask["id"] == second.ask["id"]
    assert set(service.ids) == {row.id}  # by which a receiver knows what it acted on already
    assert [body.attempt for body in service.asked] == [1, 2]


async def test_more_is_called_again_at_once(world: World) -> None:
    service = await world.scripted_app("listening_app")
    service.manifest = service.manifest.replace(b'version = "1.0.0"', b'version = "1.0.1"')
    answers = iter([{"is_": "more"}, {"is_": "more"}, None])
    service.answer = lambda body: said(answer=next(answers) if body.hook == "upgraded" else None)
    await world.platform.follow()
    await world.drain()
    assert [body.hook for body in service.asked].count("upgraded") == 3


async def test_what_is_signed_for_one_installation_is_no_good_for_another(world: World) -> None:
    service = await world.scripted_app("guarding_app")
    service.installs[-1] = service.installs[-1].model_copy(update={"secret": "whsec_" + "A" * 43 + "="})
    with pytest.raises(Vetoed):  # this app must be heard, and its service refuses what it can't verify
        await world.task("Oil")
    assert service.asked == []


async def test_the_install_is_signed_with_the_hosts_key_and_nothing_else_opens(world: World) -> None:
    url, service = await world.scripted(
        "guarding_app",
    )
    service.public_keys[:] = [bytes(32)]
    await world.platform.remotes.add(url)
    await world.install("guarding-app")
    await world.drain()
    assert service.installs == []
    assert (await world.lines("guarding-app"))[0] == ("credentials", "waiting")


async def test_secrets_and_values_are_in_no_log(world: World) -> None:
    with structlog.testing.capture_logs() as logs:
        service = await world.scripted_app("guarding_app", answer=lambda _: Response(status_code=500))
        with pytest.raises(Vetoed):
            await world.task("Caulk the hull")
    written = json.dumps(logs, default=str)
    given, asked = service.installs[-1], service.asked[-1]
    for secret in (given.client_secret, given.secret, asked.token, "Caulk the hull"):
        assert secret not in written


async def test_where_the_host_does_not_know_its_address_nothing_is_tried_or_counted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, service = await world.scripted("guarding_app")
    await world.platform.remotes.add(url)
    await world.install("guarding-app")
    known = world.platform.settings
    object.__setattr__(known, "url", "")
    await world.drain()
    row = (await world.deliveries("guarding-app"))[0]
    assert (row.state, row.attempts, row.last_error.partition(":")[0]) == ("waiting", 0, "host_without_address")
    assert service.installs == []


@pytest.mark.parametrize(
    ("status", "body", "code", "why"),
    [
        (200, b'{"error":{"code":"hook_raised","message":"RuntimeError"}}', "hook_raised", "it raised RuntimeError"),
        (200, b'{"error":{"code":"hook_raised","message":"Ada, 12 Quay Street"}}', "hook_raised", "it raised an error"),
        (503, b"", "hook_raised", "its service answered with status 503"),
    ],
)
def test_the_reason_holds_a_kind_or_a_status_and_no_values(status: int, body: bytes, code: str, why: str) -> None:
    reply = understood(status, body, notice=True)
    assert (reply.code, reply.why, reply.answer, reply.error) == (code, why, None, None)


def test_invalid_passes_in_a_question_only() -> None:
    body = b'{"error":{"code":"invalid","message":"m","fields":{"since":"too early"}}}'
    question = understood(200, body, notice=False)
    assert question.error is not None
    assert json.loads(question.error) == {"code": "invalid", "message": "m", "fields": {"since": "too early"}}
    assert understood(200, body, notice=True).code == "hook_raised"


async def moved(world: World, app_id: str, url: str) -> None:
    """The app now answers elsewhere, as if its machine had changed behind the same address."""
    from assigntask.db import tables as t

    update = t.remote_app.update().where(t.remote_app.c.app_id == app_id).values(url=url)
    await world.platform.db.write(lambda conn: conn.execute(update))


def closed_port() -> int:
    with bound() as taken:
        return int(taken.getsockname()[1])


@asynccontextmanager
async def raw(answer: bytes) -> AsyncIterator[str]:
    """A server that reads a request's head and sends these bytes."""

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(one, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
