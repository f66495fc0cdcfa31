"""What only SQLite does: one writer, batches, several processes on one file."""

import asyncio
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection

from assigntask.db import (
    Database,
    DatabaseBusy,
    DatabaseDamaged,
    DatabaseUnreachable,
)
from assigntask.db import sqlite as sqlite_module


def create(conn: Connection) -> None:
    conn.execute(text("CREATE TABLE note (id INTEGER PRIMARY KEY)"))


def add(conn: Connection, number: int) -> int:
    conn.execute(text("INSERT INTO note VALUES (:n)"), {"n": number})
    return number


def count(conn: Connection) -> int:
    return int(conn.execute(text("SELECT count(*) FROM note")).scalar_one())


@pytest.fixture
async def notes(tmp_path: Path) -> Database:
    database = Database.open(f"sqlite:///{tmp_path / 'notes.db'}")
    await database.write(create)
    return database


@pytest.fixture
async def memory() -> Database:
    database = Database.open("sqlite://")
    await database.write(create)
    return database


async def test_connections_are_set_for_durability_and_privacy(notes: Database) -> None:
    names = ("journal_mode", "synchronous", "foreign_keys", "secure_delete", "busy_timeout")

    def settings(conn: Connection) -> list[object]:
        return [conn.execute(text(f"PRAGMA {name}")).scalar_one() for name in names]

    expected = ["wal", 2, 1, 1, 10_000]
    assert await notes.write(settings) == expected
    assert await notes.read(settings) == expected
    assert notes.read_inline(settings) == expected
    await notes.close()


