"""What became of deliveries, over the API: to the app what it was told of, to an admin all, and told once more."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from assigntask.db import tables as t
from assigntask.errors import NotAllowed
from assigntask_sdk.client import Client, Token
from assigntask_sdk.errors import Invalid, NotFound, Refused

HIDDEN = "person_changed"
"""Of a skipped one the app must not learn that anything happened."""


async def told(world: Any, tasks: int = 3) -> list[str]:
    """Deliveries that arrived, the oldest first."""
    ids = world.ids["north"]
    await world.platform.settle()
    for number in range(tasks):
        world.clock.advance(minutes=1)
        changes: dict[str, Any] = {"summary": f"Oil {number}"}
        await world.platform.tasks.edit(world.doer("ada"), ids["near task"], changes)
    await world.platform.settle()
    found = await world.call("GET", "/deliveries", await world.token())
    assert {each["state"] for each in found.json["items"]} == {"delivered"}
    return [each["id"] for each in found.json["items"]][::-1]


async def change(world: Any, delivery: str, **values: Any) -> None:
    own = world.ids["north"]["organisation"]
    where = (t.delivery.c.organisation_id == own, t.delivery.c.id == delivery)
    await world.platform.db.write(lambda conn: conn.execute(sa.update(t.delivery).where(*where).values(**values)))


async def test_an_app_sees_what_it_was_told_of_and_an_admin_sees_all(world: Any) -> None:
    ids = await told(world)
    await change(world, ids[-1], state="skipped", hook=HIDDEN, last_error="not_shared", attempted_at=None)
    await change(world, ids[-2], state="waiting", attempts=0, attempted_at=None)
    await change(world, ids[-3], state="waiting", attempts=2, status=500, answer="No", took=7, last_error="hook_failed")
    app, admin = await world.token(), await world.token(person="ada")
    seen = (await world.call("GET", "/deliveries", app)).json["items"]
    assert [each["id"] for each in seen] == ids[-3::-1]
    assert (seen[0]["status"], seen[0]["answer"], seen[0]["took"], seen[0]["attempts"]) == (500, "No", 7, 2)
    assert HIDDEN not in str(seen)
    everything = (await world.call("GET", "/deliveries", admin)).json["items"]
    [beyond] = [each for each in everything if each["id"] not in ids]
    assert (len(everything), beyond["error"]) == (len(ids) + 1, "not_shared"), "of a task out of the app's reach"
    for hidden in ids[-2:]:
        assert (await world.call("GET", f"/deliveries/{hidden}", app)).status == 404
        assert (await world.call("POST", f"/deliveries/{hidden}/replay", app)).status == 404
        assert (await world.call("GET", f"/deliveries/{hidden}", admin)).json["id"] == hidden
    filtered = (await world.call("GET", "/deliveries?state=skipped", admin)).json["items"]
    assert [each["hook"] for each in filtered] == [HIDDEN, "task_changed"]


async def test_nothing_in_a_delivery_tells_whom_or_what_it_was_about(world: Any) -> None:
    ids, north = await told(world), world.ids["north"]
    body = (await world.call("GET", f"/deliveries/{ids[-1]}", await world.token(person="ada"))).body.decode()
    for name in ("ada", "ben", "cy", "near task", "organisation"):
        assert north[name] not in body
    assert "Oil" not in body


async def test_pages_go_on_where_the_one_before_ended(world: Any) -> None:
    ids = await told(world, 4)
    token, seen, path = await world.token(), [], "/deliveries?limit=2"
    while path:
        page = (await world.call("GET", path, token)).json
        seen += [each["id"] for each in page["items"]]
        path = f"/deliveries?limit=2&cursor={page['next']}" if page["next"] else ""
    assert seen == ids[::-1]
    foreign = (await world.call("GET", "/tasks?limit=1", token)).json["next"]
    for cursor in (foreign, "x"):
        assert (await world.call("GET", f"/deliveries?cursor={cursor}", token)).status in (400, 422)


async def test_one_is_told_once_more_by_whoever_has_the_power_and_recorded(world: Any) -> None:
    ids, north = await told(world), world.ids["north"]
    for person, by in (("ada", f"person {north['ada']}"), (None, "host")):
        token = await world.token(person=person)
        answer = await world.call("POST", f"/deliveries/{ids[-1]}/replay", token)
        assert (answer.status, answer.json) == (200, {"replayed": 1})
        assert await world.platform.settle() == 1
        again = (await world.call("GET", f"/deliveries/{ids[-1]}", token)).json
        assert (again["state"], again["attempts"]) == ("delivered", 1)
        assert again["replayed_at"] is not None
        found = [each for each in await world.platform.ledger.given(north["organisation"]) if each.kind == "replay"]
        assert (found[-1].actor, found[-1].facts["delivery"], found[-1].facts["through"]) == (by, ids[-1], "api")


async def test_whoever_is_no_admin_any_more_is_refused_in_the_transaction(world: Any) -> None:
    """The token was taken when the role still was theirs."""
    ids, north = await told(world), world.ids["north"]
    own = world.services.deliveries
    doer = world.doer("ada")
    through = type(doer)(doer.organisation_id, doer.person_id, "admin", installation_id=north["installation"])
    assert await own.replay(through, north["installation"], ids[-1]) == 1
    await world.platform.people.role(doer, north["ben"], "admin")
    await world.platform.people.role(doer, north["ada"], "member")
    with pytest.raises(NotAllowed, match="only an admin may") as refused:
        await own.replay(through, north["installation"], ids[0])
    assert refused.value.facts == {"needs": "deliveries:manage"}


async def test_the_health_of_an_installation_says_what_waits_and_what_was_given_up(world: Any) -> None:
    ids, token = await told(world), await world.token()
    well = (await world.call("GET", "/health", token)).json
    assert (well["state"], well["words"], well["waiting"], well["dead"]) == ("active", "It works.", 0, 0)
    assert well["last_success"] == world.clock.now.isoformat().replace("+00:00", "Z")
    await change(world, ids[-1], state="dead")
    await change(world, ids[-2], state="waiting", next_at=world.clock.now + dt.timedelta(hours=1))
    ill = (await world.call("GET", "/health", token)).json
    assert (ill["waiting"], ill["dead"], ill["failing_since"]) == (1, 1, None)
    assert "1 was given up: replay" in ill["words"]


async def test_what_is_no_moment_is_refused_by_name(world: Any) -> None:
    token = await world.token()
    for since in ("2026-03-02", "yesterday", "2026-03-02T09:00:00", 1_770_000_000, None):
        answer = await world.call("POST", "/deliveries/replay", token, body={"since": since})
        assert (answer.status, answer.json["code"], list(answer.json["fields"])) == (422, "invalid", ["since"]), since


# The client


@pytest.fixture
async def client(world: Any) -> AsyncIterator[Client]:
    transport = httpx2.ASGITransport(world.api)

    class Below(httpx2.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            request.url = request.url.copy_with(raw_path=request.url.raw_path.removeprefix(b"/api/v1"))
            return await transport.handle_async_request(request)

    async with Client("https://tracker.example", Token(await world.token()), transport=Below()) as made:
        yield made


async def test_the_client_lists_replays_and_tells_how_it_goes(world: Any, client: Client) -> None:
    ids = await told(world)
    found = [each async for each in client.deliveries.list(state="delivered")]
    assert [each.id for each in found] == ids[::-1]
    assert found[0].at.tzinfo is not None
    assert (await client.deliveries.get(ids[0])) == found[-1]
    since = found[1].at
    assert [each.id async for each in client.deliveries.list(since=since)] == ids[:-3:-1]
    assert await client.deliveries.replay_since(since, dry_run=True) == 2
    assert await client.deliveries.replay_since(since, states=["dead"]) == 0
    assert await client.deliveries.replay_since(since) == 2
    assert (await client.health()).waiting == 2
    assert not await client.deliveries.replay(ids[-1]), "it is about to be told"
    assert await world.platform.settle() == 2
    assert await client.deliveries.replay(ids[0])
    with pytest.raises(Invalid):
        await client.deliveries.replay_since(dt.datetime(2026, 3, 2))  # noqa: DTZ001
    with pytest.raises(NotFound):
        await client.deliveries.get("no id")
    await world.grant(["tasks:read"])
    with pytest.raises(Refused) as refused:
        await client.deliveries.replay(ids[0])
    assert refused.value.scope == "deliveries:manage"


# Another organisation


async def test_ids_of_another_organisation_lead_nowhere(world: Any) -> None:
    ids = await told(world)
    for token in (await world.token("south"), await world.token("south", person="ada")):
        assert (await world.call("GET", f"/deliveries/{ids[0]}", token)).status == 404
        assert (await world.call("POST", f"/deliveries/{ids[0]}/replay", token)).status == 404
        listed = (await world.call("GET", "/deliveries", token)).json["items"]
        assert not {each["id"] for each in listed} & set(ids)
