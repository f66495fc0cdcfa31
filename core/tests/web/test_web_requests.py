"""Requests and answers: who is answered at all, with which status, code and headers."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from assigntask.db import tables as t
from assigntask.web.security import hostname

World = Any

SAFE = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


def assert_secured(answer: Any) -> None:
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert "script-src" not in policy
    assert {name: answer.headers.get(name) for name in SAFE} == SAFE


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "LOCALHOST", "[::1]:8000"])
async def test_the_page_is_served_at_this_machines_own_names(world: World, host: str) -> None:
    answer = await world.page(host=host)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert_secured(answer)


@pytest.mark.parametrize(
    "host",
    ["rebound.example:8000", "127.0.0.1.nip.example", "evil.example@127.0.0.1", "127.0.0.1/", "localhost.", "[::1", ""],
)
async def test_a_foreign_name_for_this_machine_gets_nothing(world: World, host: str) -> None:
    for path in ("/", "/static/style.css", "/nowhere"):
        answer = await world.call(path, host=host)
        assert answer.status == 421
        assert "Code: host_unknown" in answer.html
        assert "Harbour" not in answer.html
        assert_secured(answer)


async def test_another_site_can_link_to_the_page_and_not_load_it(world: World) -> None:
    link = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"}
    await world.page(**link, sec_fetch_dest="document")
    await world.page(sec_fetch_site="same-origin", sec_fetch_mode="no-cors", sec_fetch_dest="image")
    framed = await world.call(**link, sec_fetch_dest="iframe")
    loaded = await world.call(sec_fetch_site="same-site", sec_fetch_mode="no-cors", sec_fetch_dest="image")
    for answer in (framed, loaded):
        assert (answer.status, "Code: cross_site" in answer.html) == (403, True)
        assert_secured(answer)


@pytest.mark.parametrize("path", ["/nowhere", "/static/nothing.css", "/static/../site.py", "/static/", "/static/%00"])
async def test_what_is_not_there_is_said_with_a_code(world: World, path: str) -> None:
    answer = await world.call(path)
    assert answer.status == 404
    assert "code: page_unknown" in answer.text
    assert_secured(answer)


@pytest.mark.parametrize("path", ["/", "/static/style.css"])
async def test_the_page_can_only_be_looked_at(world: World, path: str) -> None:
    for method in ("POST", "PUT", "DELETE"):
        answer = await world.call(path, method=method)
        assert answer.status == 405
        assert "code: method_not_allowed" in answer.text
        assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}
        assert_secured(answer)
    assert (await world.call(path, method="HEAD")).status == 200


async def test_static_files_are_asked_about_and_not_sent_again(world: World) -> None:
    for path, kind in (("/static/style.css", "text/css; charset=utf-8"), ("/static/icon.svg", "image/svg+xml")):
        first = await world.page(path)
        assert first.headers["content-type"] == kind
        assert first.headers["cache-control"] == "no-cache"
        again = await world.call(path, if_none_match=first.headers["etag"])
        assert (again.status, again.body) == (304, b"")
        assert_secured(first)
        assert_secured(again)


async def test_a_host_without_an_organisation_says_how_to_make_one(open_world: Any) -> None:
    async with open_world() as world:
        answer = await world.call()
        assert answer.status == 503
        assert "code: organisation_missing" in answer.text
        assert "assigntask import trello FILE --organisation NAME --admin EMAIL" in answer.text
        assert_secured(answer)


async def test_an_organisation_without_an_admin_says_how_to_name_one(world: World) -> None:
    def unit(conn: sa.Connection) -> None:
        mine = (t.person.c.organisation_id == world.ids["Harbour"], t.person.c.id == world.ids["ada"])
        conn.execute(sa.update(t.person).where(*mine).values(state="left"))

    await world.platform.db.write(unit)
    answer = await world.call()
    assert answer.status == 503
    assert "code: admin_missing" in answer.text
    assert "assigntask people role PERSON admin" in answer.text


async def test_what_nobody_expected_tells_nothing_and_is_secured_too(world: World) -> None:
    await world.platform.db.write(lambda conn: conn.execute(sa.text("DROP TABLE status")))
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    scope = {
        "type": "http", "method": "GET", "path": "/", "raw_path": b"/", "query_string": b"", "root_path": "",
        "headers": [(b"host", b"localhost")], "scheme": "http", "http_version": "1.1", "asgi": {"version": "3.0"},
    }  # fmt: skip
    with pytest.raises(sa.exc.OperationalError):  # goes on to the server, which logs it
        await world.site(scope, receive, send)
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    assert sent[0]["status"] == 500
    assert headers["content-security-policy"].startswith("default-src 'none'")
    body = sent[1]["body"].decode()
    assert "unexpected" in body
    assert "status" not in body.lower()
    assert "OperationalError" not in body


async def test_a_closed_database_is_an_error_with_its_own_code(world: World) -> None:
    await world.platform.db.close()
    answer = await world.call()
    assert (answer.status, "code: database_closed" in answer.text) == (503, True)


@pytest.mark.parametrize(
    ("host", "name"),
    [("LocalHost:1", "localhost"), ("[::1]", "::1"), ("a.example", "a.example"), ("a b", ""), ("x:y", ""), ("", "")],
)
def test_only_a_plain_host_has_a_name(host: str, name: str) -> None:
    assert hostname(host) == name
