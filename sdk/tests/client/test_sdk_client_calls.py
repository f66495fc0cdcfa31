"""What the client sends, and what it makes of the answers."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl

import httpx2
import pytest

from assigntask_sdk.client import ApiError, Client, Token
from assigntask_sdk.client.address import api_url, token_url
from assigntask_sdk.client.failures import failure
from assigntask_sdk.errors import AppError, Conflict, Gone, Invalid, NotFound, NotShared, Refused, TryLater, Vetoed
from assigntask_sdk.records import Due, PersonId, TaskId
from assigntask_sdk.storage import Delete, Entry, Put

TASK = {"id": "t", "version": 3, "summary": "Oil", "due": {"day": "2026-03-09", "at": None}, "assignees": []}


def query(request: httpx2.Request) -> list[tuple[str, str]]:
    return parse_qsl(request.url.query.decode(), keep_blank_values=True)


# Addresses


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("https://host.example", "https://host.example/api/v1"),
        ("https://host.example/", "https://host.example/api/v1"),
        ("https://host.example/api/v1", "https://host.example/api/v1"),
        ("https://host.example/tasks/api/v1/", "https://host.example/tasks/api/v1"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/api/v1"),
        ("http://localhost:8000", "http://localhost:8000/api/v1"),
        ("http://[::1]:8000", "http://[::1]:8000/api/v1"),
    ],
)
def test_the_api_is_found_from_the_hosts_address(given: str, expected: str) -> None:
    assert api_url(given) == expected
    assert token_url(expected) == expected.removesuffix("/api/v1") + "/oauth/token"


@pytest.mark.parametrize(
    "given",
    [
        "http://host.example",
        "http://10.0.0.1",
        "ftp://host.example",
        "host.example",
        "",
        "https://",
        "https://ada:secret@host.example",
        "https://host.example/?a=b",
        "https://host.example:port",
        "https://[::1",
    ],
)
def test_tokens_go_nowhere_but_over_https_or_to_this_machine(given: str) -> None:
    with pytest.raises(ApiError, match="base_url") as raised:
        Client(given, Token("at_x"))
    assert raised.value.code == "address_refused"


# Errors


@pytest.mark.parametrize(
    ("status", "body", "expected", "facts"),
    [
        (404, {"code": "not_found", "detail": "No such task"}, NotFound, {}),
        (403, {"code": "refused", "detail": "Needs it", "scope": "tasks:write"}, Refused, {"scope": "tasks:write"}),
        (410, {"code": "gone", "detail": "Not active"}, Gone, {}),
        (409, {"code": "conflict", "detail": "First", "keys": ["k"]}, Conflict, {"keys": ["k"]}),
        (412, {"code": "conflict", "detail": "First"}, Conflict, {"keys": []}),
        (422, {"code": "invalid", "detail": "No", "fields": {"due": "x"}}, Invalid, {"fields": {"due": "x"}}),
        (400, {"code": "invalid", "detail": "No", "fields": {"a": "b"}}, Invalid, {"fields": {"a": "b"}}),
        (
            409,
            {"code": "vetoed", "detail": "Guard refuses", "app": "guard", "reason": "r", "field": "due"},
            Vetoed,
            {"app": "guard", "reason": "r", "field": "due"},
        ),
        (429, {"code": "rate_limited", "detail": "Slower"}, TryLater, {"after": 4.0}),
        (503, {"code": "try_later", "detail": "Busy", "after": None}, TryLater, {"after": 4.0}),
        (502, None, TryLater, {"after": 4.0}),
        (500, {"code": "host_error", "detail": "Inside", "id": "e1"}, ApiError, {"id": "e1"}),
        (422, {"code": "idempotency_mismatch", "detail": "Other"}, ApiError, {}),
        (500, None, ApiError, {}),
        (404, None, ApiError, {}),
    ],
)
def test_an_error_comes_back_as_it_was_raised(status: int, body: Any, expected: type[AppError], facts: Any) -> None:
    made = failure(status, b"<html>" if body is None else httpx2.Response(status, json=body).content, after=4.0)
    assert type(made) is expected
    assert made.facts == facts
    if body is not None:
        assert made.message == body["detail"]


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'"x"', b"\xff", b"[" * 100_000, b'{"code": 3, "detail": {}}'])
def test_whatever_a_proxy_answers_is_an_error_with_a_code(body: bytes) -> None:
    made = failure(418, body, after=None)
    assert isinstance(made, ApiError)
    assert (made.code, made.status) == ("answer_unexpected", 418)
    assert "base_url" in made.message


async def test_a_redirect_is_not_followed(host: Any, says: Any) -> None:
    host.answers(says(301, location="https://elsewhere.example/api/v1/tasks/t"))
    async with host.client() as client:
        with pytest.raises(ApiError, match=r"elsewhere\.example") as raised:
            await client.tasks.get("t")
    assert (raised.value.code, len(host.requests)) == ("redirected", 1)


@pytest.mark.parametrize(
    "answer", [[], {"items": 3, "next": None}, {"items": []} | {"next": 3}, "no", {"items": ["x"]}]
)
async def test_an_answer_of_another_form_is_told(host: Any, says: Any, answer: Any) -> None:
    host.answers(says(200, answer))
    async with host.client() as client:
        with pytest.raises(ApiError) as raised:
            await anext(client.tasks.list())
    assert raised.value.code == "answer_invalid"


async def test_an_answer_that_is_no_json_is_told(host: Any) -> None:
    host.answers(httpx2.Response(200, content=b"<html>"))
    async with host.client() as client:
        with pytest.raises(ApiError, match="base_url"):
            await client.installation()


# Calls


async def test_a_task_is_a_record_without_what_was_not_released(host: Any, says: Any) -> None:
    host.answers(says(200, TASK))
    async with host.client() as client:
        task = await client.tasks.get("a/b?c", fields=["summary", "due"])
    assert (task.summary, task.due) == ("Oil", Due(dt.date(2026, 3, 9)))
    with pytest.raises(NotShared):
        task.creator  # noqa: B018
    assert str(host.last.url) == "https://host.example/api/v1/tasks/a%2Fb%3Fc?fields=summary&fields=due"
    assert host.last.headers["authorization"] == "Bearer at_secret"


async def test_no_field_at_all_leaves_the_id(host: Any, says: Any) -> None:
    host.answers(says(200, {"id": "t", "version": 1}))
    async with host.client() as client:
        await client.tasks.get("t", fields=[])
    assert query(host.last) == [("fields", "id")]


@pytest.mark.parametrize("id", ["", ".", "..", "\ud800", None])
async def test_what_can_be_no_id_is_not_found_without_asking(host: Any, id: Any) -> None:
    async with host.client() as client:
        for call in (client.tasks.get, client.people.get, client.jobs.get, client.attachments.remove):
            with pytest.raises(NotFound):
                await call(id)
    assert host.requests == []


async def test_a_list_is_read_page_by_page_as_it_is_used(host: Any, says: Any) -> None:
    first = {"items": [{"id": str(n), "version": 1} for n in range(2)], "next": "c1"}
    host.answers(says(200, first), says(200, {"items": [], "next": "c2"}), says(200, {"items": [TASK], "next": None}))
    read: list[int] = []
    since = dt.datetime(2026, 3, 2, 13, tzinfo=dt.timezone(dt.timedelta(hours=1)))
    async with host.client(progress=read.append) as client:
        tasks = client.tasks.list(fields=["due"], project="p", done=False, updated_since=since)
        assert host.requests == []
        await anext(tasks)
        assert len(host.requests) == 1
        assert [task.id async for task in tasks] == ["1", "t"]
    sent = [("fields", "due"), ("project", "p"), ("done", "false"), ("updated_since", "2026-03-02T12:00:00Z")]
    assert query(host.requests[0]) == [*sent, ("limit", "200")]
    assert query(host.requests[2]) == [*sent, ("limit", "200"), ("cursor", "c2")]
    assert read == [2, 2, 3]


async def test_many_ids_are_one_call(host: Any, says: Any) -> None:
    host.answers(says(200, {"items": [TASK], "next": None}))
    async with host.client() as client:
        assert set(await client.tasks.get_many(["t", "u", "t"])) == {"t"}
        assert query(host.last) == [("ids", "t"), ("ids", "u")]
        assert await client.people.get_many([]) == {}
        with pytest.raises(Invalid):
            await client.people.get_many(["x"] * 201)
    assert len(host.requests) == 1


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.tasks.edit("t", colour="red"),
        lambda c: c.tasks.edit("t", summary=object()),
        lambda c: c.tasks.edit("t", summary="\ud800"),
        lambda c: c.tasks.edit("t", summary="x", if_version="3"),
        lambda c: c.tasks.get("t", fields="due"),
        lambda c: anext(c.tasks.list(sumary="x")),
        lambda c: anext(c.tasks.list(updated_since=dt.datetime(2026, 3, 2))),  # noqa: DTZ001
        lambda c: c.problems.report("", "x"),
        lambda c: c.jobs.start("n", float("nan"), key="k"),
        lambda c: c.storage.commit(Put("k", float("inf"))),
        lambda c: c.storage.commit(Put("", 1), Delete("\x00")),
        lambda c: c.storage.commit(*(Put(str(n), n) for n in range(1001))),
        lambda c: c.storage.commit(Put("k", 1, if_version=True)),
        lambda c: c.storage.commit("k"),
        lambda c: c.storage.get(""),
        lambda c: anext(c.storage.scan("\ud800")),
    ],
)
async def test_what_can_not_be_sent_is_invalid_without_asking(host: Any, call: Any) -> None:
    async with host.client() as client:
        with pytest.raises(Invalid):
            await call(client)
    assert host.requests == []


async def test_an_edit_says_only_what_changes(host: Any, says: Any) -> None:
    host.answers(says(200, {"id": "t", "version": 4}))
    async with host.client() as client:
        assert await client.tasks.edit("t", due=Due(dt.date(2026, 3, 9)), start=None, labels=("a", "b")) == 4
    assert host.body() == {"due": {"day": "2026-03-09", "at": None}, "start": None, "labels": ["a", "b"]}
    assert "if-match" not in host.last.headers


async def test_a_key_makes_a_call_safe_by_itself(host: Any, says: Any) -> None:
    host.answers(says(503), says(201, {"id": "c"}))
    async with host.client() as client:
        await client.tasks.comment("t", "Done", key="ü 1")
    assert [host.body(n) for n in (0, 1)] == [{"text": "Done", "key": "ü 1"}] * 2
    assert "idempotency-key" not in host.last.headers


async def test_as_a_person_names_them_where_people_count(host: Any, says: Any) -> None:
    host.answers(says(200, {"items": [], "next": None}))
    async with host.client() as client:
        person = client.as_person(PersonId("p_1"))
        await person.comments.list("t")
        assert host.last.headers["assigntask-person"] == "p_1"
        await person.storage.get("k")  # the app's own, whoever it acts for
        assert "assigntask-person" not in host.last.headers
        with pytest.raises(NotFound):
            await client.as_person(PersonId("no\nbody")).comments.list("t")


async def test_other_rights_use_the_same_connections(host: Any, says: Any) -> None:
    host.answers(says(200, TASK))
    async with host.client() as client:
        async with client.with_auth(Token("ct_other")) as other:
            await other.tasks.get(TaskId("t"))
        assert host.last.headers["authorization"] == "Bearer ct_other"
        await client.tasks.get("t")  # it is not closed with the other


# Storage


async def test_a_commit_holds_json_and_bytes(host: Any, says: Any) -> None:
    host.answers(says(204))
    async with host.client() as client:
        await client.storage.task(TaskId("t")).commit(Put("a", {"ü": [1, None]}), Put("b", b"\xff", 0), Delete("c", 4))
    assert host.last.url.path == "/api/v1/tasks/t/storage/commit"
    assert host.body() == {
        "operations": [
            {"put": {"key": "a", "value": {"ü": [1, None]}}},
            {"put": {"key": "b", "bytes": "/w==", "if_version": 0}},
            {"delete": {"key": "c", "if_version": 4}},
        ]
    }


async def test_a_commit_that_depends_on_versions_has_an_idempotency_key(host: Any, says: Any) -> None:
    host.answers(says(204))
    async with host.client() as client:
        await client.storage.commit(Put("a", 1, if_version=0))
        await client.storage.commit(Put("a", 1))
    assert ["idempotency-key" in request.headers for request in host.requests] == [True, False]


async def test_entries_come_back_as_they_were_put(host: Any, says: Any) -> None:
    items = [{"key": "a", "version": 1, "value": None}, {"key": "b", "version": 2, "bytes": "/w=="}]
    host.answers(says(200, {"items": items, "next": None}))
    async with host.client() as client:
        assert await client.storage.get_many(["a", "b", "c"]) == {"a": Entry(None, 1), "b": Entry(b"\xff", 2)}
        assert await client.storage.get("b") == Entry(b"\xff", 2)


async def test_long_lists_of_keys_are_asked_for_in_parts(host: Any, says: Any) -> None:
    host.answers(says(200, {"items": [], "next": None}))
    async with host.client() as client:
        await client.storage.get_many([f"{n:03}" for n in range(450)])
        assert [len(query(request)) for request in host.requests] == [200, 200, 50]
        await client.storage.get_many([c * 512 for c in "abcdefgh"])
        assert max(len(request.url.query) for request in host.requests) < 8000
        with pytest.raises(Invalid):
            await client.storage.get_many([str(n) for n in range(1001)])


async def test_a_scan_goes_on_behind_the_last_key(host: Any, says: Any) -> None:
    page = {"items": [{"key": "p/1", "version": 1, "value": 1}], "next": "p/1"}
    host.answers(says(200, page), says(200, {"items": [], "next": None}))
    async with host.client() as client:
        assert [key async for key, _ in client.storage.person(PersonId("p_1")).scan("p/", after="p/0")] == ["p/1"]
    assert [dict(query(request))["after"] for request in host.requests] == ["p/0", "p/1"]
    assert host.last.url.path == "/api/v1/people/p_1/storage/entries"


async def test_apply_commits_in_chunks_and_keeps_the_order_of_a_key(host: Any, says: Any) -> None:
    async def operations() -> AsyncIterator[Put]:
        for number in range(1200):
            yield Put(f"k{number}", number)
        yield Put("k1199", "again")

    host.answers(says(204))
    async with host.client() as client:
        await client.storage.apply(operations())
    assert [len(host.body(n)["operations"]) for n in range(len(host.requests))] == [1000, 200, 1]


# Files


async def pieces(*of: bytes) -> AsyncIterator[bytes]:
    for piece in of:
        yield piece


async def test_a_file_is_sent_as_it_comes(host: Any, says: Any) -> None:
    host.answers(says(201, {"id": "a", "version": 1}))
    async with host.client() as client:
        assert await client.attachments.add_file("t", "ü.txt", pieces(b"ab", b"c"), key="k") == "a"
    assert host.last.content == b"abc"
    assert query(host.last) == [("name", "ü.txt"), ("key", "k")]
    assert host.last.headers["content-type"] == "application/octet-stream"


async def test_a_file_that_was_begun_is_not_sent_again(host: Any, says: Any) -> None:
    host.answers(says(503))
    async with host.client() as client:
        with pytest.raises(TryLater):
            await client.attachments.add_file("t", "x", pieces(b"ab"), key="k")
    assert len(host.requests) == 1


async def test_a_file_that_never_left_is_sent_again(host: Any, says: Any) -> None:
    host.answers(httpx2.ConnectError("away"), says(201, {"id": "a"}))
    async with host.client() as client:
        assert await client.attachments.add_file("t", "x", pieces(b"ab"), key="k") == "a"
    assert host.last.content == b"ab"


class BreaksOff(httpx2.AsyncByteStream):
    def __init__(self) -> None:
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"first"
        raise httpx2.ReadError("cut off")

    async def aclose(self) -> None:
        self.closed = True


async def test_a_download_waits_and_is_told_when_it_breaks_off(says: Any) -> None:
    stream = BreaksOff()
    answers = [says(503, retry_after=0), httpx2.Response(200, stream=stream)]

    class Host(httpx2.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            return answers.pop(0)

    got: list[bytes] = []
    async with Client("https://host.example", Token("at_x"), transport=Host()) as client:
        with pytest.raises(TryLater):
            async for piece in client.attachments.content("a"):  # type: ignore[arg-type]
                got.append(piece)
    assert (got, stream.closed) == ([b"first"], True)


# The app itself


async def test_problems_events_jobs_and_settings(host: Any, says: Any) -> None:
    moment = "2026-03-02T12:00:00Z"
    job = {"id": "j", "name": "n", "state": "running", "done": 1, "total": None, "text": None}
    job |= {"started": moment, "changed": moment}
    problem = {"key": "k", "text": "x", "severity": "info", "count": 2, "first_at": moment, "last_at": moment}
    host.answers(
        says(204),
        says(200, {"items": [problem], "next": None}),
        says(200, {"items": [], "next": "7", "more": False}),
        says(201, {"id": "j"}),
        says(200, job),
        says(204),
        says(200, {"settings": {"colour": "green"}}),
    )
    async with host.client() as client:
        await client.problems.report("a/b", "x", severity="info")
        assert host.last.url.raw_path == b"/api/v1/problems/a%2Fb"
        assert (await client.problems.list())[0].count == 2
        assert (await client.events.list(after="3")).next == "7"
        assert await client.jobs.start("n", {"a": 1}, key="k") == "j"
        assert (await client.jobs.get("j")).started == dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
        await client.jobs.progress("j", 2, text="Half")
        assert host.body() == {"done": 2, "text": "Half"}
        assert await client.settings.get() == {"colour": "green"}


def test_an_app_that_does_not_call_the_api_does_not_load_its_client() -> None:
    code = "import sys, assigntask_sdk, assigntask_sdk.events; print([m for m in sys.modules if 'httpx' in m])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
