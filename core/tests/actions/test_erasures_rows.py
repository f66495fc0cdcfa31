"""What became of an erasure that was asked: each step once, in the ledger too, and a late answer is an answer."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
import sqlalchemy as sa

from assigntask.db import tables as t
from assigntask.erasures import report, rows
from assigntask.events.deliveries import Delivery
from assigntask.hooks import lines

from .test_actions_forgetting import release

LEASE = dt.timedelta(minutes=1)
LATER = dt.timedelta(days=30)


async def asked(house: Any, app_id: str = "calendar", state: str = "active") -> Delivery:
    """Bob was forgotten; the delivery that asks the app to erase what it has of him."""
    one = house.one
    app = await house.install(one, app_id, state=state)
    await release(house, one, app, app_id, one.bob)
    await house.forgetting.forget(one.admin, one.bob.id)
    delivery: Delivery | None = await house.db.write(lines.claim, one.id, app, house.now, LEASE)
    assert delivery is not None and delivery.hook == "person_forgotten"
    return delivery


async def steps(house: Any) -> list[str]:
    """The entries of the ledger, less what comes before the person is forgotten."""
    given = await house.ledger.given(house.one.id)
    return [entry.kind.removeprefix("erasure_") for entry in given if entry.kind.startswith("erasure_")]


async def stands(house: Any) -> report.Erasure:
    [found] = await house.db.read(report.listed, house.one.id)
    assert isinstance(found, report.Erasure)
    return found


@pytest.mark.parametrize(
    ("outcomes", "state", "recorded"),
    [
        ([], "asked", []),
        (["delivered", "delivered"], "delivered", ["delivered"]),
        (["delivered", "answered", "answered"], "answered", ["delivered", "answered"]),
        (["answered", "delivered", "silent"], "answered", ["answered"]),
        (["silent", "silent"], "silent", ["silent"]),
        (["delivered", "silent", "answered"], "answered", ["delivered", "silent", "answered"]),
    ],
    ids=lambda given: "-".join(given) or "nothing" if isinstance(given, list) else given,
)
async def test_each_step_is_taken_and_recorded_once(
    house: Any, outcomes: list[rows.Outcome], state: str, recorded: list[str]
) -> None:
    delivery = await asked(house)
    for outcome in outcomes:
        house.now += dt.timedelta(minutes=1)
        await house.db.write(rows.settle, delivery, outcome, house.now)
    found = await stands(house)
    assert (found.state, found.person_id, found.app_id) == (state, house.one.bob.id, "calendar")
    assert found.asked_at < (found.answered_at or found.silent_at or found.delivered_at or house.now) or not outcomes
    assert (found.delivered_at is None) == (state in ("asked", "silent") and "delivered" not in outcomes)
    assert await steps(house) == ["asked", *recorded]


async def test_other_notices_settle_no_erasure(house: Any) -> None:
    delivery = await asked(house)
    other = Delivery(
        delivery.id,
        delivery.organisation_id,
        delivery.installation_id,
        delivery.position,
        "person_withdrawn",
        1,
        house.now,
        delivery.event,
    )
    await house.db.write(rows.settle, other, "answered", house.now)
    assert (await stands(house)).state == "asked"


async def test_what_an_app_says_of_its_silence_is_a_code_with_words(house: Any) -> None:
    delivery = await asked(house)
    await house.db.write(rows.settle, delivery, "silent", house.now, "never_connected")
    found = await stands(house)
    assert (found.why, found.words) == ("never_connected", report.WHY["never_connected"])
    [entry] = [entry for entry in await house.ledger.given(house.one.id) if entry.kind == "erasure_silent"]
    assert entry.facts == {"erasure": found.id, "of": "person", "why": "never_connected"}
    assert (entry.actor, entry.app, entry.installation) == ("host", "calendar", delivery.installation_id)


@pytest.mark.parametrize(("state", "waits"), [("active", "waiting"), ("disabled", "waiting"), ("wiped", "dead")])
async def test_after_thirty_days_a_vendor_is_silent_and_an_app_that_is_here_still_hears_of_it(
    house: Any, state: str, waits: str
) -> None:
    delivery = await asked(house, state=state)
    await house.db.write(lines.put_back, delivery, house.now)
    house.now += LATER - dt.timedelta(seconds=1)
    assert await house.forgetting.sweep() == []
    assert (await stands(house)).state == "asked"
    house.now += dt.timedelta(seconds=1)
    for _ in range(2):
        await house.forgetting.sweep()
    found = await stands(house)
    assert (found.state, found.why) == ("silent", "never_reached")
    assert [row["state"] for row in await house.deliveries(delivery.installation_id)] == [waits]
    assert await steps(house) == ["asked", "silent"]


async def test_a_vendor_that_knows_and_says_nothing_is_silent_for_another_reason(house: Any) -> None:
    delivery = await asked(house)
    await house.db.write(rows.settle, delivery, "delivered", house.now)
    house.now += LATER
    await house.forgetting.sweep()
    assert (await stands(house)).why == "no_answer"


async def test_it_is_still_known_when_the_delivery_is_gone(house: Any) -> None:
    delivery = await asked(house)
    await house.db.write(lines.done, delivery, house.now)
    await house.db.write(rows.settle, delivery, "answered", house.now)
    await house.db.write(lambda conn: conn.execute(sa.delete(t.delivery)))
    assert (await stands(house)).state == "answered"


async def test_it_is_listed_by_person_and_by_app_in_its_own_organisation(house: Any) -> None:
    one = house.one
    await asked(house, "calendar")
    deaf = await house.install(one, "deaf", erases=False)
    await release(house, one, deaf, "deaf", one.ada)
    await house.people.role(one.admin, (await house.people.add(one.admin, name="Cy", email="cy@x.example")).id, "admin")
    await house.forgetting.forget(one.admin, one.ada.id)

    async def seen(organisation_id: str, **chosen: str) -> list[tuple[str, str]]:
        found = await house.db.read(lambda conn: report.listed(conn, organisation_id, **chosen))
        return [(each.app_id, each.state) for each in found]

    assert await seen(one.id) == [("calendar", "asked"), ("deaf", "silent")]
    assert await seen(one.id, person_id=one.bob.id) == [("calendar", "asked")]
    assert await seen(one.id, app_id="deaf") == [("deaf", "silent")]
    assert await seen(house.other.id) == []
