"""What holds for every request: problems, strictness, headers, pages."""

from __future__ import annotations

import json
from typing import Any

import pytest

from assigntask.api import bodies
from assigntask.api.operations import OPERATIONS
from assigntask.api.problems import KINDS, Problem, problem_of
from assigntask_sdk.errors import ERRORS, Conflict, Invalid, TryLater, error_from_json


def assert_problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    said = answer.json
    assert said["status"] == status
    assert said["code"] == code
    assert said["type"] == f"https://tracker.example/api/v1/#problem-{code}"
    assert said["title"] == KINDS[code].title
    assert said["detail"]
    return dict(said)


def test_every_error_that_an_app_meets_has_a_status_but_those_that_never_cross() -> None:
    assert ERRORS.keys() - KINDS.keys() == {"app_error", "not_shared"}


def test_a_problem_becomes_the_error_that_it_was() -> None:
    for error in (Conflict("Again.", keys=["a"]), Invalid({"due": "no day"}), TryLater("Later.", after=7)):
        known = problem_of(error)
        assert known is not None
        said = known.to_json("https://x.example")
        rebuilt = error_from_json({**said, "message": said["detail"]})
        assert type(rebuilt) is type(error)
        assert all(rebuilt.facts[name] == value for name, value in error.facts.items())


def test_what_nobody_expected_has_no_words_of_its_own() -> None:
    assert problem_of(ValueError("Ada's address")) is None


@pytest.mark.parametrize("path", ["/nowhere", "/tasks/", "/tasks//archive", "/tasks/a/b/c", "/projects/x/y"])
async def test_an_address_that_there_is_not_is_a_problem(world: Any, path: str) -> None:
    assert_problem(await world.call("GET", path), 404, "route_unknown")


async def test_a_method_that_an_address_does_not_take_is_named_with_those_that_it_takes(world: Any) -> None:
    for method in ("PUT", "OPTIONS", "TRACE", "FOO"):
        answer = await world.call(method, "/tasks")
        assert_problem(answer, 405, "method_not_allowed")
        assert answer.headers["allow"] == "GET, HEAD, POST"
    assert_problem(await world.call("POST", "/openapi.json"), 405, "method_not_allowed")


async def test_no_answer_opens_itself_to_other_sites_or_to_caches(world: Any) -> None:
    token = await world.token()
    answer = await world.call("GET", "/projects", token, origin="https://other.example")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_head_is_get_without_the_body(world: Any) -> None:
    token = await world.token()
    answer, whole = await world.call("HEAD", "/projects", token), await world.call("GET", "/projects", token)
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["content-length"] == str(len(whole.body))


@pytest.mark.parametrize(
    ("query", "name", "words"),
    [
        ("limt=5", "limt", "did you mean 'limit'"),
        ("limit=5&limit=6", "limit", "give it once"),
        ("limit=0", "limit", "from 1 to 200"),
        ("limit=201", "limit", "from 1 to 200"),
        ("limit=%D9%A5", "limit", "from 1 to 200"),
        ("archived=yes", "archived", "true or false"),
        ("updated_since=2026-05-01", "updated_since", "time zone"),
        ("updated_since=2026-05-01T10:00:00", "updated_since", "time zone"),
        ("updated_since=9999-12-31T23:59:59-23:59", "updated_since", "time zone"),
        ("project=%00", "project", "control character"),
        ("ids=a&limit=3", "limit", "leave it out"),
    ],
)
async def test_a_parameter_that_cannot_be_taken_is_refused_by_name(
    world: Any, query: str, name: str, words: str
) -> None:
    said = assert_problem(await world.call("GET", f"/tasks?{query}", await world.token()), 400, "invalid")
    assert words in said["fields"][name]


@pytest.mark.parametrize("query", ["a%FF=1", "limit=%C3", "ids=%zz", "ids=%", "&&&limit", "x=1&" * 400])
async def test_a_query_that_cannot_be_read_is_refused(world: Any, query: str) -> None:
    assert_problem(await world.call("GET", f"/tasks?{query}", await world.token()), 400, "request_malformed")


