"""What units announce: heard after the commit, once, and not at all where nothing was stored."""

from __future__ import annotations

import asyncio

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import Database
from assigntask.db.announcing import Announcement, announce


class Heard(list[list[Announcement]]):
    def __call__(self, announced: frozenset[Announcement]) -> None:
        self.append(sorted(announced))


@pytest.fixture
def heard(database: Database) -> Heard:
    listener = Heard()
    database.listen(listener)
    return listener


def unit(conn: Connection, *names: str, fails: bool = False) -> int:
    for name in names:
        announce(name, "id")
        announce(name, "id")
    if fails:
        raise RuntimeError("no")
    return int(conn.execute(sa.text("SELECT 1")).scalar_one())


async def test_what_was_stored_is_heard_once(database: Database, heard: Heard) -> None:
    assert await database.write(unit, "one", "two") == 1
    assert await database.write(unit) == 1
    assert await database.write_grouped(unit, "three") == 1
    assert heard == [[("one", "id"), ("two", "id")], [("three", "id")]]


async def test_what_was_not_stored_is_not_heard(database: Database, heard: Heard) -> None:
    fine, failed, _ = await asyncio.gather(
        database.write(unit, "one"),
        database.write(unit, "two", fails=True),
        database.write(unit, "three"),
        return_exceptions=True,
    )
    assert fine == 1
    assert isinstance(failed, RuntimeError)
    assert sorted(heard) == [[("one", "id")], [("three", "id")]]


async def test_outside_of_a_unit_nobody_hears_it(database: Database, heard: Heard) -> None:
    announce("one")
    await database.write(unit)
    assert heard == []
