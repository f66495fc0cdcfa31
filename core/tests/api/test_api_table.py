"""Every operation with every kind of token: exactly the allowed ones are answered."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import pytest

from assigntask.api.operation import Operation
from assigntask.api.operations import OPERATIONS
from assigntask.events import deliveries
from assigntask.events.fences import Fence
from assigntask.grants.grant import Actor

SCOPES = sorted({scope for operation in OPERATIONS for scope in operation.scopes()})
NOBODY = "01890000-0000-7000-8000-000000000000"

BODIES: Mapping[str, Any] = {
    "createTask": {"project": "{near}", "summary": "New"},
    "editTask": {"summary": "Other"},
    "addChecklist": {"name": "Steps", "items": ["One"]},
    "addChecklistItem": {"text": "Two"},
    "editChecklistItem": {"done": True},
    "writeComment": {"text": "Hm"},
    "attachLink": {"url": "https://example.org/"},
    "startJob": {"name": "count"},
    "setJobProgress": {"done": 1},
    "reportProblem": {"text": "It broke"},
    "commitEntries": {"operations": [{"put": {"key": "k", "value": 1}}]},
    "commitTaskEntries": {"operations": [{"put": {"key": "k", "value": 1}}]},
    "commitPersonEntries": {"operations": [{"put": {"key": "k", "value": 1}}]},
    "replayDeliveries": {"since": "2026-03-02T00:00:00Z"},
}
"""What is sent; an operation with a body that is not here fails below."""

NEEDS_NO_SCOPE = frozenset(
    {
        "getInstallation",
        "getSettings",
        "refreshTask",
        "listEntries",
        "commitEntries",
        "listTaskEntries",
        "commitTaskEntries",
        "listPersonEntries",
        "commitPersonEntries",
        "listEvents",
        "listJobs",
        "startJob",
        "getJob",
        "setJobProgress",
        "listProblems",
        "reportProblem",
        "clearProblem",
        "listDeliveries",
        "getDelivery",
        "getHealth",
    }
)
OPEN_TO_PERSONS = frozenset({"getInstallation", "refreshTask"})
"""Of those. The rest is the installation's own."""

MANAGED = frozenset({"listDeliveries", "getDelivery", "getHealth"})
"""Of the rest, what a person's token opens with `deliveries:manage`."""

OPEN_TO_GOODBYES = frozenset(
    {
        "getInstallation",
        "listEntries",
        "commitEntries",
        "listTaskEntries",
        "commitTaskEntries",
        "listPersonEntries",
        "commitPersonEntries",
        "listProblems",
        "reportProblem",
        "clearProblem",
    }
)
PEOPLE = {"people:name", "people:email", "people:work", "people:locale"}
TASKS = {"tasks:read", "tasks:departments", "tasks:people"}
OPENED_BY: Mapping[str, set[str]] = {
    "getOrganisation": {"organisation:read"},
    "listDepartments": {"organisation:read"},
    "listProjects": {"tasks:read"},
    "getProject": {"tasks:read"},
    "listTaskTypes": {"tasks:read"},
    "listPeople": PEOPLE,
    "getPerson": PEOPLE,
    "listTasks": TASKS,
    "getTask": TASKS,
    "createTask": {"tasks:write"},
    "editTask": {"tasks:write"},
    "archiveTask": {"tasks:write"},
    "addChecklist": {"tasks:write"},
    "addChecklistItem": {"tasks:write"},
    "editChecklistItem": {"tasks:write"},
    "listComments": {"comments:read", "comments:people"},
    "writeComment": {"comments:write"},
    "listAttachments": {"attachments:read", "attachments:people", "attachments:content"},
    "attachLink": {"attachments:write"},
    "removeAttachment": {"attachments:write"},
    "attachFile": {"attachments:write"},
    "getContent": {"attachments:content"},
    "replayDelivery": {"deliveries:manage"},
    "replayDeliveries": {"deliveries:manage"},
}
BESIDE_CTX = {"replayDelivery", "replayDeliveries"}
"""What is told once more is told with an id that the app knows: no call's own work."""
ADMIN_ONLY = {"people:email", "deliveries:manage"}


