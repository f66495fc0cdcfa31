"""When a call is tried again."""

from __future__ import annotations

import datetime as dt
from typing import Any

import httpx2
import pytest

from assigntask_sdk.client import Client, Token
from assigntask_sdk.client.retrying import Patience, retry, seconds_of
from assigntask_sdk.errors import Conflict, NotFound, TryLater
from assigntask_sdk.records import TaskId

NOW = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
TASK = {"id": "t", "version": 1, "summary": "Oil the chain"}

AGAIN, NEVER = True, False


@pytest.mark.parametrize(
    ("method", "idempotent", "failure", "expected"),
    [
        ("GET", False, 503, AGAIN),
        ("GET", False, 502, AGAIN),
        ("GET", False, 504, AGAIN),
        ("GET", False, 429, AGAIN),
        ("GET", False, "unsent", AGAIN),
        ("GET", False, "unanswered", AGAIN),
        ("PUT", False, 503, AGAIN),
        ("DELETE", False, "unanswered", AGAIN),
        ("POST", True, 503, AGAIN),
        ("POST", True, "unanswered", AGAIN),
        ("POST", False, 503, NEVER),
        ("POST", False, "unanswered", NEVER),
        ("POST", False, 429, AGAIN),  # refused before anything was done
        ("POST", False, "unsent", AGAIN),
        ("PATCH", False, 503, NEVER),
        ("PATCH", False, 429, AGAIN),
        ("GET", False, 500, NEVER),
        ("GET", False, 404, NEVER),
        ("GET", False, 301, NEVER),
        ("POST", True, 409, NEVER),
    ],
)
def test_what_is_tried_again(method: str, idempotent: bool, failure: Any, expected: bool) -> None:
    assert (retry(1, method, idempotent=idempotent, failure=failure, now=NOW) is not None) is expected


def test_a_first_try_that_still_runs_is_waited_for() -> None:
    assert retry(1, "POST", idempotent=True, failure=409, retry_after="2", now=NOW, jitter=0) == 2


def test_waits_grow_and_the_fourth_try_is_the_last() -> None:
    waits = [retry(attempt, "GET", idempotent=True, failure=503, now=NOW) for attempt in (1, 2, 3, 4)]
    assert waits == [0.25, 0.5, 1.0, None]


def test_clients_come_back_apart_from_each_other() -> None:
    waits = [retry(1, "GET", idempotent=True, failure=503, now=NOW, jitter=jitter) for jitter in (0.0, 0.5, 1.0)]
    assert waits == [0.125, 0.1875, 0.25]


def test_nobody_comes_back_earlier_than_asked() -> None:
    assert retry(1, "GET", idempotent=True, failure=503, retry_after="7", now=NOW, jitter=0) == 7
    assert retry(1, "GET", idempotent=True, failure=503, retry_after="7", now=NOW, jitter=1) == 7.125


def test_all_waits_together_take_at_most_a_minute() -> None:
    assert retry(1, "GET", idempotent=True, failure=429, retry_after="61", now=NOW) is None
    assert retry(2, "GET", idempotent=True, failure=429, retry_after="30", waited=31, now=NOW) is None
    assert retry(2, "GET", idempotent=True, failure=429, retry_after="20", waited=31, now=NOW) is not None


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("Mon, 02 Mar 2026 12:00:30 GMT", 30.0),
        ("Mon, 02 Mar 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("-1", None),
        ("", None),
        (None, None),
        ("9" * 400, 999999999.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, expected: float | None) -> None:
    assert seconds_of(header, NOW) == expected


async def test_a_read_is_tried_until_it_works(host: Any, says: Any) -> None:
    host.answers(says(503, retry_after=2), httpx2.ReadError("cut off"), says(200, TASK))
    async with host.client() as client:
        assert (await client.tasks.get("t")).summary == "Oil the chain"
    assert len(host.requests) == 3
    assert host.waits[0] >= 2
    assert [code for _, code in host.told] == ["try_later", "try_later"]


async def test_try_later_is_raised_in_the_end(host: Any, says: Any) -> None:
    host.answers(says(503, {"code": "try_later", "detail": "Busy"}, retry_after=1))
    async with host.client() as client:
        with pytest.raises(TryLater, match="Busy") as raised:
            await client.tasks.get("t")
    assert (len(host.requests), raised.value.after) == (4, 1.0)


async def test_a_long_retry_after_is_told_and_not_waited_for(host: Any, says: Any) -> None:
    host.answers(says(429, retry_after=3600))
    async with host.client() as client:
        with pytest.raises(TryLater) as raised:
            await client.tasks.get("t")
    assert (host.waits, raised.value.after) == ([], 3600.0)


async def test_a_host_that_is_away_is_try_later(host: Any) -> None:
    host.answers(httpx2.ConnectError("refused"))
    async with host.client() as client:
        with pytest.raises(TryLater, match=r"host\.example can't be reached"):
            await client.tasks.get("t")
    assert len(host.requests) == 4


async def test_a_post_keeps_its_key_over_all_tries(host: Any, says: Any) -> None:
    host.answers(says(503), httpx2.ReadTimeout("slow"), says(201, {"id": "t", "version": 1}))
    async with host.client() as client:
        await client.tasks.create("New", project="p")
        await client.tasks.create("New", project="p")
    keys = [request.headers["idempotency-key"] for request in host.requests]
    assert keys[0] == keys[1] == keys[2] != keys[3]


async def test_an_edit_whose_answer_is_lost_is_not_made_twice(host: Any, says: Any) -> None:
    host.answers(httpx2.ReadError("cut off"))
    async with host.client() as client:
        with pytest.raises(TryLater, match="did not answer"):
            await client.tasks.edit("t", summary="New")
    assert len(host.requests) == 1


async def test_what_an_earlier_try_removed_is_removed(host: Any, says: Any) -> None:
    gone = says(404, {"code": "not_found", "detail": "No such attachment"})
    host.answers(httpx2.ReadError("cut off"), gone)
    async with host.client() as client:
        await client.attachments.remove("a")
        host.answers(gone)
        with pytest.raises(NotFound):
            await client.attachments.remove("a")


async def test_what_failed_for_good_is_not_tried_again(host: Any, says: Any) -> None:
    host.answers(says(412, {"code": "conflict", "detail": "Somebody was first", "keys": []}))
    async with host.client() as client:
        with pytest.raises(Conflict, match="Somebody was first"):
            await client.tasks.edit("t", summary="New", if_version=3)
    assert [request.headers["if-match"] for request in host.requests] == ['"3-any"']


async def test_one_try_is_made_where_patience_says_so(host: Any, says: Any) -> None:
    host.answers(says(503))
    async with Client("https://host.example", Token("at_x"), transport=host, patience=Patience(tries=1)) as client:
        with pytest.raises(TryLater):
            await client.tasks.get(TaskId("t"))
    assert len(host.requests) == 1
