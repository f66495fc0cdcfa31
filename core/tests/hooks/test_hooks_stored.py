"""Breakers and problems as rows: shared by processes, written only when something changes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa

from assigntask.db import tables as t
from assigntask.hooks import problems
from assigntask.hooks.breakers import Breakers, listed
from assigntask_sdk.errors import Invalid

HOOK = "task_badges"


@pytest.fixture
async def where(world: Any) -> tuple[str, str]:
    await world.install("drawing_app")
    return world.ids["here"], world.ids["drawing_app"]


async def row(world: Any, where: tuple[str, str]) -> Any:
    return (await world.db.read(listed, *where)).get(HOOK)


async def test_what_never_failed_has_no_row(world: Any, where: tuple[str, str]) -> None:
    breakers = Breakers(world.db, world.clock)
    assert await breakers.admit(*where, HOOK) is None
    assert await breakers.succeeded(*where, HOOK) is False
    assert await row(world, where) is None


async def test_failures_at_the_same_moment_all_count(world: Any, where: tuple[str, str]) -> None:
    one, other = Breakers(world.db, world.clock), Breakers(world.db, world.clock)
    opened = await asyncio.gather(*(b.failed(*where, HOOK, "no") for b in (one, other) for _ in range(4)))
    assert (await row(world, where)).total == 8
    assert opened.count(True) == 1


async def test_of_two_processes_one_may_try(world: Any, where: tuple[str, str]) -> None:
    one, other = Breakers(world.db, world.clock), Breakers(world.db, world.clock)
    for _ in range(5):
        await one.failed(*where, HOOK, "no")
    assert await other.admit(*where, HOOK) is not None
    world.later(seconds=31)
    admitted = await asyncio.gather(one.admit(*where, HOOK), other.admit(*where, HOOK))
    assert sorted(until is None for until in admitted) == [False, True]


async def test_one_process_hears_that_another_closed_it(world: Any, where: tuple[str, str]) -> None:
    one, other = Breakers(world.db, world.clock), Breakers(world.db, world.clock)
    for _ in range(5):
        await one.failed(*where, HOOK, "no")
    assert await other.waits_until(*where, HOOK) is not None
    world.later(seconds=31)
    assert await one.admit(*where, HOOK) is None
    assert await one.succeeded(*where, HOOK) is True
    assert await other.waits_until(*where, HOOK) is None
    assert await other.admit(*where, HOOK) is None


async def test_resetting_closes_all_of_an_installation(world: Any, where: tuple[str, str]) -> None:
    breakers = Breakers(world.db, world.clock)
    await breakers.failed(*where, HOOK, "no", at_once=True)
    await breakers.reset(*where)
    assert await breakers.admit(*where, HOOK) is None
    assert await row(world, where) is None


async def test_a_problem_counts_and_keeps_its_first_moment(world: Any, where: tuple[str, str]) -> None:
    first = world.now
    for text in ("one", "two"):
        await world.db.write(problems.report, *where, "key", text, now=world.now, severity="error")
        world.later(minutes=1)
    [problem] = await world.db.read(problems.listed, *where)
    assert (problem.text, problem.count, problem.severity, problem.first_at) == ("two", 2, "error", first)
    assert problem.to_json()["count"] == 2
    await world.db.write(problems.clear, *where, "key")
    assert await world.db.read(problems.listed, *where) == []


async def test_an_app_neither_writes_nor_clears_what_the_host_reports(world: Any, where: tuple[str, str]) -> None:
    await world.db.write(problems.report, *where, "breaker.x", "broken", now=world.now, by_host=True)
    with pytest.raises(Invalid, match="the host's"):
        await world.db.write(problems.report, *where, "host.breaker.x", "all is well", now=world.now)
    await world.db.write(problems.clear, *where, "host.breaker.x")
    [problem] = await world.db.read(problems.listed, *where)
    assert problem.text == "broken"


@pytest.mark.parametrize(("key", "severity"), [("", "error"), ("k" * 201, "error"), ("key", "catastrophic")])
async def test_a_problem_that_can_not_be_kept_is_refused(
    world: Any, where: tuple[str, str], key: str, severity: str
) -> None:
    with pytest.raises(Invalid):
        await world.db.write(problems.report, *where, key, "text", now=world.now, severity=severity)


async def test_an_app_has_a_bounded_number_of_problems_and_the_host_still_reports(
    world: Any, where: tuple[str, str]
) -> None:
    def many(conn: Any) -> None:
        for number in range(problems.MOST):
            problems.report(conn, *where, f"key {number}", "text", now=world.now)

    await world.db.write(many)
    with pytest.raises(Invalid, match="already"):
        await world.db.write(problems.report, *where, "one more", "text", now=world.now)
    await world.db.write(problems.report, *where, "key 1", "again", now=world.now)
    await world.db.write(problems.report, *where, "breaker.x", "broken", now=world.now, by_host=True)
    count = await world.db.read(lambda conn: conn.scalar(sa.select(sa.func.count()).select_from(t.problem)))
    assert count == problems.MOST + 1


async def test_no_row_of_another_organisation_is_read_or_changed(world: Any, where: tuple[str, str]) -> None:
    await world.db.write(problems.report, *where, "key", "text", now=world.now)
    await world.proxies.breakers.failed(*where, HOOK, "no")
    elsewhere = ("0" * 36, where[1])
    await world.db.write(problems.clear, *elsewhere, "key")
    await Breakers(world.db, world.clock).reset(*elsewhere)
    assert await world.db.read(problems.listed, *elsewhere) == []
    assert await world.db.read(listed, *elsewhere) == {}
    assert len(await world.db.read(problems.listed, *where)) == 1
    assert (await row(world, where)).total == 1
