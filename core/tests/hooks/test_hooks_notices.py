"""Notices: in order, at least once, by the grant of the moment, and never a line that stands still."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any

import pytest
import sqlalchemy as sa

from assigntask.db import tables as t
from assigntask.events.deliveries import claim as claim_head
from assigntask.events.deliveries import schedule
from assigntask.events.events import Event, record
from assigntask.hooks import lines
from assigntask.hooks.notices import LEASE
from assigntask.people.facts import Doer
from assigntask_sdk.records import Due

pytestmark = pytest.mark.timeout(60)

NOW = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)


async def drained(world: Any, name: str = "listening_app") -> int:
    delivered: int = await world.notices.drain(world.ids["here"], world.ids[name])
    return delivered


async def installed(world: Any, **options: Any) -> None:
    await world.install("listening_app", **options)
    assert await drained(world) == 1  # `installed`


async def test_an_installed_app_is_given_the_contact_that_it_asked_for(world: Any) -> None:
    await installed(world)
    assert await world.heard() == [["installed", "ada@harbour.example"]]
    assert await world.released("listening_app", ["install"]) != []


async def test_a_contact_who_objects_before_it_is_told_is_left_out(world: Any) -> None:
    await world.install("listening_app")
    await world.objections.object(world.doer(), "listening-app")
    await drained(world)
    assert (await world.heard())[0] == ["installed", ""]


async def test_changes_are_told_in_order_with_what_changed_and_was_released(world: Any) -> None:
    await installed(world)
    task = await world.task("one")
    await world.edit(task, summary="two", assignees=[world.ids["ben"]])
    await world.actions.comment(world.doer("ben"), task.id, "well done")
    assert await drained(world) == 3
    ada = (await world.grant("listening_app")).pairwise(world.ids["ada"])
    assert (await world.heard())[1:] == [
        ["task_changed", f"two | due,summary | {ada}"],
        ["task_changed", f"two | summary | {ada}"],
        ["comment_added", "well done"],
    ]


async def test_a_notice_without_the_scope_does_not_say_who(world: Any) -> None:
    await installed(world, without=["viewer:change"])
    await world.task("one")
    await drained(world)
    assert (await world.heard())[1] == ["task_changed", "one | due,summary | nobody"]


async def test_what_the_hook_does_not_ask_for_is_not_told(world: Any) -> None:
    await installed(world)
    task = await world.task("one")
    await drained(world)
    await world.edit(task, assignees=[world.ids["ben"]])
    assert await drained(world) == 0


async def test_an_app_does_not_hear_of_its_own_changes(world: Any) -> None:
    installation = (await installed(world), world.ids["listening_app"])[1]
    task = await world.task("one")
    await drained(world)
    await world.actions.edit(
        Doer(world.ids["here"], None, None, installation_id=installation), task.id, {"summary": "x"}
    )
    assert await drained(world) == 0


async def test_what_is_gone_or_out_of_reach_is_skipped_and_nothing_is_released(world: Any) -> None:
    await installed(world, projects=["far"])
    await world.task("near")
    await world.objections.object(world.doer("ben"), "listening-app")
    task = await world.task("far", project="far")
    await world.actions.comment(world.doer("ben"), task.id, "by somebody withheld")
    before = len(await world.released("listening_app", ["notice"]))
    assert await drained(world) == 2  # ben's withdrawal, and the task that is within reach
    assert [kind for kind, _ in await world.heard()] == ["installed", "person_withdrawn", "task_changed"]
    assert sorted(state for hook, state in await world.lines() if state == "skipped") == ["skipped", "skipped"]
    assert len(await world.released("listening_app", ["notice"])) == before + 1


async def test_a_failing_notice_is_tried_again_and_what_is_behind_it_waits(world: Any) -> None:
    await installed(world)
    task = await world.task("break")
    await world.task("behind")
    assert await drained(world) == 0
    assert await drained(world) == 0
    assert "host.notice.task_changed" in await world.problems("listening_app")
    world.later(seconds=6)
    await world.edit(task, summary="mended")
    assert await drained(world) == 3
    told = [said.partition(" |")[0] for kind, said in await world.heard() if kind == "task_changed"]
    assert told == ["mended", "behind", "mended"]
    assert await world.problems("listening_app") == {}


async def test_a_notice_that_keeps_failing_is_given_up_and_the_line_goes_on(world: Any) -> None:
    await installed(world)
    await world.task("break")
    await world.task("behind")
    for attempts in range(1, 11):
        await drained(world)
        world.later(seconds=1.1 * (schedule(attempts) or dt.timedelta(0)).total_seconds())
    world.later(minutes=11)  # its breaker's longest pause
    await drained(world)
    assert [state for hook, state in await world.lines() if hook == "task_changed"] == ["dead", "delivered"]
    problems = await world.problems("listening_app")
    assert "given up" in problems["host.given_up.task_changed"].text
    assert "broken" in problems["host.given_up.task_changed"].text


async def test_an_app_that_nothing_reaches_for_five_days_is_disabled_and_gets_a_new_chance(world: Any) -> None:
    await installed(world)
    task = await world.task("break")
    for _ in range(4):
        await drained(world)
        world.later(hours=30)
    await drained(world)
    row = await world.db.read(lambda conn: conn.execute(sa.select(t.installation)).one())
    assert (row.state, row.disabled_why) == ("disabled", "failing")
    assert "enable it" in (await world.problems("listening_app"))["host.disabled"].text
    assert [state for hook, state in await world.lines() if hook == "task_changed"] == ["waiting"]
    await world.edit(task, summary="mended")
    await world.leaving.enable(world.doer(), "listening-app")
    assert await drained(world) == 1
    row = await world.db.read(lambda conn: conn.execute(sa.select(t.installation)).one())
    assert (row.disabled_why, row.failing_since) == (None, None)
    assert await world.problems("listening_app") == {}


async def test_each_attempt_is_on_record_and_what_is_skipped_is_not(world: Any) -> None:
    await installed(world, without=["viewer:change"], projects=["near"])
    task = await world.task("break")
    await drained(world)
    await world.edit(task, summary="mended")
    await world.task("far", project="far")
    world.later(seconds=6)
    await drained(world)
    told = [one.facts for one in await world.ledger.given(world.ids["here"]) if one.kind == "delivery"]
    assert [(one["hook"], one["attempt"], one["outcome"]) for one in told] == [
        ("installed", 1, "sent"),
        ("task_changed", 1, "sent"),
        ("task_changed", 2, "sent"),
        ("task_changed", 1, "sent"),
    ]
    assert [state for _, state in await world.lines()] == ["delivered", "delivered", "delivered", "skipped"]


async def test_an_open_breaker_costs_no_attempt(world: Any) -> None:
    await installed(world)
    for _ in range(5):
        await world.proxies.breakers.failed(world.ids["here"], world.ids["listening_app"], "task_changed", "no")
    await world.task("one")
    assert await drained(world) == 0
    attempts = await world.db.read(
        lambda conn: conn.scalar(sa.select(t.delivery.c.attempts).where(t.delivery.c.hook == "task_changed"))
    )
    assert attempts == 0
    world.later(seconds=31)
    assert await drained(world) == 1


@pytest.mark.parametrize(("summary", "wait"), [("later", 7), ("conflict", 5.5)])
async def test_not_now_is_tried_again_later_and_is_no_failure(world: Any, summary: str, wait: float) -> None:
    await installed(world)
    task = await world.task(summary)
    assert await drained(world) == 0
    assert await world.problems("listening_app") == {}
    await world.edit(task, summary="now")
    world.later(seconds=wait - 1.1)
    assert await drained(world) == 0
    world.later(seconds=1.1)
    assert await drained(world) == 2
    assert (await world.proxies.breakers._get(world.ids["here"], world.ids["listening_app"], "task_changed")).total == 0


async def test_nothing_reaches_a_disabled_app_and_it_hears_all_when_it_is_enabled(world: Any) -> None:
    await installed(world)
    await world.task("before")
    await world.leaving.disable(world.doer(), "listening-app")
    await world.objections.object(world.doer("cem"), "listening-app")
    assert await drained(world) == 0
    await world.leaving.enable(world.doer(), "listening-app")
    assert await drained(world) == 2
    assert [kind for kind, _ in await world.heard()] == ["installed", "task_changed", "person_withdrawn"]


async def test_an_uninstalled_app_hears_its_goodbye_and_who_is_to_be_forgotten_and_nothing_else(world: Any) -> None:
    await installed(world)
    task = await world.task("before", assignees=[world.ids["cem"]])
    assert task.version == 1
    await world.leaving.uninstall(world.doer(), "listening-app")
    await drained(world)
    await world.db.write(_forget, world.ids)
    await drained(world)
    kinds = [kind for kind, _ in await world.heard()]
    assert kinds == ["installed", "uninstalling", "person_forgotten"]


def _forget(conn: Any, ids: dict[str, str]) -> None:
    facts = {"person_id": ids["cem"], "generation": 0}
    event = Event(kind="person.forgotten", record_kind="person", record_id=ids["cem"], at=NOW, facts=facts)
    record(conn, ids["here"], event, hook="person_forgotten", recipients=[ids["listening_app"]])


async def test_whoever_withdraws_is_named_by_the_id_that_the_app_knew(world: Any) -> None:
    await installed(world)
    known_as = (await world.grant("listening_app")).pairwise(world.ids["ben"])
    await world.objections.object(world.doer("ben"), "listening-app")
    await world.objections.withdraw(world.doer("ben"), "listening-app")  # from now on there is a new id
    await drained(world)
    assert (await world.heard())[1] == ["person_withdrawn", known_as]
    assert (await world.grant("listening_app")).pairwise(world.ids["ben"]) != known_as


async def test_a_restored_app_is_told_by_the_ids_that_it_knew_before(world: Any) -> None:
    await installed(world)
    known_as = (await world.grant("listening_app")).pairwise(world.ids["ben"])
    credential = (await world.grant("listening_app")).credential

    def replay(conn: Any) -> None:
        mine = t.installation.c.organisation_id == world.ids["here"]
        conn.execute(sa.update(t.installation).where(mine).values(credential="c" * 36))
        facts = {"person_id": world.ids["ben"], "generation": 0, "credential": credential}
        event = Event(kind="replayed", record_kind="person", record_id=world.ids["ben"], at=NOW, facts=facts)
        record(conn, world.ids["here"], event, hook="person_withdrawn", recipients=[world.ids["listening_app"]])

    await world.db.write(replay)
    await drained(world)
    assert (await world.heard())[1] == ["person_withdrawn", known_as]


async def upgrade(world: Any) -> None:
    """As an upgrade leaves it: `upgraded` is queued, and the installation waits for it."""

    def unit(conn: Any) -> None:
        mine = t.installation.c.organisation_id == world.ids["here"]
        conn.execute(sa.update(t.installation).where(mine).values(upgrading_from="0.9.0"))
        event = Event(
            kind="installation.upgraded",
            record_kind="installation",
            record_id=world.ids["listening_app"],
            at=world.now,
            facts={"from_version": "0.9.0"},
        )
        record(conn, world.ids["here"], event, hook="upgraded", recipients=[world.ids["listening_app"]])

    await world.db.write(unit)


async def upgrading_from(world: Any) -> Any:
    query = sa.select(t.installation.c.upgrading_from).where(t.installation.c.organisation_id == world.ids["here"])
    return await world.db.read(lambda conn: conn.scalar(query))


async def test_upgraded_comes_before_what_waits_and_is_called_until_it_has_finished(world: Any) -> None:
    await installed(world)
    await world.task("waiting")
    await upgrade(world)
    assert await drained(world) == 2
    told = await world.heard()
    assert [kind for kind, _ in told] == ["installed", "upgraded", "upgraded", "upgraded", "task_changed"]
    assert told[1] == ["upgraded", "0.9.0"]
    assert await upgrading_from(world) is None


async def test_whoever_is_to_be_forgotten_does_not_wait_for_an_upgrade(world: Any) -> None:
    await installed(world)
    await world.objections.object(world.doer("ben"), "listening-app")
    await upgrade(world)
    await drained(world)
    assert [kind for kind, _ in await world.heard()][1:3] == ["person_withdrawn", "upgraded"]


async def test_while_upgraded_is_to_be_tried_again_nothing_else_is_told(world: Any) -> None:
    await installed(world)
    await upgrade(world)
    for _ in range(5):
        await world.proxies.breakers.failed(world.ids["here"], world.ids["listening_app"], "upgraded", "no")
    await world.task("waiting")
    assert await drained(world) == 0
    assert await upgrading_from(world) == "0.9.0"
    world.later(seconds=31)
    assert (world.ids["here"], world.ids["listening_app"]) in await world.db.read(lines.due, world.now)
    assert await drained(world) == 2


async def test_an_upgrade_that_is_given_up_does_not_leave_the_app_waiting_for_ever(world: Any) -> None:
    await installed(world)
    await upgrade(world)
    delivery = await world.db.write(lines.claim, *where(world), world.now, LEASE)
    assert delivery.hook == "upgraded"
    await world.db.write(lines.dead, delivery, world.now, "broken")
    assert await upgrading_from(world) is None


def where(world: Any) -> tuple[str, str]:
    return world.ids["here"], world.ids["listening_app"]


async def test_only_one_of_many_drains_tells(world: Any) -> None:
    await installed(world)
    for number in range(5):
        await world.task(f"task {number}")
    assert sum(await asyncio.gather(*(drained(world) for _ in range(6)))) == 5
    told = [said.partition(" |")[0] for kind, said in await world.heard() if kind == "task_changed"]
    assert told == [f"task {number}" for number in range(5)]


async def test_while_upgraded_is_being_told_another_drain_tells_nothing(world: Any) -> None:
    await installed(world)
    await world.task("waiting")
    await upgrade(world)
    delivery = await world.db.write(lines.claim, *where(world), world.now, LEASE)
    assert delivery.hook == "upgraded"
    assert await world.db.write(lines.claim, *where(world), world.now, LEASE) is None
    assert await world.db.write(lines.done, delivery, world.now)
    following = await world.db.write(lines.claim, *where(world), world.now, LEASE)
    assert following.hook == "task_changed"


async def test_what_a_dead_process_was_telling_is_told_again_after_its_lease(world: Any) -> None:
    await installed(world)
    await world.task("one")
    lost = await world.db.write(claim_head, *where(world), world.now, LEASE)
    assert lost is not None
    assert await drained(world) == 0
    world.later(seconds=LEASE.total_seconds() + 1)
    assert await drained(world) == 1
    assert not await world.db.write(lines.done, lost, world.now)  # the lost one can't settle it any more
    assert not await world.db.write(lines.put_back, lost, world.now)


async def test_all_lines_that_are_due_are_drained(world: Any) -> None:
    await world.install("listening_app")
    await world.install("raising_app")
    await world.task("one", due=Due(NOW.date()))
    assert await world.notices.drain_due() == 2  # installed and task_changed; the raising app fails
    assert [kind for kind, _ in await world.heard()] == ["installed", "task_changed"]
    assert await world.lines("raising_app") == [("task_changed", "waiting")]