async def test_a_new_file_and_its_companions_belong_to_their_owner_alone(notes: Database) -> None:
    path = Path(notes.url.removeprefix("sqlite:///"))
    files = sorted(path.parent.glob("notes.db*"))
    assert [file.name for file in files] == ["notes.db", "notes.db-shm", "notes.db-wal"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    await notes.close()
    assert list(path.parent.glob("notes.db*")) == [path]


async def _hold_writer(notes: Database) -> tuple[threading.Event, "asyncio.Task[bool]"]:
    """A unit that keeps the writer busy until the event is set, so that others gather behind it."""
    begun, go_on = threading.Event(), threading.Event()

    def hold(conn: Connection) -> bool:
        begun.set()
        return go_on.wait(20)

    task = asyncio.ensure_future(notes.write(hold))
    await asyncio.to_thread(begun.wait, 20)
    return go_on, task


async def test_waiting_units_share_transactions_of_bounded_size(notes: Database) -> None:
    def uncommitted(conn: Connection, number: int) -> int:
        add(conn, number)
        return count(conn) - notes.read_inline(count)

    go_on, held = await _hold_writer(notes)
    waiting = [asyncio.ensure_future(notes.write(uncommitted, n)) for n in range(600)]
    await asyncio.sleep(0)
    go_on.set()
    shared = await asyncio.gather(*waiting)
    assert await held
    assert 1 < max(shared) <= 256
    assert shared.count(1) < 300  # the first of each transaction
    await notes.close()


async def test_nobody_is_answered_before_the_commit(notes: Database) -> None:
    async def add_and_look(number: int) -> int:
        await notes.write(add, number)
        return notes.read_inline(
            lambda conn: int(conn.execute(text("SELECT id FROM note WHERE id = :n"), {"n": number}).scalar_one())
        )

    assert await asyncio.gather(*(add_and_look(n) for n in range(100))) == list(range(100))
    await notes.close()


async def test_a_read_sees_one_state_however_long_it_takes(notes: Database) -> None:
    looked, written = threading.Event(), threading.Event()

    def twice(conn: Connection) -> tuple[int, int, int]:
        first = count(conn)
        looked.set()
        assert written.wait(20)
        return first, count(conn), notes.read_inline(count)

    reading = asyncio.ensure_future(notes.read(twice))
    await asyncio.to_thread(looked.wait, 20)
    await notes.write(add, 1)
    written.set()
    assert await reading == (0, 0, 0)
    assert await notes.read(count) == 1
    await notes.close()


async def test_a_version_asked_inside_a_read_belongs_to_the_state_that_the_read_sees(notes: Database) -> None:
    before = await asyncio.to_thread(notes.data_version)
    looked, written = threading.Event(), threading.Event()

    def content_and_version(conn: Connection) -> tuple[int, int]:
        content = count(conn)
        looked.set()
        assert written.wait(20)
        return content, notes.data_version()

    reading = asyncio.ensure_future(notes.read(content_and_version))
    await asyncio.to_thread(looked.wait, 20)
    await notes.write(add, 1)
    now = notes.data_version()
    written.set()
    content, version = await reading
    assert content == 0
    assert now not in (before, version)
    await notes.close()


OTHER_PROGRAM = """
import sqlite3, sys
conn = sqlite3.connect(sys.argv[1])
conn.execute("INSERT INTO note VALUES (5)")
conn.commit()
conn.close()
"""


async def test_a_version_changes_with_another_process_commits_and_not_without(notes: Database) -> None:
    path = notes.url.removeprefix("sqlite:///")
    notes.data_version()
    before = notes.data_version()
    assert notes.data_version() == before
    other = subprocess.run([sys.executable, "-c", OTHER_PROGRAM, path], check=False)
    assert other.returncode == 0
    after = notes.data_version()
    assert after != before
    assert notes.data_version() == after
    await notes.close()


PROCESS = """
import asyncio, sys
from sqlalchemy import text
from assigntask.db import Database

async def main() -> None:
    async with Database.open(sys.argv[1]) as db:
        def add(conn, number):
            conn.execute(text("INSERT INTO note VALUES (:n)"), {"n": number})
        first = int(sys.argv[2])
        for start in range(first, first + 200, 20):
            await asyncio.gather(*(db.write(add, n) for n in range(start, start + 20)))

asyncio.run(main())
"""


async def test_two_processes_write_one_file_without_losing_a_row(notes: Database) -> None:
    children = [subprocess.Popen([sys.executable, "-c", PROCESS, notes.url, str(first)]) for first in (1_000, 2_000)]
    for n in range(50):
        await notes.write(add, n)
    assert [await asyncio.to_thread(child.wait, 50) for child in children] == [0, 0]
    assert await notes.read(count) == 450
    await notes.close()


async def test_a_file_locked_by_another_program_is_reported_to_all_who_wait(notes: Database) -> None:
    await notes.write(lambda conn: conn.execute(text("PRAGMA busy_timeout=50")).close())
    path = notes.url.removeprefix("sqlite:///")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    results = await asyncio.gather(*(notes.write(add, n) for n in range(5)), return_exceptions=True)
    assert {type(result) for result in results} == {DatabaseBusy}
    assert "try again" in str(results[0])
    other.execute("COMMIT")
    other.close()
    assert await notes.write(add, 1) == 1
    assert await notes.read(count) == 1
    await notes.close()


async def test_a_full_disk_fails_what_does_not_fit_and_the_writer_goes_on(notes: Database) -> None:
    def fill(conn: Connection, size: int) -> None:
        conn.execute(text("INSERT INTO heap VALUES (zeroblob(:size))"), {"size": size})

    await notes.write(lambda conn: conn.execute(text("CREATE TABLE heap (content BLOB)")).close())
    await notes.write(lambda conn: conn.execute(text("PRAGMA max_page_count=20")).close())
    results = await asyncio.gather(
        notes.write(add, 1), notes.write(fill, 10_000_000), notes.write(add, 2), return_exceptions=True
    )
    assert [getattr(result, "code", result) for result in results] == [1, "database_full", 2]
    assert await notes.read(count) == 2
    await notes.close()


async def test_connections_of_threads_that_ended_are_closed(notes: Database) -> None:
    for _ in range(10):
        thread = threading.Thread(target=notes.read_inline, args=(count,))
        thread.start()
        thread.join()
    backend = notes._backend
    assert isinstance(backend, sqlite_module.SqliteFile)
    assert len(backend._readers) == 1
    await notes.close()


def test_a_missing_folder_a_folder_and_a_file_of_another_kind_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnreachable, match="create its folder"):
        Database.open(f"sqlite:///{tmp_path / 'nowhere' / 'x.db'}")
    with pytest.raises(DatabaseUnreachable):
        Database.open(f"sqlite:///{tmp_path}")
    (tmp_path / "letter.txt").write_text("Dear Ada, " * 200)
    with pytest.raises(DatabaseDamaged):
        Database.open(f"sqlite:///{tmp_path / 'letter.txt'}")


async def test_a_database_in_memory_has_one_content_for_every_way_in(memory: Database) -> None:
    before = memory.data_version()
    await memory.write(add, 1)
    after = memory.data_version()
    assert after != before
    assert await memory.read(count) == 1
    assert memory.data_version() == after
    assert memory.read_inline(count) == 1
    assert await asyncio.to_thread(memory.read_inline, count) == 1
    assert await memory.write(lambda conn: memory.read_inline(count)) == 1
    await memory.close()
