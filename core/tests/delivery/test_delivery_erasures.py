"""Apps elsewhere are asked to erase whatever became of their installation; what they say to it is kept."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.responses import Response

from assigntask.db import tables as t
from assigntask.erasures import report
from assigntask.erasures.report import Erasure
from assigntask_sdk.wire import HookBody

from .conftest import World, said
from .test_delivery_life import grant, heard_by

pytestmark = pytest.mark.timeout(60)
DONE = said(answer=None)


async def known(world: World, app_id: str) -> str:
    """Ben did something that the app was told of; the id by which it knows him."""
    task = await world.task("one", by="ben")
    await world.platform.tasks.comment(world.doer("ben"), task.id, "well done")
    await world.drain()
    return str((await grant(world, app_id)).pairwise(world.ids["ben"]))


def whom(body: HookBody) -> tuple[str, str]:
    """The hook, and the person that it is about."""
    person: Any = body.ask["person"]
    return body.hook, person["id"]


async def erasures(world: World) -> list[Erasure]:
    found: list[Erasure] = await world.platform.db.read(report.listed, world.ids["here"])
    return found


async def stands(world: World) -> list[tuple[str, str]]:
    """Of each erasure what it is of, and how it stands."""
    return [("all" if each.person_id is None else "ben", each.state) for each in await erasures(world)]


async def steps(world: World, app_id: str) -> list[str]:
    return [each.kind for each in await world.entries(app_id) if each.kind.startswith("erasure_")]


async def forget(world: World) -> None:
    await world.platform.forgetting.forget(world.doer(), world.ids["ben"])


async def test_a_disabled_app_is_asked_past_what_waits_for_it(stored_world: World) -> None:
    world = stored_world
    service = await world.scripted_app("listening_app")
    ben = await known(world, "listening-app")
    service.answer = lambda _: Response(status_code=500)
    await world.task("two", by="ben")  # it fails, and waits in front of all that comes after it
    await world.drain()
    await world.platform.leaving.disable(world.doer(), "listening-app")
    service.answer = lambda _: DONE
    await forget(world)
    before = len(service.asked)
    await world.drain()
    assert [whom(each) for each in service.asked[before:]] == [("person_forgotten", ben)]
    assert (await world.tokens.check(service.asked[-1].token)).goodbye  # it opens nothing but the app's own
    assert await stands(world) == [("ben", "answered")]
    assert (await world.lines("listening-app"))[-2:] == [
        ("task_changed", "waiting"),
        ("person_forgotten", "delivered"),
    ]
    assert await steps(world, "listening-app") == ["erasure_asked", "erasure_answered"]


async def test_a_service_is_asked_after_its_goodbye(world: World) -> None:
    service = await world.installed("listening_app")
    ben = await known(world, "listening-app")
    await world.platform.leaving.uninstall(world.doer(), "listening-app")
    await world.drain()
    assert await stands(world) == [("all", "answered")]
    await forget(world)
    await world.drain()
    assert (await heard_by(world, "listening-app"))[-1] == ["person_forgotten", ben]
    assert await stands(world) == [("all", "answered"), ("ben", "answered")]
    [kept] = await service.calling.store.find(world.ids["listening-app"])
    assert kept.parted


async def test_a_wiped_app_is_asked(world: World) -> None:
    service = await world.scripted_app("listening_app")
    ben = await known(world, "listening-app")
    await world.platform.leaving.uninstall(world.doer(), "listening-app")
    await world.drain()
    due = sa.update(t.installation).values(wipe_at=world.clock() - dt.timedelta(days=4))
    await world.platform.db.write(lambda conn: conn.execute(due))
    assert len(await world.platform.leaving.sweep()) == 1
    await forget(world)
    await world.drain()
    assert whom(service.asked[-1]) == ("person_forgotten", ben)
    assert await stands(world) == [("all", "answered"), ("ben", "answered")]


async def test_an_app_that_takes_it_and_fails_has_it_until_it_says_that_it_is_done(world: World) -> None:
    service = await world.scripted_app("listening_app")
    await known(world, "listening-app")
    service.answer = lambda _: said(error={"code": "hook_raised", "message": "OSError"})
    await forget(world)
    await world.drain()
    assert await stands(world) == [("ben", "delivered")]
    service.answer = lambda _: DONE
    world.clock.later(seconds=6)
    await world.drain()
    [found] = await erasures(world)
    assert found.state == "answered"
    assert found.delivered_at is not None and found.answered_at is not None
    assert found.delivered_at < found.answered_at
    assert await steps(world, "listening-app") == ["erasure_asked", "erasure_delivered", "erasure_answered"]


async def tried_out(world: World, app_id: str) -> int:
    """Lets time pass until nothing waits any more; how often it was tried."""
    while waiting := [each for each in await world.deliveries(app_id) if each.state == "waiting"]:
        world.clock.moved += max(dt.timedelta(0), min(each.next_at for each in waiting) - world.clock())
        world.clock.later(minutes=11)  # and the hook's breaker is closed by then
        await world.drain()
    return int((await world.deliveries(app_id))[-1].attempts)


async def test_a_vendor_that_never_answers_is_silent_and_admins_are_told(world: World) -> None:
    service = await world.scripted_app("listening_app")
    await known(world, "listening-app")
    service.answer = lambda _: Response(status_code=500)
    await world.platform.leaving.disable(world.doer(), "listening-app")
    await forget(world)
    await world.drain()
    assert await stands(world) == [("ben", "asked")]
    assert await tried_out(world, "listening-app") > 5
    [found] = await erasures(world)
    assert (found.state, found.why, found.delivered_at) == ("silent", "given_up", None)
    assert await steps(world, "listening-app") == ["erasure_asked", "erasure_silent"]
    installation = await world.platform.db.read(lambda conn: conn.execute(sa.select(t.installation)).one())
    assert installation.state == "disabled"


async def test_a_vendor_that_is_gone_for_good_is_not_asked_again(world: World) -> None:
    service = await world.scripted_app("listening_app")
    await known(world, "listening-app")
    await world.platform.leaving.uninstall(world.doer(), "listening-app")
    asked: list[HookBody] = []

    def gone(body: HookBody) -> Response:
        asked.append(body)
        return Response(json.dumps({}), status_code=410)

    service.answer = gone
    await world.drain()
    assert [each.hook for each in asked] == ["uninstalling"]
    assert await stands(world) == [("all", "silent")]
    assert await world.drain() == 0


async def test_an_app_that_is_no_longer_offered_counts_as_silent_in_the_end(world: World) -> None:
    await world.scripted_app("listening_app")
    await known(world, "listening-app")
    await world.platform.leaving.uninstall(world.doer(), "listening-app")
    await world.platform.remotes.remove("listening-app")
    await forget(world)
    await world.drain()
    assert await stands(world) == [("all", "asked"), ("ben", "asked")]
    world.clock.later(days=31)
    await world.platform.forgetting.sweep()
    assert {each.why for each in await erasures(world)} == {"never_reached"}
    states: Any = await world.lines("listening-app")
    assert "waiting" not in dict(states).values()
