"""Lines of apps that don't mind the order, and what is kept of lines for how long."""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa

from assigntask.db import tables as t
from assigntask.events import deliveries, sweeping
from assigntask.events.deliveries import Attempted
from assigntask.events.events import Event, record
from assigntask.hooks import lines

LEASE = dt.timedelta(seconds=30)
LATER = dt.timedelta(hours=1)


async def tell(house: Any, installation: str, hook: str = "task_changed") -> None:
    event = Event("task.changed", "task", "t", house.now, changed=("due",))
    await house.db.write(record, house.one.id, event, hook=hook, recipients=[installation])


async def claim(house: Any, installation: str) -> Any:
    return await house.db.write(lines.claim, house.one.id, installation, house.now, LEASE)


async def due(house: Any) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = await house.db.read(lines.due, house.now)
    return found


async def unordered(house: Any) -> str:
    installation: str = await house.install(house.one, "a", {"task_changed": ["task.due"]})
    query = sa.update(t.installation).where(t.installation.c.id == installation).values(in_order=False)
    await house.db.write(lambda conn: conn.execute(query) and None)
    return installation


async def test_where_order_does_not_matter_a_failing_notice_holds_back_none_behind_it(house: Any) -> None:
    mine = await unordered(house)
    for _ in range(3):
        await tell(house, mine)
    first = await claim(house, mine)
    assert await claim(house, mine) is None  # one call at a time all the same
    assert await house.db.write(deliveries.failed, first, house.now + LATER, "no")
    assert await due(house) == [(house.one.id, mine)]
    second = await claim(house, mine)
    assert (first.position, second.position) == (1, 2)
    assert await house.db.write(deliveries.done, second, house.now)
    third = await claim(house, mine)
    assert await house.db.write(deliveries.failed, third, house.now + 2 * LATER, "no")
    assert await due(house) == []
    house.now += 2 * LATER
    assert (await claim(house, mine)).position == 1  # the oldest whose time it is


async def test_its_credentials_come_before_all_else_and_an_upgrade_too(house: Any) -> None:
    mine = await unordered(house)
    await tell(house, mine, "credentials")
    await tell(house, mine)
    await house.db.write(deliveries.failed, await claim(house, mine), house.now + LATER, "no")
    assert await claim(house, mine) is None
    assert await due(house) == []
    house.now += LATER
    await house.db.write(deliveries.done, await claim(house, mine), house.now)
    await tell(house, mine, "upgraded")
    query = sa.update(t.installation).where(t.installation.c.id == mine).values(upgrading_from="0.9.0")
    await house.db.write(lambda conn: conn.execute(query) and None)
    upgraded = await claim(house, mine)
    assert upgraded.hook == "upgraded"
    await house.db.write(deliveries.failed, upgraded, house.now + LATER, "no")
    assert await claim(house, mine) is None


async def test_what_is_told_beside_a_line_neither_waits_for_it_nor_holds_it_back(house: Any) -> None:
    mine = await house.install(house.one, "a", {"task_changed": ["task.due"]})
    for hook in ("scheduled", "job", "task_changed"):
        await tell(house, mine, hook)
    notice = await claim(house, mine)
    assert notice.hook == "task_changed"
    await house.db.write(deliveries.failed, notice, house.now + LATER, "no")
    assert await due(house) == [(house.one.id, mine)]
    scheduled = await claim(house, mine)
    assert scheduled.hook == "scheduled"
    await house.db.write(lines.more, scheduled, house.now)
    assert (await claim(house, mine)).hook in deliveries.BESIDE


async def test_since_when_an_app_fails_is_kept_from_the_first_failure_to_the_next_success(house: Any) -> None:
    mine = await house.install(house.one, "a", {"task_changed": ["task.due"]})
    await tell(house, mine)
    began = house.now
    for _ in range(2):
        claimed = await claim(house, mine)
        await house.db.write(deliveries.failed, claimed, house.now + LATER, "no")
        await house.db.write(deliveries.went_wrong, claimed, house.now)
        assert (await house.rows(t.installation, id=mine))[0]["failing_since"] == began
        house.now += LATER
    await house.db.write(deliveries.done, await claim(house, mine), house.now)
    assert (await house.rows(t.installation, id=mine))[0]["failing_since"] is None


