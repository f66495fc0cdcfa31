"""Jobs are called until they are done, beside the line of notices, and end with their installation."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
import sqlalchemy as sa

from assigntask.context.storage import InstallationStore
from assigntask.db import tables as t
from assigntask.events.deliveries import schedule
from assigntask.jobs import rows

pytestmark = pytest.mark.timeout(60)

APP = "working_app"


async def drained(world: Any, limit: int = 100) -> int:
    delivered: int = await world.notices.drain(world.ids["here"], world.ids[APP], limit=limit)
    return delivered


async def said(world: Any) -> Any:
    store = InstallationStore(
        world.db, world.sealing, organisation_id=world.ids["here"], installation_id=world.ids[APP]
    )
    entry = await store.get("said")
    return [] if entry is None else entry.value


async def jobs(world: Any) -> list[Any]:
    """The oldest first."""
    found: list[Any] = await world.db.read(rows.newest, world.ids["here"], world.ids[APP])
    return found[::-1]


async def started(world: Any, name: str, to: int = 1, key: str = "k") -> str:
    job: str = await world.db.write(rows.start, world.ids["here"], world.ids[APP], name, {"to": to}, key, world.clock())
    return job


async def test_a_job_is_called_until_it_has_no_more_to_do(world: Any) -> None:
    await world.install(APP)
    await world.task("count 3")
    assert await drained(world) == 2
    assert await said(world) == ["heard count 3", "count 1", "count 2", "count 3"]
    [job] = await jobs(world)
    assert (job.name, job.state, job.done, job.total, job.text) == ("count", "done", 3, 3, "3 counted")
    assert await world.released(APP, ["notice"]) != []


async def test_a_job_is_running_from_its_first_call_on(world: Any) -> None:
    await world.install(APP)
    await started(world, "count", 3)
    assert [job.state for job in await jobs(world)] == ["waiting"]
    await drained(world, limit=1)
    assert [job.state for job in await jobs(world)] == ["running"]


async def test_a_notice_waits_for_one_call_of_a_job_and_no_more(world: Any) -> None:
    await world.install(APP)
    await started(world, "count", 3)
    await drained(world, limit=1)
    await world.task("news")
    await drained(world)
    assert await said(world) == ["count 1", "heard news", "count 2", "count 3"]


async def test_jobs_take_turns(world: Any) -> None:
    await world.install(APP)
    for name in ("a", "b"):
        await started(world, name, 2)
        world.later(seconds=1)
    for _ in range(4):
        await drained(world, limit=1)
        world.later(seconds=1)
    assert await said(world) == ["a 1", "b 1", "a 2", "b 2"]


async def test_a_job_that_fails_is_tried_again_and_notices_do_not_wait_for_it(world: Any) -> None:
    await world.install(APP)
    await started(world, "stumble", 2)
    await drained(world)
    assert "host.notice.job" in await world.problems(APP)
    await world.task("news")
    await drained(world)
    assert await said(world) == ["heard news"]
    world.later(seconds=6)
    await drained(world)
    assert await said(world) == ["heard news", "stumble 2"]
    assert [job.state for job in await jobs(world)] == ["done"]
    assert await world.problems(APP) == {}


async def test_a_job_that_keeps_failing_fails_and_says_why_to_people_alone(world: Any) -> None:
    await world.install(APP)
    job = await started(world, "break")
    for attempts in range(1, 11):
        await drained(world)
        world.later(seconds=1.1 * (schedule(attempts) or dt.timedelta(0)).total_seconds())
    assert [one.state for one in await jobs(world)] == ["failed"]
    assert "host.given_up.job" in await world.problems(APP)
    why = await world.db.read(rows.errors, world.ids["here"], world.ids[APP])
    assert "hook_raised" in why[job]
    assert not any("broken" in str(value) for value in vars_of((await jobs(world))[0]))


def vars_of(job: Any) -> list[Any]:
    return [getattr(job, name) for name in job.__slots__]


async def test_getting_on_makes_up_for_earlier_failures(world: Any) -> None:
    await world.install(APP)
    await started(world, "stumble", 3)
    await drained(world)
    world.later(seconds=6)
    await drained(world, limit=1)
    attempts = sa.select(t.delivery.c.attempts).where(t.delivery.c.organisation_id == world.ids["here"])
    assert await world.db.read(lambda conn: conn.scalars(attempts).all()) == [0]


async def test_a_disabled_apps_job_waits_until_it_is_enabled(world: Any) -> None:
    await world.install(APP)
    await started(world, "count")
    await world.leaving.disable(world.doer(), "working-app")
    assert await world.notices.drain_due() == 0
    await world.leaving.enable(world.doer(), "working-app")
    assert await world.notices.drain_due() == 1


async def test_while_an_app_is_upgraded_its_jobs_wait(world: Any) -> None:
    await world.install(APP)
    await started(world, "count")
    i = t.installation.c
    mine = (i.organisation_id == world.ids["here"], i.id == world.ids[APP])

    def upgrading(conn: Any, to: str | None) -> None:
        conn.execute(sa.update(t.installation).where(*mine).values(upgrading_from=to))

    waiting = {"hook": "upgraded", "next_at": world.now + dt.timedelta(hours=1), "position": 1000}
    await world.db.write(upgrading, "0.9.0")
    await world.db.write(_copied, world.ids["here"], waiting)
    assert await drained(world) == 0
    assert await said(world) == []
    d = t.delivery.c
    gone = sa.update(t.delivery).where(d.organisation_id == world.ids["here"], d.hook == "upgraded")
    await world.db.write(lambda conn: conn.execute(gone.values(state="skipped")))
    assert await drained(world) == 1
    assert await said(world) == ["count 1"]


def _copied(conn: Any, organisation_id: str, changes: dict[str, Any]) -> None:
    """A delivery like the one that there is, but for these columns."""
    row = conn.execute(sa.select(t.delivery).where(t.delivery.c.organisation_id == organisation_id)).one()
    conn.execute(sa.insert(t.delivery).values({**row._mapping, "id": row.event_id, **changes}))


async def test_an_uninstall_ends_what_goes_on_and_the_wipe_takes_everything(world: Any) -> None:
    await world.install(APP)
    await started(world, "count", 3)
    await drained(world, limit=1)
    await world.leaving.uninstall(world.doer(), "working-app")
    assert [job.state for job in await jobs(world)] == ["failed"]
    assert await drained(world) == 0
    world.later(days=40)
    assert len(await world.leaving.sweep()) == 1
    assert await jobs(world) == []


async def test_a_job_whose_rows_are_gone_is_skipped(world: Any) -> None:
    await world.install(APP)
    await started(world, "count")
    where = t.job.c.organisation_id == world.ids["here"]
    await world.db.write(lambda conn: conn.execute(sa.delete(t.job).where(where)))
    assert await drained(world) == 0
    assert await world.lines(APP) == [("job", "skipped")]
