"""Objections to one app and restrictions of all: who may, what the app is told, which id comes after."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from assigntask.actions import objections
from assigntask.actions.withdrawal import generations
from assigntask.db import tables as t
from assigntask.errors import HostError, NotAllowed
from assigntask.people.doers import operator_of
from assigntask.people.facts import Doer
from assigntask.stores.plan import prepare
from assigntask.stores.rows import Owner, commit
from assigntask_sdk.storage import Put


async def epoch(house: Any) -> int:
    [organisation] = await house.rows(t.organisation, id=house.one.id)
    return int(organisation["epoch"])


async def told(house: Any, installation: str) -> list[Any]:
    return [row["event"]["facts"] for row in await house.deliveries(installation, "person_withdrawn")]


async def test_an_objection_is_told_to_that_app_alone_with_the_old_id(house: Any) -> None:
    one, bob = house.one, house.one.bob
    calendar, other = await house.install(one, "calendar"), await house.install(one, "other")
    elsewhere = await house.install(house.other, "calendar")
    before = await epoch(house)
    assert await house.objections.object(one.member, "calendar")
    assert await epoch(house) > before
    assert await told(house, calendar) == [{"person_id": bob.id, "app_id": "calendar", "generation": 0}]
    assert await told(house, other) == await told(house, elsewhere) == []
    assert await house.db.read(objections.objected_to, one.id, bob.id) == ["calendar"]
    assert await house.db.read(objections.objected_to, house.other.id, bob.id) == []
    [entry] = await house.ledger.given(one.id, person=bob)
    assert (entry.kind, entry.app) == ("objection", "calendar")


async def test_what_an_app_kept_under_the_old_id_does_not_lead_to_the_new_one(house: Any) -> None:
    one, bob = house.one, house.one.bob
    calendar, other = await house.install(one, "calendar"), await house.install(one, "other")
    for installation in (calendar, other):
        owner = Owner(one.id, installation, "person", bob.id)
        await house.db.write(commit, owner, prepare([Put("note", 1)]), sealed=True, limit=1000)
    await house.objections.object(one.member, "calendar")
    await house.objections.withdraw(one.member, "calendar")
    assert [row["installation_id"] for row in await house.rows(t.store)] == [other]


async def test_objecting_twice_or_at_once_is_one_objection(house: Any) -> None:
    calendar = await house.install(house.one, "calendar")
    outcomes = await asyncio.gather(*(house.objections.object(house.one.member, "calendar") for _ in range(4)))
    assert sorted(outcomes) == [False, False, False, True]
    assert len(await told(house, calendar)) == 1


async def test_after_a_withdrawn_objection_the_app_knows_the_person_by_a_new_id(house: Any) -> None:
    one, bob = house.one, house.one.bob
    calendar = await house.install(one, "calendar")
    for generation in (0, 1):
        await house.objections.object(one.member, "calendar")
        assert await house.db.read(generations, one.id, bob.id) == ({"calendar": generation} if generation else {})
        assert await house.objections.withdraw(one.member, "calendar")
    assert await house.db.read(generations, one.id, bob.id) == {"calendar": 2}
    assert [facts["generation"] for facts in await told(house, calendar)] == [0, 1]
    assert not await house.objections.withdraw(one.member, "calendar")
    kinds = [entry.kind for entry in await house.ledger.given(one.id, person=bob)]
    assert kinds == ["objection", "objection_withdrawn"] * 2


async def test_an_objection_holds_for_an_app_that_left_and_for_one_that_never_came_is_refused(house: Any) -> None:
    await house.install(house.one, "calendar", state="wiped")
    assert await house.objections.object(house.one.member, "calendar")
    with pytest.raises(HostError, match="'calendar'") as unknown:
        await house.objections.object(house.one.member, "calender")
    assert unknown.value.code == "app_unknown"


async def test_a_restriction_is_told_to_every_app_that_was_not_told_before(house: Any) -> None:
    one, bob = house.one, house.one.bob
    calendar, other = await house.install(one, "calendar"), await house.install(one, "other", state="disabled")
    gone = await house.install(one, "gone", state="uninstalled")
    await house.objections.object(one.member, "calendar")
    assert await house.objections.restrict(one.admin, bob.id)
    assert not await house.objections.restrict(one.member, bob.id)
    assert [len(await told(house, installation)) for installation in (calendar, other, gone)] == [1, 1, 0]
    assert await house.db.read(objections.is_restricted, one.id, bob.id)
    assert await house.objections.lift(one.member, bob.id)
    assert not await house.objections.lift(one.admin, bob.id)
    assert await house.db.read(generations, one.id, bob.id) == {"calendar": 1, "other": 1, "gone": 1}


async def test_a_restriction_that_somebody_set_about_themself_is_theirs_to_lift(house: Any) -> None:
    one, bob = house.one, house.one.bob
    await house.objections.restrict(one.member, bob.id)
    with pytest.raises(NotAllowed, match="themself"):
        await house.objections.lift(one.admin, bob.id)
    assert await house.db.read(objections.is_restricted, one.id, bob.id)
    assert await house.objections.lift(one.member, bob.id)


async def test_objecting_while_restricted_tells_nothing_twice(house: Any) -> None:
    calendar = await house.install(house.one, "calendar")
    await house.objections.restrict(house.one.member, house.one.bob.id)
    await house.objections.object(house.one.member, "calendar")
    assert len(await told(house, calendar)) == 1


async def test_only_the_person_themself_objects(house: Any) -> None:
    one = house.one
    app = await house.install(one, "calendar")
    for doer in (operator_of(one.id), Doer(one.id, None, None), one.app(app), one.app(app, one.bob.id)):
        with pytest.raises(NotAllowed):
            await house.objections.object(doer, "calendar")
        with pytest.raises(NotAllowed):
            await house.objections.withdraw(doer, "calendar")
    assert await house.objections.object(Doer(one.id, one.bob.id, "member", operator=True), "calendar")
    assert await house.rows(t.restriction) == []


async def test_a_member_restricts_nobody_else(house: Any) -> None:
    one = house.one
    with pytest.raises(NotAllowed):
        await house.objections.restrict(one.member, one.ada.id)
    await house.objections.restrict(one.admin, one.ada.id)
    with pytest.raises(NotAllowed):
        await house.objections.lift(one.member, one.ada.id)
