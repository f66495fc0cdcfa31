"""The blocking client: the same names, for any number of threads."""

from __future__ import annotations

import asyncio
import datetime as dt
import inspect
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from assigntask_sdk import context
from assigntask_sdk.client import ApiError, Client, Refreshing, SyncClient, Token
from assigntask_sdk.client.ctx import WireCtx
from assigntask_sdk.errors import Invalid, NotFound
from assigntask_sdk.storage import Put, Store

TASK = {"id": "t", "version": 3, "summary": "Oil"}
PARTS = {
    "tasks": context.Tasks,
    "comments": context.Comments,
    "checklists": context.Checklists,
    "people": context.People,
    "projects": context.Projects,
    "organisation": context.Organisations,
    "departments": context.Departments,
    "task_types": context.TaskTypes,
    "attachments": context.Attachments,
    "storage": context.Storage,
    "problems": context.Problems,
    "events": context.Events,
    "jobs": context.Jobs,
}
AT_HAND = {"viewer", "settings", "deadline", "log", "now", "granted", "as_person", "refresh"}
TAKES_ITERABLES = {"add_file", "apply"}


def methods(protocol: Any) -> dict[str, Any]:
    names = {name for each in protocol.__mro__ if each.__module__.startswith("assigntask_sdk") for name in vars(each)}
    return {name: getattr(protocol, name) for name in names if not name.startswith("_")}


def parameters(function: Any) -> list[tuple[str, Any, Any]]:
    found = inspect.signature(function, eval_str=False).parameters.values()
    return [(each.name, each.kind, each.default) for each in found if each.name != "self"]


def test_all_of_ctx_is_there() -> None:
    assert {name for name in vars(context.Ctx) if not name.startswith("_")} == {*PARTS, *AT_HAND}


@pytest.mark.parametrize("kind", [Client, SyncClient])
@pytest.mark.parametrize("part", PARTS)
def test_names_and_parameters_are_those_of_ctx(part: str, kind: Any) -> None:
    client = kind("https://host.example", Token("at_x"), transport=httpx2.MockTransport(lambda r: httpx2.Response(500)))
    for name, wanted in methods(PARTS[part]).items():
        given = parameters(getattr(getattr(client, part), name))
        if kind is SyncClient and name not in TAKES_ITERABLES:
            given = [each for each in given if each[0] != "self"]
        assert given == parameters(wanted), name
    if kind is SyncClient:
        client.close()


def test_a_store_of_a_task_has_the_same_names(sync_client: Any) -> None:
    for name, wanted in methods(Store).items():
        assert parameters(getattr(sync_client.storage.task("t"), name)) == parameters(wanted), name


def test_a_call_blocks_until_its_answer(host: Any, says: Any, sync_client: Any) -> None:
    host.answers(says(200, TASK), says(404, {"code": "not_found", "detail": "No"}))
    assert sync_client.tasks.get("t", fields=["summary"]).summary == "Oil"
    with pytest.raises(NotFound):
        sync_client.tasks.get("u")


def test_a_list_is_an_iterator_over_its_pages(host: Any, says: Any, sync_client: Any) -> None:
    pages = [{"items": [TASK] * 3, "next": "c"}, {"items": [TASK], "next": None}]
    host.answers(*(says(200, page) for page in pages))
    tasks = sync_client.tasks.list()
    assert host.requests == []
    next(tasks)
    assert len(host.requests) == 1
    assert len(list(tasks)) == 3


def test_a_list_that_is_given_up_is_closed(host: Any, says: Any, sync_client: Any) -> None:
    host.answers(says(200, {"items": [TASK] * 3, "next": "c"}))
    for _ in sync_client.tasks.list():
        break
    assert len(host.requests) == 1


def test_a_wrong_filter_is_invalid(sync_client: Any) -> None:
    with pytest.raises(Invalid):
        next(sync_client.tasks.list(colour="red"))


def test_files_go_both_ways(host: Any, says: Any, sync_client: Any, tmp_path: Path) -> None:
    path = tmp_path / "plan.txt"
    path.write_bytes(b"one\ntwo\n")
    host.answers(says(201, {"id": "a"}), httpx2.Response(200, content=b"one\ntwo\n"))
    with path.open("rb") as file:
        assert sync_client.attachments.add_file("t", "plan.txt", file, key="k") == "a"
    assert host.last.content == b"one\ntwo\n"
    assert b"".join(sync_client.attachments.content("a")) == b"one\ntwo\n"


