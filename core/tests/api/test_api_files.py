"""Files: streams in and out."""

from __future__ import annotations

import hashlib
from typing import Any

from assigntask.settings import Limits

OCTETS = {"content_type": "application/octet-stream"}


async def attach(world: Any, token: str, content: bytes, name: str = "a.bin", **headers: str) -> Any:
    path = f"/tasks/{world.ids['north']['near task']}/files?name={name}"
    pieces = [content[start : start + 100_000] for start in range(0, len(content), 100_000)]
    return await world.call("POST", path, token, pieces=pieces, **{**OCTETS, **headers})


async def test_a_file_comes_back_as_it_was_sent_and_as_a_download(world: Any) -> None:
    token, content = await world.token(), b"<html><script>x</script></html>" * 20_000
    made = await attach(world, token, content, "page.html")
    assert made.headers["location"] == f"/api/v1/attachments/{made.json['id']}/content"
    answer = await world.call("GET", f"/attachments/{made.json['id']}/content", token)
    assert answer.complete and answer.body == content
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == "attachment"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    listed = (await world.call("GET", f"/tasks/{world.ids['north']['near task']}/attachments", token)).json["items"]
    assert [each["sha256"] for each in listed if each["url"] is None] == [hashlib.sha256(content).hexdigest()]


async def test_the_release_is_recorded_before_the_status_line(world: Any) -> None:
    token = await world.token()
    made = await attach(world, token, b"secret")
    before = len(await world.given())
    seen: list[int] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            seen.append(len(await world.given()))

    path = f"/attachments/{made.json['id']}/content"
    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": []}
    scope["headers"] = [(b"authorization", f"Bearer {token}".encode())]
    await world.api(scope, receive, send)
    assert seen == [before + 1]


async def test_a_stream_ends_where_its_token_ends(world: Any) -> None:
    token = await world.token()
    made = await attach(world, token, b"x" * 3_000_000)
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)
        if len(sent) == 3:
            await world.revoke(token)
            world.clock.advance(seconds=2)

    path = f"/attachments/{made.json['id']}/content"
    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": []}
    scope["headers"] = [(b"authorization", f"Bearer {token}".encode())]
    await world.api(scope, receive, send)
    assert sent[0]["status"] == 200
    assert sent[-1]["more_body"]  # never completed, so nobody takes it for the whole
    assert sum(len(each.get("body", b"")) for each in sent[1:]) < 3_000_000


async def test_a_file_that_is_too_large_is_refused_however_it_comes(make_world: Any) -> None:
    async with make_world(limits=Limits(file_bytes=1000)) as world:
        token = await world.token()
        declared = await attach(world, token, b"x", content_length="1001")
        coming = await attach(world, token, b"x" * 1001)
        for answer in (declared, coming):
            assert (answer.status, answer.json["code"], answer.json["limit"]) == (413, "file_too_large", 1000)
        assert (await attach(world, token, b"x" * 1000)).status == 201


async def test_a_file_needs_a_name(world: Any) -> None:
    path = f"/tasks/{world.ids['north']['near task']}/files"
    answer = await world.call("POST", path, await world.token(), raw=b"x", **OCTETS)
    assert (answer.status, answer.json["fields"]) == (400, {"name": "say what the file is called"})


async def test_stored_bytes_and_json_come_back_as_they_were(world: Any) -> None:
    token = await world.token()
    operations = [{"put": {"key": "a/1", "value": {"x": [1, None]}}}, {"put": {"key": "a/2", "bytes": "AAH/"}}]
    operations += [{"put": {"key": "a/3", "value": None}}, {"delete": {"key": "b"}}]
    assert (await world.call("POST", "/storage/commit", token, body={"operations": operations})).status == 204
    page = (await world.call("GET", "/storage/entries?prefix=a/&limit=2", token)).json
    assert page["items"] == [
        {"key": "a/1", "version": 1, "value": {"x": [1, None]}},
        {"key": "a/2", "version": 2, "bytes": "AAH/"},
    ]
    rest = (await world.call("GET", f"/storage/entries?prefix=a/&after={page['next']}", token)).json
    assert rest == {"items": [{"key": "a/3", "version": 3, "value": None}], "next": None}
    some = (await world.call("GET", "/storage/entries?key=a/3&key=nothing", token)).json["items"]
    assert [each["key"] for each in some] == ["a/3"]
    conflict = {"operations": [{"put": {"key": "a/1", "value": 1, "if_version": 0}}]}
    answer = await world.call("POST", "/storage/commit", token, body=conflict)
    assert (answer.status, answer.json["keys"]) == (409, ["a/1"])
    for wrong in (
        {"put": {"key": "k"}},
        {"put": {"key": "k", "value": 1, "bytes": ""}},
        {"put": {"key": "k", "bytes": "!"}},
    ):
        assert (await world.call("POST", "/storage/commit", token, body={"operations": [wrong]})).status == 422
