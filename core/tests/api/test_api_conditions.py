"""ETag, If-None-Match, If-Match, Idempotency-Key."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any

import pytest
import sqlalchemy as sa

from assigntask.api import conditions, idempotency
from assigntask.api.problems import Problem
from assigntask.db import tables as t


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ('"a"', [(False, "a")]),
        ('W/"a"', [(True, "a")]),
        ('"a", W/"b,c" ,"d"', [(False, "a"), (True, "b,c"), (False, "d")]),
        ('""', [(False, "")]),
        (" * ", None),
    ],
)
def test_tags_are_read_as_they_are_written(header: str, found: Any) -> None:
    assert conditions.tags(header, "If-Match") == found


@pytest.mark.parametrize(
    "header", ["", "a", '"a', '"a" "b"', '"a",', 'w/"a"', "*, *", '"a" x', '"\x01"', '"a",' * 30 + '"a"']
)
def test_what_is_no_list_of_tags_is_refused(header: str) -> None:
    with pytest.raises(Problem) as raised:
        conditions.tags(header, "If-Match")
    assert raised.value.code == "request_malformed"


def test_a_weak_or_foreign_tag_matches_no_version() -> None:
    assert conditions.versions('W/"3-abc", "x", "5-abc", "5-other"') == [5]
    assert conditions.versions("*") is None


async def test_a_304_releases_nothing_and_is_not_recorded(world: Any) -> None:
    token, path = await world.token(), f"/tasks/{world.ids['north']['near task']}?fields=summary"
    first = await world.call("GET", path, token)
    tag = first.headers["etag"]
    assert first.headers["cache-control"] == "private, no-cache"
    world.clock.advance(days=1)  # what is given now would be a new entry
    token = await world.token()
    before = await world.given()
    for given in (tag, f'W/{tag}, "other"', "*"):
        answer = await world.call("GET", path, token, if_none_match=given)
        assert (answer.status, answer.body) == (304, b"")
        assert "content-length" not in answer.headers
    assert await world.given() == before
    assert (await world.call("GET", path, token)).status == 200
    assert len(await world.given()) == len(before) + 1


async def test_the_tag_changes_with_all_that_the_answer_depends_on(world: Any) -> None:
    token, task = await world.token(), world.ids["north"]["near task"]
    path = f"/tasks/{task}"
    tags = [(await world.call("GET", path, token)).headers["etag"]]
    tags.append((await world.call("GET", f"{path}?fields=summary", token)).headers["etag"])
    tags.append((await world.call("GET", path, await world.token(scopes=["tasks:read"]))).headers["etag"])
    edited = await world.call("PATCH", path, token, body={"summary": "Other"})
    tags.append(edited.headers["etag"])
    assert (await world.call("GET", path, token, if_none_match=edited.headers["etag"])).status == 304
    await world.platform.objections.object(world.doer("ben"), "whole-app")
    tags.append((await world.call("GET", path, await world.token())).headers["etag"])
    assert len(set(tags)) == len(tags)


async def test_a_304_needs_the_same_right_as_the_answer(world: Any) -> None:
    path = f"/tasks/{world.ids['north']['near task']}"
    tag = (await world.call("GET", path, await world.token())).headers["etag"]
    answer = await world.call("GET", path, await world.token(scopes=["comments:read"]), if_none_match=tag)
    assert answer.status == 403
    far = f"/tasks/{world.ids['north']['far task']}"
    assert (await world.call("GET", far, await world.token(), if_none_match="*")).status == 404


async def test_a_lost_update_is_refused(world: Any) -> None:
    token, path = await world.token(), f"/tasks/{world.ids['north']['near task']}"
    tag = (await world.call("GET", f"{path}?fields=summary", token)).headers["etag"]
    first = await world.call("PATCH", path, token, body={"summary": "One"}, if_match=tag)
    assert first.status == 200
    second = await world.call("PATCH", path, token, body={"summary": "Two"}, if_match=tag)
    assert (second.status, second.json["code"]) == (412, "conflict")
    for given, status in (
        ('"0-x"', 412),
        (f"W/{first.headers['etag']}", 412),
        ("x", 400),
        (f'"1-x", {first.headers["etag"]}', 200),
    ):
        answer = await world.call("PATCH", path, token, body={"summary": given}, if_match=given)
        assert answer.status == status, (given, answer.body)
    answer = await world.call("POST", f"{path}/archive", token, if_match=tag)
    assert (answer.status, answer.json["code"]) == (412, "conflict")
    assert (await world.call("POST", f"{path}/archive", token, if_match="*")).json["version"] == 4


async def test_the_same_key_gets_the_same_answer_and_makes_one_record(world: Any) -> None:
    token, near = await world.token(), world.ids["north"]["near"]
    body = {"project": near, "summary": "Once"}
    answers = [await world.call("POST", "/tasks", token, body=body, idempotency_key=key) for key in ("k", "k", '"k"')]
    assert {(each.status, each.body, each.headers["location"]) for each in answers} == {
        (201, answers[0].body, answers[0].headers["location"])
    }
    tasks = (await world.call("GET", "/tasks?fields=summary", token)).json["items"]
    assert [task["summary"] for task in tasks].count("Once") == 1
    other = await world.call("POST", "/tasks", token, body={**body, "summary": "Twice"}, idempotency_key="k")
    assert (other.status, other.json["code"]) == (422, "idempotency_mismatch")
    elsewhere = await world.call("POST", "/storage/commit", token, body={"operations": []}, idempotency_key="k")
    assert (elsewhere.status, elsewhere.json["code"]) == (422, "idempotency_mismatch")


async def test_a_key_belongs_to_who_used_it(world: Any) -> None:
    ids = world.ids
    made = []
    for place, token in (
        ("north", await world.token()),
        ("north", await world.token(person="ben")),
        ("south", await world.token("south")),
    ):
        body = {"project": ids[place]["near"], "summary": "Once each"}
        answers = [await world.call("POST", "/tasks", token, body=body, idempotency_key="k") for _ in range(2)]
        assert [answer.status for answer in answers] == [201, 201]
        assert answers[0].body == answers[1].body
        made.append(answers[0].json["id"])
    assert len(set(made)) == 3


async def test_of_two_at_once_one_is_done_and_the_other_told_to_wait(world: Any) -> None:
    token, task = await world.token(), world.ids["north"]["near task"]
    calls = [
        world.call("POST", f"/tasks/{task}/comments", token, body={"text": "Hm"}, idempotency_key="k") for _ in range(8)
    ]
    answers = await asyncio.gather(*calls)
    assert {answer.status for answer in answers} <= {201, 409}
    waiting = [answer for answer in answers if answer.status == 409]
    assert all(each.json["code"] == "idempotency_running" and each.headers["retry-after"] == "2" for each in waiting)
    comments = (await world.call("GET", f"/tasks/{task}/comments", token)).json["items"]
    assert len([each for each in comments if each["text"] == "Hm"]) == 1


async def test_what_failed_is_tried_anew_under_its_key(world: Any) -> None:
    token = await world.token()
    put = {"operations": [{"put": {"key": "a", "value": 1, "if_version": 3}}]}
    assert (await world.call("POST", "/storage/commit", token, body=put, idempotency_key="k")).status == 409
    right = {"operations": [{"put": {"key": "a", "value": 1, "if_version": 0}}]}
    assert (await world.call("POST", "/storage/commit", token, body=right, idempotency_key="k")).status == 204


async def test_a_file_under_a_key_is_known_by_its_bytes(world: Any) -> None:
    token, path = await world.token(), f"/tasks/{world.ids['north']['near task']}/files?name=a.txt"
    form = {"content_type": "application/octet-stream", "idempotency_key": "k"}
    first = await world.call("POST", path, token, pieces=[b"hel", b"lo"], **form)
    assert first.status == 201
    again = await world.call("POST", path, token, pieces=[b"h", b"ello"], **form)
    assert (again.status, again.body) == (201, first.body)
    other = await world.call("POST", path, token, pieces=[b"hello!"], **form)
    assert (other.status, other.json["code"]) == (422, "idempotency_mismatch")


@pytest.mark.parametrize("key", ["", "a" * 256, "ä", "a\x01b"])
async def test_a_key_that_cannot_be_kept_is_refused(world: Any, key: str) -> None:
    answer = await world.call("POST", "/tasks", await world.token(), body={}, idempotency_key=key)
    assert (answer.status, answer.json["code"]) == (400, "request_malformed")


async def test_answers_are_kept_for_a_day_and_hold_no_details(world: Any) -> None:
    token, near = await world.token(), world.ids["north"]["near"]
    body = {"project": near, "summary": "Secret"}
    made = await world.call("POST", "/tasks", token, body=body, idempotency_key="k")
    rows = await world.platform.db.read(lambda conn: conn.execute(sa.select(t.api_answer)).all())
    assert len(rows) == 1 and rows[0].body == {"id": made.json["id"], "version": 1}
    assert "Secret" not in str(rows) and "'k'" not in str(rows)
    db = world.platform.db
    assert await db.write(idempotency.sweep, world.clock.now + dt.timedelta(hours=23), 10) == 0
    assert await db.write(idempotency.sweep, world.clock.now + dt.timedelta(hours=25), 10) == 1


async def test_a_key_whose_process_died_is_free_again_after_a_while(world: Any) -> None:
    token = await world.token()
    bearer = await world.tokens.check(token)
    place = idempotency.Place.of(bearer, "k")
    db = world.platform.db
    assert await db.write(idempotency.begin, place, "digest", world.clock.now) is None
    earlier = await db.write(idempotency.begin, place, "digest", world.clock.now)
    assert earlier is not None and earlier.status is None
    later = world.clock.now + idempotency.GIVEN_UP
    assert await db.write(idempotency.begin, place, "digest", later) is None


async def test_keys_are_taken_once_on_both_databases(database_url: str, make_world: Any) -> None:
    async with make_world(database=database_url) as world:
        db = world.platform.db
        place = idempotency.Place.of(await world.tokens.check(await world.token()), "k")
        at = world.clock.now
        taken = await asyncio.gather(*(db.write(idempotency.begin, place, "digest", at) for _ in range(4)))
        assert sum(earlier is None for earlier in taken) == 1
        await db.write(idempotency.give_back, place)
        token, near = await world.token(), world.ids["north"]["near"]
        body = {"project": near, "summary": "Once"}
        answers = [await world.call("POST", "/tasks", token, body=body, idempotency_key="k") for _ in range(2)]
        assert answers[0].status == 201 and answers[0].body == answers[1].body
        assert await db.write(idempotency.sweep, at + dt.timedelta(days=2), 10) == 1
