"""The OpenAPI document and the page against what the operations do."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import jsonschema_rs
import pytest

from assigntask.api.openapi import codes, document, statuses
from assigntask.api.operations import OPERATIONS
from assigntask.api.problems import KINDS
from assigntask_sdk.details import DETAILS
from assigntask_sdk.records import RECORDS

BASE = "https://tracker.example/api/v1"


def schema_of(said: dict[str, Any], path: str, method: str, status: str) -> Any:
    content = said["paths"][path][method]["responses"][status]["content"]
    return {**next(iter(content.values()))["schema"], "components": said["components"]}


def test_every_operation_is_in_the_document_and_nothing_else() -> None:
    said = document(OPERATIONS, BASE)
    found = {(method.upper(), path) for path, methods in said["paths"].items() for method in methods}
    assert found == {(operation.method, operation.path) for operation in OPERATIONS}


def test_every_field_of_a_record_is_declared_with_its_scope_and_the_catalogues_words() -> None:
    components = document(OPERATIONS, BASE)["components"]["schemas"]
    for kind, record in RECORDS.items():
        if record.__name__ not in components:
            assert kind == "task_type"
            continue
        properties = components[record.__name__]["properties"]
        assert properties.keys() == record.fields().keys()
        for name, schema in properties.items():
            detail = DETAILS.get(f"{kind}.{name}")
            assert schema.get("x-scope") == (None if detail is None else detail.scope)
            assert detail is None or schema["description"].lower().startswith(detail.words.lower())


def test_every_reference_leads_somewhere() -> None:
    said = document(OPERATIONS, BASE)
    for name in re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(said)):
        assert name in said["components"]["schemas"]


def test_every_code_has_a_status_that_is_documented() -> None:
    for operation in OPERATIONS:
        documented = statuses(operation)
        assert all(code in documented[KINDS[code].status] for code in codes(operation))


async def test_every_answer_holds_what_its_schema_says(world: Any) -> None:
    said = (await world.call("GET", "/openapi.json")).json
    token, ids = await world.token(), world.ids["north"]
    await world.call("PATCH", f"/tasks/{ids['near task']}", token, body={"due": {"day": "2026-05-01"}, "type": "Bug"})
    await world.call("POST", f"/tasks/{ids['near task']}/checklists", token, body={"name": "A", "items": ["B"]})
    await world.call("PUT", "/problems/disk", token, body={"text": "full"})
    job = await world.call("POST", "/jobs", token, body={"name": "count"})
    put = {"operations": [{"put": {"key": "k", "value": 1}}, {"put": {"key": "l", "bytes": ""}}]}
    for store in ("", f"/tasks/{ids['near task']}"):
        await world.call("POST", f"{store}/storage/commit", token, body=put)
    await world.platform.settle()
    told = (await world.call("GET", "/deliveries", token)).json["items"][0]["id"]
    named = {"/projects/{id}": ids["near"], "/people/{id}": await world.known_as("ben"), "/jobs/{id}": job.json["id"],
             "/deliveries/{id}": told}  # fmt: skip
    for operation in OPERATIONS:
        if operation.method != "GET" or operation.answer.media != "application/json" or "{person}" in operation.path:
            continue
        one = named.get(operation.path, ids["near task"])
        answer = await world.call("GET", operation.path.format(id=one, task=ids["near task"]), token)
        assert answer.status == 200, (operation.id, answer.body)
        validator = jsonschema_rs.validator_for(schema_of(said, operation.path, "get", "200"))
        validator.validate(answer.json)
        assert answer.json.get("items") != [], operation.id
    wrong = await world.call("GET", "/tasks?limit=x", token)
    jsonschema_rs.validator_for(schema_of(said, "/tasks", "get", "400")).validate(wrong.json)


async def test_a_field_that_is_not_declared_would_be_found(world: Any) -> None:
    said = (await world.call("GET", "/openapi.json")).json
    validator = jsonschema_rs.validator_for(schema_of(said, "/people/{id}", "get", "200"))
    with pytest.raises(jsonschema_rs.ValidationError):
        validator.validate({"withheld": False, "id": "p", "version": 1, "salary": 1})


class Outline(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.styled = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.add(tag)
        self.styled = self.styled or "style" in given or any(name.startswith("on") for name in given)
        if given.get("id"):
            self.ids.append(str(given["id"]))
        if tag == "a":
            self.links.append(str(given["href"]))


async def test_the_page_shows_every_operation_and_needs_neither_scripts_nor_a_token(world: Any) -> None:
    answer = await world.call("GET", "/")
    assert answer.status == 200
    assert "default-src 'none'; style-src 'self'" in answer.headers["content-security-policy"]
    page = Outline()
    page.feed(answer.body.decode())
    assert not page.styled and "script" not in page.tags
    assert len(page.ids) == len(set(page.ids))
    assert {operation.id for operation in OPERATIONS} <= set(page.ids)
    assert {f"problem-{code}" for code in KINDS} <= set(page.ids)
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    for name in ("/static/reference.css", "/openapi.json"):
        found = await world.call("GET", name)
        assert found.status == 200
        assert (await world.call("GET", name, if_none_match=found.headers["etag"])).status == 304
