"""What can be done to a ledger in an SQLite file: an older copy put back, and rows that can't even be read."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from assigntask.db import Database
from assigntask.ledger.keys import KeyRing
from assigntask.ledger.ledger import Ledger
from assigntask.ledger.subjects import SubjectKeys
from assigntask.people import organisations

if TYPE_CHECKING:
    from core.tests.conftest import MovableClock


async def test_an_older_copy_put_back_is_found_with_a_checkpoint_kept_elsewhere(
    sqlite_url: str, tmp_path: Path, keys: KeyRing, subject_keys: SubjectKeys, clock: MovableClock
) -> None:
    path, copy = Path(sqlite_url.removeprefix("sqlite:///")), tmp_path / "older.db"

    async def book(db: Database, number: int) -> str:
        ledger = Ledger(db, keys, subject_keys, clock)
        known = await db.read(organisations.listed)
        organisation = known[0] if known else await db.write(organisations.create, "Quay", "UTC", clock())
        for _ in range(number):
            await db.write(lambda conn: ledger.act(conn, organisation.id, "lifted"))
        return await ledger.checkpoint(organisation.id)

    async with Database.open(sqlite_url) as db:
        await book(db, 4)
    shutil.copyfile(path, copy)
    async with Database.open(sqlite_url) as db:
        newest = await book(db, 3)
    for leftover in path.parent.glob(f"{path.name}-*"):
        leftover.unlink()
    shutil.copyfile(copy, path)
    async with Database.open(sqlite_url) as db:
        ledger = Ledger(db, keys, subject_keys, clock)
        organisation_id = newest.splitlines()[0].removeprefix("assigntask/")
        assert (await ledger.verify(organisation_id)).fault is None
        fault = (await ledger.verify(organisation_id, newest)).fault
        assert fault is not None
        assert (fault.code, fault.entry) == ("ledger_older_copy", 4)
        assert "older copy" in fault.message


@pytest.mark.parametrize("spoil", ["leaf = CAST(x'7bff7d' AS TEXT)", "leaf = x'7b7d'", "at = 'yesterday'", "at = 5"])
async def test_a_row_that_can_not_even_be_read_is_named(
    sqlite_url: str, keys: KeyRing, subject_keys: SubjectKeys, clock: MovableClock, spoil: str
) -> None:
    """SQLite takes anything in any column."""
    async with Database.open(sqlite_url) as db:
        ledger = Ledger(db, keys, subject_keys, clock)
        organisation = await db.write(organisations.create, "Quay", "UTC", clock())
        for _ in range(5):
            await db.write(lambda conn: ledger.act(conn, organisation.id, "lifted"))
        await ledger.seal()
        statement = f"UPDATE ledger_entry SET {spoil} WHERE leaf_index = 3"  # noqa: S608 - the test's own words
        await db.write(lambda conn: conn.execute(sa.text(statement)))
        fault = (await ledger.verify(organisation.id)).fault
    assert fault is not None
    assert (fault.code, fault.entry) == ("entry_changed", 3)
