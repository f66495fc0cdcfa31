"""Schedules of apps: what is due is called once, beside the line, and as long as the app is active."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.context.storage import InstallationStore
from assigntask.db import tables as t
from assigntask.events import deliveries
from assigntask.hooks import lines
from assigntask.schedules import runs
from assigntask_sdk.manifest import parse
from assigntask_sdk.storage import Delete, Put

pytestmark = pytest.mark.timeout(60)

APP = "timed_app"
# The world begins at 09:00 on a Monday, in an organisation whose clocks show UTC.


async def due(world: Any) -> int:
    queued: int = await world.db.write(runs.due, world.clock())
    return queued


async def drained(world: Any, limit: int = 100) -> int:
    delivered: int = await world.notices.drain(world.ids["here"], world.ids[APP], limit=limit)
    return delivered


def store(world: Any) -> InstallationStore:
    where = {"organisation_id": world.ids["here"], "installation_id": world.ids[APP]}
    return InstallationStore(world.db, world.sealing, **where)


async def said(world: Any) -> list[Any]:
    """Without the ids of runs."""
    entry = await store(world).get("said")
    return [] if entry is None else [one[:2] for one in entry.value]  # type: ignore[index, union-attr]


async def schedules(world: Any) -> dict[str, tuple[dt.datetime, dt.datetime | None]]:
    """Next and last moment by name."""

    def unit(conn: Connection) -> dict[str, tuple[dt.datetime, dt.datetime | None]]:
        found = sa.select(t.schedule).where(t.schedule.c.organisation_id == world.ids["here"])
        return {row.name: (row.next_at, row.last_at) for row in conn.execute(found)}

    found: dict[str, tuple[dt.datetime, dt.datetime | None]] = await world.db.read(unit)
    return found


def clock(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(f"2026-03-{text}Z")


async def test_a_schedule_is_called_when_it_is_due_and_goes_on_to_the_next_time(world: Any) -> None:
    await world.install(APP)
    assert await due(world) == 0
    world.later(minutes=16)
    assert await due(world) == 1
    assert await drained(world) == 1
    assert await said(world) == [["often", "2026-03-02T09:15:00+00:00"]]
    assert await due(world) == 0
    next_at, last_at = (await schedules(world))["often"]
    assert last_at == clock("02T09:15")
    assert clock("02T09:30") <= next_at <= clock("02T09:31")
    world.later(minutes=15)
    assert (await due(world), await drained(world)) == (1, 1)
    assert await said(world) == [["often", "2026-03-02T09:15:00+00:00"], ["often", "2026-03-02T09:30:00+00:00"]]


async def test_runs_that_were_missed_are_made_up_for_once(world: Any) -> None:
    await world.install(APP)
    world.later(days=9, minutes=40)
    assert await due(world) == 2
    await drained(world)
    runs_of = {name: [at for each, at in await said(world) if each == name] for name in ("often", "weekly")}
    assert runs_of["often"] == ["2026-03-11T09:30:00+00:00"]
    assert set(runs_of["weekly"]) == {"2026-03-09T06:30:00+00:00"}


async def test_a_run_that_has_more_is_called_again_with_the_same_id(world: Any) -> None:
    await world.install(APP)
    world.later(days=7)
    await due(world)
    await drained(world)
    entry = await store(world).get("said")
    assert entry is not None
    weekly = [one[2] for one in entry.value if one[0] == "weekly"]  # type: ignore[index, union-attr]
    assert len(weekly) == 3
    assert len(set(weekly)) == 1


async def test_no_second_run_is_queued_while_one_waits(world: Any) -> None:
    await world.install(APP)
    await store(world).commit(Put("failures", 1))
    world.later(minutes=16)
    assert await due(world) == 1
    assert await drained(world) == 0  # it failed, and waits for its next try
    world.later(minutes=15)
    assert await due(world) == 0
    next_at, last_at = (await schedules(world))["often"]
    assert last_at == clock("02T09:15")
    assert next_at >= clock("02T09:45")
    assert await drained(world) == 1
    assert await said(world) == [["often", "2026-03-02T09:15:00+00:00"]]
    world.later(minutes=15)
    assert (await due(world), await drained(world)) == (1, 1)


async def test_a_run_that_fails_keeps_no_notice_waiting(world: Any) -> None:
    await world.install(APP)
    await store(world).commit(Put("failures", 1))
    world.later(minutes=16)
    await due(world)
    await drained(world)
    await world.task("rope")
    assert await drained(world) == 1
    assert await said(world) == [["heard", "rope"]]


async def test_a_run_that_was_overtaken_writes_nothing_more_and_settles_nothing(world: Any) -> None:
    await world.install(APP)
    await store(world).commit(Put("hold", True))
    world.later(minutes=16)
    await due(world)
    first = asyncio.create_task(drained(world))
    whose = (world.ids["here"], world.ids[APP])
    while await world.db.read(lines.due, world.clock()):  # until it is claimed
        assert not first.done()
    later, lease = world.clock() + dt.timedelta(minutes=5), dt.timedelta(minutes=1)
    second = await world.db.write(lines.claim, *whose, later, lease)
    assert second is not None
    await store(world).commit(Delete("hold"))
    assert await first == 0
    assert await said(world) == []
    assert ("scheduled", "waiting") in await world.lines(APP)
    assert await world.db.write(deliveries.done, second, later)


async def test_several_processes_start_one_run(world: Any) -> None:
    await world.install(APP)
    world.later(days=7, minutes=1)
    assert sum(await asyncio.gather(*(due(world) for _ in range(8)))) == 2
    assert sorted(hook for hook, state in await world.lines(APP) if state == "waiting") == ["scheduled", "scheduled"]


async def test_a_disabled_app_has_no_runs_and_none_are_made_up_for(world: Any) -> None:
    await world.install(APP)
    await world.leaving.disable(world.doer(), "timed-app")
    assert await schedules(world) == {}
    world.later(days=7)
    assert await due(world) == 0
    await world.leaving.enable(world.doer(), "timed-app")
    assert await due(world) == 0
    next_at, last_at = (await schedules(world))["often"]
    assert (next_at > world.clock(), last_at) == (True, None)


async def test_an_uninstalled_app_has_no_schedules_and_a_restored_one_has(world: Any) -> None:
    await world.install(APP)
    await world.leaving.uninstall(world.doer(), "timed-app")
    assert await schedules(world) == {}
    await world.leaving.restore(world.doer(), "timed-app")
    assert await schedules(world) == {}
    await world.leaving.enable(world.doer(), "timed-app")
    assert set(await schedules(world)) == {"often", "weekly"}


async def test_an_upgrade_changes_what_it_names_and_leaves_the_rest_its_turn(world: Any) -> None:
    await world.install(APP)
    before = await schedules(world)
    app = world.apps["timed-app"]
    text = (app.directory / "app.toml").read_text("utf-8").replace('"1.0.0"', '"1.1.0"')
    newer = parse(text.replace('often = "*/15 * * * *"', 'daily = "0 7 * * *"'))
    world.later(minutes=16)
    await due(world)  # a run of what will be gone waits
    world.apps["timed-app"] = type(app)(**{**_fields(app), "manifest": newer})
    await world.upgrading.upgrade(world.doer(), "timed-app")
    after = await schedules(world)
    assert set(after) == {"daily", "weekly"}
    assert after["weekly"] == before["weekly"]
    assert clock("03T07:00") <= after["daily"][0] <= clock("03T07:01")
    await drained(world)
    assert await said(world) == []
    assert ("scheduled", "skipped") in await world.lines(APP)


def _fields(app: Any) -> dict[str, Any]:
    return {name: getattr(app, name) for name in app.__dataclass_fields__}