async def ended(house: Any, installation: str, state: str, hook: str = "task_changed", words: str = "") -> str:
    """A delivery with its event, which ended so just now; its id."""
    await tell(house, installation, hook)
    row = (await house.deliveries(installation))[-1]
    values = {"state": state, "done_at": house.now, "attempted_at": house.now, "answer": words or None}
    query = sa.update(t.delivery).where(t.delivery.c.id == row["id"]).values(**values)
    await house.db.write(lambda conn: conn.execute(query) and None)
    return str(row["id"])


async def left(house: Any) -> list[str]:
    return sorted(row["id"] for row in await house.rows(t.delivery))


async def swept(house: Any, limit: int = 100) -> int:
    number: int = await house.db.write(sweeping.sweep, house.now, limit)
    return number


async def test_what_was_told_is_kept_for_a_month_and_what_was_given_up_for_three(house: Any) -> None:
    mine = await house.install(house.one, "a")
    waits = await ended(house, mine, "waiting")
    told = await ended(house, mine, "delivered", words="no")
    skipped = await ended(house, mine, "skipped")
    dead = await ended(house, mine, "dead", words="no")
    withdrawn = await ended(house, mine, "delivered", "person_withdrawn")
    house.now += dt.timedelta(days=6, hours=23)
    assert await swept(house) == 0
    assert sorted(row["answer"] or "" for row in await house.rows(t.delivery)) == ["", "", "", "no", "no"]
    house.now += dt.timedelta(hours=1)
    assert await swept(house) == 0
    assert [row["answer"] for row in await house.rows(t.delivery)] == [None] * 5
    house.now += dt.timedelta(days=23)
    assert await swept(house) == 4  # two deliveries and their events
    assert await left(house) == sorted({waits, dead, withdrawn})
    house.now += dt.timedelta(days=60)
    assert await swept(house) == 2
    assert await left(house) == sorted({waits, withdrawn})
    assert len(await house.rows(t.event)) == 2
    assert {told, skipped}.isdisjoint(await left(house))


async def test_an_event_stays_as_long_as_one_of_its_deliveries_and_no_more_go_than_asked_for(house: Any) -> None:
    one, other = await house.install(house.one, "a"), await house.install(house.one, "b")
    event = Event("task.changed", "task", "t", house.now, changed=("due",))
    await house.db.write(record, house.one.id, event, hook="task_changed", recipients=[one, other])
    for _ in range(3):
        await ended(house, one, "delivered")
    told = sa.update(t.delivery).where(t.delivery.c.installation_id == one)
    ends = told.values(state="delivered", done_at=house.now)
    await house.db.write(lambda conn: conn.execute(ends) and None)
    house.now += dt.timedelta(days=31)
    await swept(house, limit=2)
    assert len(await left(house)) == 3
    await swept(house)
    assert [row["installation_id"] for row in await house.rows(t.delivery)] == [other]
    assert [row["id"] for row in await house.rows(t.event)] == [event.id]


async def test_an_attempt_is_kept_with_its_delivery_and_a_success_keeps_no_answer(house: Any) -> None:
    mine = await house.install(house.one, "a", {"task_changed": ["task.due"]})
    await tell(house, mine)
    made = Attempted(house.now, 12, 500, "no")
    await house.db.write(deliveries.failed, await claim(house, mine), house.now, "no", made)
    row = (await house.deliveries(mine))[0]
    assert (row["attempted_at"], row["took"], row["status"], row["answer"]) == (house.now, 12, 500, "no")
    well = Attempted(house.now + LATER, 7, 200)
    await house.db.write(deliveries.done, await claim(house, mine), house.now, well)
    row = (await house.deliveries(mine))[0]
    assert (row["attempted_at"], row["took"], row["status"], row["answer"]) == (house.now + LATER, 7, 200, None)
