"""The line of notices of each installation: who is told, in which order, and when again."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any

import pytest
import sqlalchemy as sa

from assigntask.db import tables as t
from assigntask.events import deliveries
from assigntask.events.events import Event, read, record

LEASE = dt.timedelta(seconds=30)


def event(house: Any, **values: Any) -> Event:
    given = {"kind": "task.changed", "record_kind": "task", "record_id": "t", "at": house.now, "changed": ("due",)}
    return Event(**{**given, **values})


async def tell(house: Any, tenant: Any, told: Event | None = None, **options: Any) -> Event:
    told = told or event(house)
    await house.db.write(record, tenant.id, told, **{"hook": "task_changed", **options})
    return told


async def claim(house: Any, tenant: Any, installation: str) -> Any:
    return await house.db.write(deliveries.claim, tenant.id, installation, house.now, LEASE)


async def turn(house: Any, installation: str, state: str) -> None:
    query = sa.update(t.installation).where(t.installation.c.id == installation).values(state=state)
    await house.db.write(lambda conn: conn.execute(query) and None)


async def test_an_event_comes_back_as_it_was_recorded(house: Any) -> None:
    told = await tell(house, house.one, event(house, facts={"project": "p"}, by_person_id="x", origin="y", version=3))
    assert await house.db.read(read, house.one.id, told.id) == told
    assert await house.db.read(read, house.other.id, told.id) is None


async def test_only_named_recipients_of_this_organisation_are_told(house: Any) -> None:
    mine = await house.install(house.one, "a", {"task_changed": ["task.due"]})
    named = await house.install(house.one, "b")
    theirs = await house.install(house.other, "a", {"task_changed": ["task.due"]})
    await tell(house, house.one, recipients=[named, theirs])
    await tell(house, house.one, hook=None)
    assert [len(await house.deliveries(installation)) for installation in (mine, named, theirs)] == [0, 1, 0]


async def test_an_event_without_changed_fields_goes_to_all_who_listen(house: Any) -> None:
    mine = await house.install(house.one, "a", {"comment_added": []})
    await tell(house, house.one, event(house, changed=()), hook="comment_added")
    assert len(await house.deliveries(mine)) == 1


async def test_positions_are_in_the_order_of_commits_without_gaps_under_concurrency(house: Any) -> None:
    listening = [await house.install(house.one, f"app-{n}", {"task_changed": ["task.summary"]}) for n in range(3)]
    task = await house.tasks.create(house.one.member, project=house.one.project, summary="Oil")

    async def change(n: int) -> None:
        await house.tasks.create(house.one.member, project=house.one.project, summary=f"Task {n}")

    async def rewrite(n: int) -> None:
        for step in range(3):
            await house.tasks.edit(house.one.admin, task.id, {"summary": f"{n} {step}"})

    await asyncio.gather(*(change(n) for n in range(10)), rewrite(0))
    for installation in listening:
        line = await house.deliveries(installation)
        assert [row["position"] for row in line] == list(range(1, 15))
        versions = [row["event"]["version"] for row in line if row["event"]["record_id"] == task.id]
        assert versions == sorted(versions)
    lines = [[row["event_id"] for row in await house.deliveries(installation)] for installation in listening]
    assert lines[0] == lines[1] == lines[2]


async def test_a_unit_that_fails_tells_nobody_and_leaves_no_gap(house: Any) -> None:
    mine = await house.install(house.one, "a", {"task_changed": ["task.due"]})

    def failing(conn: sa.Connection) -> None:
        record(conn, house.one.id, event(house), hook="task_changed")
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        await house.db.write(failing)
    await tell(house, house.one)
    assert [row["position"] for row in await house.deliveries(mine)] == [1]


async def test_a_line_is_told_from_its_head_one_at_a_time(house: Any) -> None:
    mine = await house.install(house.one, "a", {"task_changed": ["task.due"]})
    first, second = await tell(house, house.one), await tell(house, house.one)
    assert await house.db.read(deliveries.waiting, house.now) == [(house.one.id, mine)]
    claimed = await claim(house, house.one, mine)
    assert (claimed.event, claimed.position, claimed.attempts) == (first, 1, 1)
    assert await claim(house, house.one, mine) is None
    assert await house.db.read(deliveries.waiting, house.now) == []
    assert await house.db.write(deliveries.done, claimed, house.now)
    assert (await claim(house, house.one, mine)).event == second


async def test_of_many_who_claim_at_once_one_gets_it(house: Any) -> None:
    mine = await house.install(house.one, "a", {"task_changed": ["task.due"]})
    await tell(house, house.one)
    claimed = await asyncio.gather(*(claim(house, house.one, mine) for _ in range(6)))
    assert len([one for one in claimed if one is not None]) == 1


async def test_what_failed_keeps_its_place_until_its_time(house: Any) -> None:
    mine = await house.install(house.one, "a", {"task_changed": ["task.due"]})
    first = await tell(house, house.one)
    await tell(house, house.one)
    claimed = await claim(house, house.one, mine)
    again = house.now + deliveries.schedule(claimed.attempts)
    assert await house.db.write(deliveries.failed, claimed, again, "RuntimeError")
    assert await claim(house, house.one, mine) is None
    assert await house.db.read(deliveries.waiting, house.now) == []
    house.now = again
    retried = await claim(house, house.one, mine)
    assert (retried.event, retried.attempts) == (first, 2)
    assert await house.db.write(deliveries.dead, retried, house.now, "RuntimeError")
    assert (await claim(house, house.one, mine)).position == 2


async def test_whoever_lost_the_lease_can_settle_nothing(house: Any) -> None:
    mine = await house.install(house.one, "a", {"task_changed": ["task.due"]})
    await tell(house, house.one)
    slow = await claim(house, house.one, mine)
    house.now += LEASE
    quick = await claim(house, house.one, mine)
    assert quick.id == slow.id
    assert not await house.db.write(deliveries.done, slow, house.now)
    assert not await house.db.write(deliveries.dead, slow, house.now, "slow")
    assert await house.db.write(deliveries.skip, quick, house.now, "nothing to tell")
    assert not await house.db.write(deliveries.done, quick, house.now)


async def test_a_disabled_installation_waits_and_one_that_left_hears_farewells_only(house: Any) -> None:
    disabled = await house.install(house.one, "a", {"task_changed": ["task.due"]})
    left = await house.install(house.one, "b", {"task_changed": ["task.due"]})
    await tell(house, house.one)
    await turn(house, disabled, "disabled")
    await turn(house, left, "uninstalled")
    assert await claim(house, house.one, disabled) is None
    assert await claim(house, house.one, left) is None
    await tell(house, house.one, recipients=[left], hook="uninstalling")
    assert await house.db.write(deliveries.skip_waiting, house.one.id, left, house.now, why="uninstalled") == 1
    assert await house.db.read(deliveries.waiting, house.now) == [(house.one.id, left)]
    assert (await claim(house, house.one, left)).hook == "uninstalling"


async def test_an_app_that_left_since_its_subscription_was_read_is_not_queued_for(house: Any) -> None:
    """On PostgreSQL a change and an uninstall run beside each other: behind the goodbye it would wait for ever."""
    stays = await house.install(house.one, "a", {"task_changed": ["task.due"]})
    left = await house.install(house.one, "b", {"task_changed": ["task.due"]}, state="uninstalled")
    await tell(house, house.one)
    assert [len(await house.deliveries(installation)) for installation in (stays, left)] == [1, 0]
    assert (await house.rows(t.installation, id=left))[0]["next_position"] == 1


async def test_a_line_is_claimed_in_its_own_organisation_only(house: Any) -> None:
    mine = await house.install(house.one, "a", {"task_changed": ["task.due"]})
    await tell(house, house.one)
    assert await claim(house, house.other, mine) is None
    assert (await house.rows(t.delivery))[0]["attempts"] == 0


def test_attempts_come_further_and_further_apart_until_it_is_given_up() -> None:
    waits = [deliveries.schedule(attempts) for attempts in range(1, 11)]
    hours = [2, 5, 10, 14, 20, 24]
    assert [wait.total_seconds() for wait in waits if wait] == [5, 300, 1800, *(hour * 3600 for hour in hours)]
    assert waits[-1] is None
    assert deliveries.schedule(100) is None