async def test_a_list_may_be_repeated_as_often_as_it_may_be_long(world: Any) -> None:
    token, near = await world.token(), world.ids["north"]["near task"]
    answer = await world.call("GET", f"/tasks?ids={near}&ids=unknown&fields=summary&fields=number", token)
    assert [set(item) for item in answer.json["items"]] == [{"id", "version", "summary", "number"}]
    said = assert_problem(await world.call("GET", "/tasks?" + "ids=a&" * 200 + "ids=a", token), 400, "invalid")
    assert "at most 200" in said["fields"]["ids"]


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "JSON's own form"),
        (b"[]", "one JSON object"),
        (b"\xff\xfe", "UTF-8"),
        (b'{"summary": "a", "summary": "b"}', "once"),
        (b'{"summary": NaN}', "finite"),
        (b'{"summary": 1e999}', "finite"),
        (b'{"summary": "\\ud800"}', "surrogate"),
        (b'{"\\udfff": 1}', "surrogate"),
        (b'{"a":' * 60 + b"1" + b"}" * 60, "nested"),
        (b'{"a":' * 200_000 + b"1" + b"}" * 200_000, ""),
        (b'{"summary": "a"} x', "JSON's own form"),
    ],
)
async def test_a_body_that_is_not_json_as_a_machine_writes_it_is_refused(world: Any, raw: bytes, words: str) -> None:
    answer = await world.call("POST", "/tasks", await world.token(), raw=raw, content_type="application/json")
    if len(raw) > bodies.JSON_BYTES:
        assert_problem(answer, 413, "body_too_large")
    else:
        assert words in assert_problem(answer, 400, "body_not_json")["detail"]


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({"summry": "x"}, "summry", "did you mean 'summary'"),
        ({"summary": 5}, "summary", "string"),
        ({"due": {"day": "2026-05-01", "at": "2026-05-01T10:00:00"}}, "due", "time zone"),
        ({"due": {"day": "tomorrow"}}, "due.day", "date"),
        ({"labels": ["no such"]}, "labels", "no such label"),
        ({"assignees": ["p_" + "a" * 26]}, "assignees", "not known"),
        ({"summary": "nul \x00"}, "summary", "can't be stored"),
    ],
)
async def test_a_field_that_cannot_be_taken_is_refused_by_name(world: Any, body: Any, field: str, words: str) -> None:
    path = f"/tasks/{world.ids['north']['near task']}"
    said = assert_problem(await world.call("PATCH", path, await world.token(), body=body), 422, "invalid")
    assert words in said["fields"][field]


async def test_left_out_is_not_null(world: Any) -> None:
    token, path = await world.token(), f"/tasks/{world.ids['north']['near task']}"
    given = {"due": {"day": "2026-05-01"}, "start": "2026-04-01"}
    assert (await world.call("PATCH", path, token, body=given)).status == 200
    merge = {"content_type": "application/merge-patch+json"}
    assert (await world.call("PATCH", path, token, body={"due": None}, **merge)).status == 200
    task = (await world.call("GET", path, token)).json
    assert (task["due"], task["start"]) == (None, "2026-04-01")


async def test_only_the_forms_that_are_taken_are_taken(world: Any) -> None:
    token = await world.token()
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1"):
        answer = await world.call("POST", "/tasks", token, body={}, content_type=content_type)
        assert_problem(answer, 415, "media_type_unsupported")
    answer = await world.call("POST", "/tasks", token, body={}, content_encoding="gzip")
    assert_problem(answer, 415, "media_type_unsupported")
    assert_problem(await world.call("GET", "/tasks", token, accept="text/html"), 406, "not_acceptable")
    assert_problem(await world.call("GET", "/tasks", token, accept="application/json;q=0"), 406, "not_acceptable")
    assert (await world.call("GET", "/tasks", token, accept="text/html, application/json;q=0.1")).status == 200


async def test_sizes_are_bounded(world: Any) -> None:
    token = await world.token()
    body = {"content_type": "application/json"}
    declared = await world.call("POST", "/tasks", token, raw=b"{}", content_length=str(bodies.JSON_BYTES + 1), **body)
    assert_problem(declared, 413, "body_too_large")
    pieces = [b"x" * 300_000] * 4
    assert_problem(await world.call("POST", "/tasks", token, pieces=pieces, **body), 413, "body_too_large")
    near = world.ids["north"]["near task"]
    assert_problem(await world.call("POST", f"/tasks/{near}/archive", token, raw=b"{}"), 413, "body_too_large")
    assert_problem(await world.call("GET", "/tasks/" + "a" * 20_000, token), 414, "address_too_long")
    assert_problem(await world.call("GET", "/tasks", token, x_more="a" * 40_000), 431, "headers_too_large")


async def test_a_body_that_does_not_come_is_not_waited_for(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "SECONDS", 0.01)
    answer = await world.call("POST", "/tasks", await world.token(), pieces=[], content_type="application/json")
    assert_problem(answer, 408, "body_too_slow")


async def test_odd_bytes_in_an_address_are_refused_and_never_fail(world: Any) -> None:
    token = await world.token()
    assert_problem(await world.call("GET", "/tasks/%FF%FE", token), 400, "request_malformed")
    assert_problem(await world.call("GET", "/tasks/%00", token), 400, "request_malformed")
    assert_problem(await world.call("GET", "/tasks/%zz", token), 400, "request_malformed")
    assert_problem(await world.call("GET", "/tasks/%2E%2E%2Fpeople", token), 404, "not_found")