class Requests:
    """Sends each operation as it succeeds; what it names is made anew for each, so that no request spoils another."""

    def __init__(self, world: Any, where: str = "north") -> None:
        self.world = world
        self.where = where

    async def send(self, operation: Operation, token: str | None, **headers: str) -> Any:
        ids = dict(self.world.ids[self.where])
        ids |= await self._made(operation)
        path = operation.path.format(
            id=await self._id(operation, ids), key="disk", task=ids["near task"], person=ids["cy"]
        )
        if operation.id == "attachFile":
            path += "?name=plan.txt"
            return await self.world.call(
                "POST", path, token, raw=b"hello", content_type="application/octet-stream", **headers
            )
        body = BODIES.get(operation.id)
        assert (body is not None) == (operation.form is not None), f"{operation.id} has no row here"
        if operation.id == "createTask":
            body = {**body, "project": ids["near"]}
        return await self.world.call(operation.method, path, token, body=body, **headers)

    async def _made(self, operation: Operation) -> dict[str, str]:
        """Made with every right there is, straight at the host."""
        world, ids = self.world, self.world.ids[self.where]
        made = {"cy": await world.known_as("cy", self.where)}
        ctx = await self._ctx()
        if operation.id == "removeAttachment":
            link = await world.platform.tasks.attach(
                world.doer("ada", self.where), ids["near task"], "A", "https://a.example/"
            )
            made["attachment"] = link.id
        if operation.id in ("getJob", "setJobProgress"):
            made["job"] = await ctx.jobs.start("count", {}, key=f"{id(object())}")
        return made

    async def _ctx(self) -> Any:
        world, ids = self.world, self.world.ids[self.where]
        grant = await world.platform.grants.current(ids["organisation"], ids["installation"], Actor.installation())
        return world.platform.contexts.make(grant, deadline=world.clock.now, settings={})

    async def _id(self, operation: Operation, ids: Mapping[str, str]) -> str:
        start = operation.segments[0]
        if operation.id == "getContent":
            return str(ids["file"])
        known = {"projects": "near", "tasks": "near task", "people": "cy", "attachments": "attachment", "jobs": "job"}
        known |= {"checklists": "checklist", "checklist-items": "item", "deliveries": "delivery"}
        return ids.get(known.get(start, ""), NOBODY)


@pytest.fixture
async def requests(world: Any) -> Requests:
    made = Requests(world)
    for where in ("north", "south"):
        token = await world.token(where)
        task = world.ids[where]["near task"]
        answer = await world.call("POST", f"/tasks/{task}/checklists", token, body={"name": "Steps", "items": ["One"]})
        assert answer.status == 201, answer.json
        world.ids[where]["checklist"] = answer.json["id"]
        answer = await world.call("POST", f"/checklists/{answer.json['id']}/items", token, body={"text": "Two"})
        world.ids[where]["item"] = answer.json["id"]
        path = f"/tasks/{task}/files?name=a.txt"
        answer = await world.call("POST", path, token, raw=b"hello", content_type="application/octet-stream")
        assert answer.status == 201, answer.json
        world.ids[where]["file"] = answer.json["id"]
    await world.platform.settle()  # the app is told of what was done
    for where in ("north", "south"):
        told = await world.call("GET", "/deliveries?state=delivered", await world.token(where))
        world.ids[where]["delivery"] = told.json["items"][0]["id"]
    return made


def test_each_operation_has_its_row() -> None:
    assert {operation.id for operation in OPERATIONS} == OPENED_BY.keys() | NEEDS_NO_SCOPE
    assert not OPENED_BY.keys() & NEEDS_NO_SCOPE


async def test_without_a_usable_token_nothing_is_answered(world: Any, requests: Requests) -> None:
    expired = await world.token(lifetime=dt.timedelta(0))
    revoked = await world.token()
    assert (await world.call("GET", "/installation", revoked)).status == 200
    await world.revoke(revoked)
    refused: Mapping[str | None, int] = {
        None: 401, "": 400, "at_": 401, "at_" + "A" * 43: 401, "ct_AAAA": 401, "två": 400, "a b": 400,
        expired: 401, revoked: 401,
    }  # fmt: skip
    before = await world.given()
    for operation in OPERATIONS:
        for token, status in refused.items():
            answer = await requests.send(operation, token)
            assert answer.status == status, (operation.id, token, answer.json)
            challenge = answer.headers["www-authenticate"]
            assert (
                'resource_metadata="https://tracker.example/.well-known/oauth-protected-resource/api/v1"' in challenge
            )
            assert ("error=" in challenge) == (token is not None)
    assert await world.given() == before


async def test_with_every_scope_everything_is_answered(world: Any, requests: Requests) -> None:
    token = await world.token()
    for operation in OPERATIONS:
        answer = await requests.send(operation, token)
        assert answer.status == operation.answer.status, (operation.id, answer.body)


async def test_each_single_scope_opens_what_it_should_and_no_more(world: Any, requests: Requests) -> None:
    for scope in SCOPES:
        token = await world.token(scopes=[scope])
        for operation in OPERATIONS:
            allowed = operation.id in NEEDS_NO_SCOPE or scope in OPENED_BY[operation.id]
            answer = await requests.send(operation, token)
            expected = operation.answer.status if allowed else 403
            assert answer.status == expected, (operation.id, scope, answer.body)
            if not allowed:
                challenge = dict(answer.raw_headers)["www-authenticate"]
                assert 'error="insufficient_scope"' in challenge
                assert f'scope="{operation.scope}"' in challenge


