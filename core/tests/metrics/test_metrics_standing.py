"""How much waits on the whole host, as the tables say, on both databases."""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa

from assigntask.db import new_id
from assigntask.db import tables as t
from assigntask.db.database import Database
from assigntask.hooks import standing
from assigntask.metrics.standing import Standing

START = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)


async def deliver(world: Any, installation_id: str, state: str, *, position: int, minutes: int = 0) -> None:
    event_id, at = new_id(), START + dt.timedelta(minutes=minutes)
    event = {"id": event_id, "kind": "task.changed", "record_kind": "task", "record_id": new_id(), "at": at}
    await world.insert(t.event, {**event, "changed": [], "facts": {}})
    values = {"id": new_id(), "installation_id": installation_id, "event_id": event_id, "position": position}
    await world.insert(t.delivery, {**values, "hook": "task_changed", "state": state, "next_at": at})


async def break_(world: Any, installation_id: str, hook: str, state: str) -> None:
    values = {"installation_id": installation_id, "hook": hook, "state": state, "failures": 5, "total": 5}
    await world.insert(t.breaker, {**values, "changed_at": START})


async def test_an_empty_host_has_nothing_that_waits(database: Database) -> None:
    found = await database.read(standing.read, START)
    assert found == Standing(waiting=0, oldest=0, dead=0, breakers=0, entries=0, unsealed=0, seal_lag=0)


async def test_what_waits_is_counted_over_all_organisations_and_its_oldest_found(
    database: Database, world: Any, ledger: Any, clock: Any
) -> None:
    first = await world.install(["tasks:read"])
    disabled = await world.install(["tasks:read"], state="disabled")
    await deliver(world, first, "delivered", position=1, minutes=1)
    await deliver(world, first, "waiting", position=2, minutes=7)
    await deliver(world, first, "waiting", position=3, minutes=9)
    await deliver(world, first, "dead", position=4, minutes=2)
    await deliver(world, disabled, "waiting", position=1)  # it waits for an admin, not for the host
    await break_(world, first, "task_changed", "open")
    await break_(world, first, "task_badges", "closed")
    await break_(world, disabled, "task_changed", "open")
    for minutes in (3, 4):
        clock.now = START + dt.timedelta(minutes=minutes)
        await database.write(ledger.act, world.organisation_id, "install")
    found = await database.read(standing.read, START + dt.timedelta(minutes=10))
    assert found == Standing(waiting=2, oldest=180, dead=1, breakers=1, entries=2, unsealed=2, seal_lag=420)
    await ledger.seal()
    found = await database.read(standing.read, START + dt.timedelta(minutes=10))
    assert (found.entries, found.unsealed, found.seal_lag) == (2, 0, 0)


async def test_a_clock_that_was_set_back_makes_no_age_below_nothing(database: Database, world: Any) -> None:
    installation = await world.install(["tasks:read"])
    await deliver(world, installation, "waiting", position=1, minutes=5)
    assert (await database.read(standing.read, START)).oldest == 0


async def test_counting_uses_the_indexes_of_what_waits_and_what_was_given_up(sqlite_url: str) -> None:
    """Of what was delivered there is far more, and a monitor asks all day."""
    async with Database.open(sqlite_url) as database:
        asked: list[tuple[str, Any]] = []

        def plans(conn: sa.Connection) -> list[str]:
            def note(_conn: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
                asked.append((statement, parameters))

            sa.event.listen(conn, "before_cursor_execute", note)
            standing.read(conn, START)
            sa.event.remove(conn, "before_cursor_execute", note)
            return [
                str(row[3])
                for statement, parameters in asked
                for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            ]

        steps = await database.read(plans)
    assert not [step for step in steps if step.startswith(("SCAN delivery", "SCAN event")) and "INDEX" not in step]
    assert any("ix_delivery_dead" in step for step in steps)
    assert any("ix_delivery_line" in step for step in steps)
    assert any("ix_ledger_entry_unsealed" in step for step in steps)