async def test_a_key_of_a_problem_may_hold_a_slash(world: Any) -> None:
    token = await world.token()
    assert (await world.call("PUT", "/problems/disk%2Fone", token, body={"text": "It is full"})).status == 204
    assert [each["key"] for each in (await world.call("GET", "/problems", token)).json["items"]] == ["disk/one"]
    assert (await world.call("DELETE", "/problems/disk%2Fone", token)).status == 204
    assert (await world.call("GET", "/problems", token)).json["items"] == []


async def test_what_fails_inside_is_a_problem_with_an_id_and_no_values(
    world: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def fails(*_args: Any) -> Any:
        raise RuntimeError("Ada's address")

    monkeypatch.setattr(type(world.services.grants), "current", fails)
    token = await world.token()
    world.services.tokens._known.clear()
    answer = await world.call("GET", "/installation", token)
    said = assert_problem(answer, 500, "host_error")
    out, err = capsys.readouterr()
    assert said["id"] in out + err
    assert "Ada" not in out + err + answer.body.decode()
    assert token not in out + err


async def test_pages_follow_each_other_without_a_gap(world: Any) -> None:
    token, near = await world.token(), world.ids["north"]["near"]
    for number in range(5):
        await world.platform.tasks.create(world.doer("ada"), project=near, summary=str(number))
    whole = [task["id"] for task in (await world.call("GET", "/tasks", token)).json["items"]]
    assert len(whole) == 6
    seen, following = [], ""
    while following is not None:
        page = (await world.call("GET", f"/tasks?limit=2{following}", token)).json
        seen += [task["id"] for task in page["items"]]
        following = page["next"] and f"&cursor={page['next']}"
    assert seen == whole
    people = (await world.call("GET", "/people?limit=2", token)).json
    rest = (await world.call("GET", f"/people?cursor={people['next']}", token)).json
    assert len(people["items"]) == 2 and len(rest["items"]) == 1 and rest["next"] is None
    assert_problem(await world.call("GET", f"/tasks?cursor={people['next']}", token), 422, "invalid")


async def test_acting_as_a_person_narrows_and_an_unknown_one_is_not_found(world: Any) -> None:
    token, ben = await world.token(), await world.known_as("ben")
    answer = await world.call("GET", f"/people/{ben}", token)
    assert "email" in answer.json
    answer = await world.call("GET", f"/people/{ben}", token, assigntask_person=ben)
    assert answer.status == 200 and "email" not in answer.json  # a member's rights don't include it
    unknown = await world.call("GET", "/tasks", token, assigntask_person="p_" + "a" * 26)
    assert_problem(unknown, 404, "not_found")
    twice = await world.call("GET", "/tasks", token, more=[("assigntask-person", ben), ("assigntask-person", ben)])
    assert_problem(twice, 400, "request_malformed")
    near = world.ids["north"]["near task"]
    written = await world.call("POST", f"/tasks/{near}/comments", token, body={"text": "x"}, assigntask_person=ben)
    assert "does not take part" in assert_problem(written, 403, "refused")["detail"]
    assert "www-authenticate" not in written.headers


async def test_a_list_costs_the_same_number_of_statements_whatever_its_length(
    world: Any, watching_statements: Any
) -> None:
    token, near = await world.token(), world.ids["north"]["near"]
    for number in range(199):
        changes = {"assignees": [world.ids["north"]["ben"]], "labels": []}
        await world.platform.tasks.create(world.doer("ada"), project=near, summary=str(number), changes=changes)
    for again in (False, True):  # the first time it is recorded
        counts = []
        for many in (1, 50, 200):
            path = f"/tasks?limit={many}"
            if again:
                await world.call("GET", path, token)
                await world.call("GET", path, token)
            with watching_statements() as seen:
                answer = await world.call("GET", path, token)
            assert len(answer.json["items"]) == many
            counts.append(len([each for each in seen if "task" in each and each.startswith("SELECT")]))
        assert counts == [4, 4, 4]


def test_every_operation_says_what_it_is_for() -> None:
    for operation in OPERATIONS:
        assert operation.summary and operation.answer.words
    assert len({operation.id for operation in OPERATIONS}) == len(OPERATIONS)


def test_facts_never_hide_what_a_problem_is() -> None:
    said = Problem("invalid", "words", status=400, title="other", type="other").to_json("https://x.example")
    assert (said["title"], said["status"]) == (KINDS["invalid"].title, 400)
    assert json.dumps(said)