async def test_a_scope_that_the_installation_lost_is_lost_to_its_tokens(world: Any, requests: Requests) -> None:
    token, person = await world.token(), await world.token(person="ben")
    await world.grant(["organisation:read"])
    for operation in OPERATIONS:
        for one, without_scope in ((token, NEEDS_NO_SCOPE), (person, OPEN_TO_PERSONS)):
            allowed = operation.id in without_scope or operation.id in ("getOrganisation", "listDepartments")
            status = (await requests.send(operation, one)).status
            assert (status == operation.answer.status) == allowed, (operation.id, status)


@pytest.mark.parametrize("role", ["member", "admin"])
async def test_a_persons_token_has_no_more_than_their_role(world: Any, requests: Requests, role: str) -> None:
    person = {"member": "ben", "admin": "ada"}[role]
    for scope in ("people:email", "people:work", "tasks:read", "tasks:write", "comments:write", "attachments:content",
                  "deliveries:manage"):  # fmt: skip
        token = await world.token(person=person, scopes=[scope])
        for operation in OPERATIONS:
            held = role == "admin" or scope not in ADMIN_ONLY
            opened_by = {"deliveries:manage"} if operation.id in MANAGED else OPENED_BY.get(operation.id, set())
            allowed = operation.id in OPEN_TO_PERSONS or (held and scope in opened_by)
            answer = await requests.send(operation, token)
            assert answer.status == (operation.answer.status if allowed else 403), (operation.id, scope, answer.body)


async def test_another_organisations_records_are_not_there(world: Any, requests: Requests) -> None:
    """The token of the south with ids of the north: nothing that has an id is found, and nothing is recorded."""
    token = await world.token("south")
    before = await world.given("south")
    for operation in OPERATIONS:
        if not operation.names or operation.names == ("key",):
            continue
        answer = await requests.send(operation, token)
        assert answer.status == 404, (operation.id, answer.body)
        assert answer.json["code"] == "not_found"
    assert await world.given("south") == before


async def test_a_disabled_installation_is_refused_from_the_next_request_on(world: Any, requests: Requests) -> None:
    tokens = [await world.token(), await world.token(person="ada"), await world.call_token()]
    for token in tokens:
        assert (await world.call("GET", "/tasks", token)).status == 200
    await world.state("disabled")
    for token in tokens:
        for operation in OPERATIONS:
            path = operation.path.format(id=NOBODY, key="disk", task=NOBODY, person=NOBODY)
            answer = await world.call(operation.method, path, token)
            assert answer.status == 401, (operation.id, answer.body)


async def test_a_goodbye_leads_to_what_is_the_apps_own(world: Any, requests: Requests) -> None:
    token = await world.call_token(goodbye=True)
    for operation in OPERATIONS:
        answer = await requests.send(operation, token)
        expected = operation.answer.status if operation.id in OPEN_TO_GOODBYES else 410
        assert answer.status == expected, (operation.id, answer.body)


async def test_a_calls_token_writes_while_its_delivery_is_the_calls_own_and_never_after(
    world: Any, requests: Requests
) -> None:
    ended = await world.claimed()
    late = await world.call_token(fence=Fence(ended.organisation_id, ended.id, ended.leased_until))
    assert await world.platform.db.write(deliveries.done, ended, world.clock.now)
    for operation in OPERATIONS:
        answer = await requests.send(operation, late)
        if operation.method == "GET" or operation.id in BESIDE_CTX:
            assert answer.status == operation.answer.status, (operation.id, answer.body)
        else:
            assert (answer.status, answer.json.get("code")) == (409, "superseded"), (operation.id, answer.body)
    lasting = await world.claimed()
    token = await world.call_token(fence=Fence(lasting.organisation_id, lasting.id, lasting.leased_until))
    for operation in OPERATIONS:
        answer = await requests.send(operation, token)
        assert answer.status == operation.answer.status, (operation.id, answer.body)


async def test_a_calls_token_has_the_rights_of_the_call(world: Any, requests: Requests) -> None:
    installation, viewer = await world.call_token(), await world.call_token(viewer="ben")
    for token in (installation, viewer):
        for operation in OPERATIONS:
            held = token is installation or OPENED_BY.get(operation.id) != {"deliveries:manage"}  # Ben is a member
            answer = await requests.send(operation, token)
            assert answer.status == (operation.answer.status if held else 403), (operation.id, answer.body)