def test_apply_takes_any_iterable(host: Any, says: Any, sync_client: Any) -> None:
    host.answers(says(204))
    sync_client.storage.person("p_1").apply(Put(f"k{number}", number) for number in range(1001))
    assert [len(host.body(number)["operations"]) for number in (0, 1)] == [1000, 1]


def test_several_threads_share_one_client(host: Any, says: Any, sync_client: Any) -> None:
    together = threading.Barrier(4, timeout=10)
    host.answers(lambda request: says(200, {**TASK, "id": request.url.path.rpartition("/")[2]}))

    def read(id: str) -> str:
        together.wait()
        return str(sync_client.tasks.get(id).id)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(read, "abcd")) == list("abcd")


def test_a_closed_client_says_so(host: Any, sync_client: Any) -> None:
    sync_client.close()
    sync_client.close()
    with pytest.raises(ApiError) as raised:
        sync_client.tasks.get("t")
    assert raised.value.code == "client_closed"
    assert not any(thread.name == "assigntask-client" for thread in threading.enumerate())


def test_closing_ends_a_call_that_waits(host: Any) -> None:
    asked, ended = threading.Event(), threading.Event()
    client: Any = None

    async def never(request: httpx2.Request) -> httpx2.Response:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    host.answers(never)
    client = host.client(kind=SyncClient)

    def call() -> None:
        with pytest.raises(ApiError) as raised:
            client.tasks.get("t")
        assert raised.value.code == "client_closed"
        ended.set()

    thread = threading.Thread(target=call)
    thread.start()
    assert asked.wait(10)
    client.close()
    thread.join(10)
    assert ended.is_set()


def test_as_person_is_the_same_client(host: Any, says: Any, sync_client: Any) -> None:
    host.answers(says(200, TASK))
    with sync_client.as_person("p_1") as person:
        person.tasks.get("t")
    assert host.last.headers["assigntask-person"] == "p_1"
    sync_client.tasks.get("t")  # it is not closed with the other


def test_rotated_tokens_are_kept_by_a_plain_function(host: Any, says: Any) -> None:
    token = {"access_token": "at_1", "refresh_token": "rt_1", "expires_in": 3600}
    host.answers(says(200, token), says(200, TASK))
    kept: list[Any] = []
    with host.client(Refreshing("c_1", refresh_token="rt_0", on_rotated=kept.append), kind=SyncClient) as client:
        client.tasks.get("t")
    assert [tokens.refresh_token for tokens in kept] == ["rt_1"]


def test_a_callback_that_uses_its_own_client_is_told(host: Any, says: Any) -> None:
    host.answers(says(503), says(200, TASK))
    failed: list[str] = []

    def on_wait(seconds: float, error: Exception) -> None:
        try:
            client.tasks.get("t")
        except ApiError as told:
            failed.append(told.code)

    with SyncClient(
        "https://host.example", Token("at_x"), transport=host, patience=host.patience(), on_wait=on_wait
    ) as client:
        client.tasks.get("t")
    assert failed == ["client_in_itself"]


def test_a_hooks_ctx_has_at_hand_what_came_with_the_call(says: Any) -> None:
    client = Client("https://host.example", Token("ct_x"), transport=httpx2.MockTransport(lambda r: says(204)))
    deadline = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
    offset = dt.timedelta(days=-300)
    ctx: context.Ctx = WireCtx(
        client,
        viewer=None,
        settings={"colour": "green"},
        deadline=deadline,
        granted=["tasks:read"],
        now_offset=offset,
    )
    assert (ctx.viewer, ctx.settings["colour"], ctx.deadline) == (None, "green", deadline)
    assert ctx.granted("tasks:read") and not ctx.granted("tasks:write")
    assert abs(ctx.now() - dt.datetime.now(dt.UTC) - offset) < dt.timedelta(minutes=1)
    assert ctx.as_person("p_1").granted("tasks:read")  # type: ignore[arg-type]
