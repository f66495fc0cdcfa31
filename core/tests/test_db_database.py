"""What every unit of work may rely on, on both databases."""

import asyncio
import contextvars
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, func, insert, select, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from assigntask.db import Database, DatabaseClosed, DatabaseMisused, DatabaseUrlInvalid

NOTE = Table("note", MetaData(), Column("id", Integer, primary_key=True))

Write = Callable[..., Awaitable[object]]


def create(conn: Connection) -> None:
    NOTE.create(conn)


def add(conn: Connection, number: int) -> int:
    conn.execute(insert(NOTE).values(id=number))
    return number


def numbers(conn: Connection) -> list[int]:
    return list(conn.execute(select(NOTE.c.id).order_by(NOTE.c.id)).scalars())


@pytest.fixture
async def notes(database: Database) -> Database:
    await database.write(create)
    return database


@pytest.fixture(params=["write", "write_grouped"])
def write(request: pytest.FixtureRequest, notes: Database) -> Write:
    method: Write = getattr(notes, request.param)
    return method


async def test_a_write_returns_its_result_and_is_seen_by_every_later_read(notes: Database, write: Write) -> None:
    assert await write(add, 1) == 1
    assert await write(add, number=2) == 2
    assert await notes.read(numbers) == [1, 2]
    assert notes.read_inline(numbers) == [1, 2]


async def test_many_writes_at_once_are_all_stored_and_each_gets_its_own_answer(notes: Database, write: Write) -> None:
    answers = await asyncio.gather(*(write(add, n) for n in range(200)))
    assert answers == list(range(200))
    assert await notes.read(numbers) == list(range(200))


async def test_units_that_fail_are_rolled_back_alone(notes: Database, write: Write) -> None:
    def half(conn: Connection, number: int) -> None:
        add(conn, number)
        if number % 3 == 0:
            raise LookupError(number)

    results = await asyncio.gather(*(write(half, n) for n in range(60)), return_exceptions=True)
    failed = [n for n, result in enumerate(results) if isinstance(result, LookupError)]
    assert failed == list(range(0, 60, 3))
    assert [result.args for result in results if isinstance(result, LookupError)] == [(n,) for n in failed]
    assert await notes.read(numbers) == [n for n in range(60) if n % 3]


async def test_a_broken_constraint_fails_one_unit_among_many(notes: Database, write: Write) -> None:
    results = await asyncio.gather(*(write(add, n % 40) for n in range(80)), return_exceptions=True)
    assert sum(isinstance(result, IntegrityError) for result in results) == 40
    assert await notes.read(numbers) == list(range(40))


async def test_a_constraint_checked_at_commit_fails_only_its_own_unit(notes: Database, write: Write) -> None:
    def refer(conn: Connection) -> None:
        conn.execute(text("CREATE TABLE line (note INTEGER REFERENCES note (id) DEFERRABLE INITIALLY DEFERRED)"))

    def line(conn: Connection, number: int) -> int:
        conn.execute(text("INSERT INTO line VALUES (:note)"), {"note": number})
        return number

    await notes.write(refer)
    await write(add, 1)
    results = await asyncio.gather(*(write(line, n) for n in (1, 99, 1, 1)), return_exceptions=True)
    assert [type(result) for result in results] == [int, IntegrityError, int, int]
    assert await notes.read(lambda conn: conn.execute(text("SELECT count(*) FROM line")).scalar_one()) == 3


async def test_a_part_that_may_fail_goes_into_a_savepoint(notes: Database, write: Write) -> None:
    def careful(conn: Connection) -> str:
        add(conn, 2)
        with pytest.raises(IntegrityError), conn.begin_nested():
            add(conn, 1)
        add(conn, 3)
        return "went on"

    await write(add, 1)
    assert await write(careful) == "went on"
    assert await notes.read(numbers) == [1, 2, 3]


@pytest.mark.parametrize("act", ["begin", "commit", "rollback", "close"])
async def test_a_unit_cannot_end_the_transaction_it_shares(notes: Database, write: Write, act: str) -> None:
    def ends(conn: Connection) -> None:
        add(conn, 100)
        getattr(conn, act)()

    results = await asyncio.gather(write(add, 1), write(ends), write(add, 2), return_exceptions=True)
    assert [type(result) for result in results] == [int, DatabaseMisused, int]
    assert await notes.read(numbers) == [1, 2]


async def test_a_savepoint_left_open_fails_the_unit_and_no_other(notes: Database, write: Write) -> None:
    def leaves_open(conn: Connection) -> None:
        conn.begin_nested()
        add(conn, 100)

    results = await asyncio.gather(write(add, 1), write(leaves_open), write(add, 2), return_exceptions=True)
    assert [type(result) for result in results] == [int, DatabaseMisused, int]
    assert await notes.read(numbers) == [1, 2]


async def test_a_read_cannot_change_anything(notes: Database) -> None:
    with pytest.raises(DatabaseMisused, match="write"):
        await notes.read(add, 1)
    with pytest.raises(DatabaseMisused, match="write"):
        notes.read_inline(add, 1)
    assert await notes.read(numbers) == []


async def test_a_cancelled_task_leaves_its_unit_to_be_stored_wholly(notes: Database, write: Write) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(conn: Connection) -> None:
        add(conn, 1)
        begun.set()
        assert go_on.wait(20)
        add(conn, 2)

    task = asyncio.ensure_future(write(slow))
    await asyncio.to_thread(begun.wait, 20)
    queued = asyncio.ensure_future(write(add, 3))
    await asyncio.sleep(0)
    for waiting in (task, queued):
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    go_on.set()
    await notes.close()
    async with Database.open(notes.url) as again:
        assert await again.read(numbers) == [1, 2, 3]


async def test_a_unit_sees_the_context_of_whoever_asked(notes: Database, write: Write) -> None:
    request = contextvars.ContextVar("request", default="none")

    async def ask(name: str) -> tuple[object, object]:
        request.set(name)
        return await write(lambda conn: request.get()), await notes.read(lambda conn: request.get())

    assert await ask("a") == ("a", "a")
    assert tuple(await asyncio.gather(ask("b"), ask("c"))) == (("b", "b"), ("c", "c"))


async def test_one_database_serves_several_event_loops(notes: Database, write: Write) -> None:
    def elsewhere(number: int) -> None:
        async def run() -> None:
            await write(add, number)

        asyncio.run(run())

    await asyncio.gather(*(asyncio.to_thread(elsewhere, n) for n in range(4)))
    assert await notes.read(numbers) == [0, 1, 2, 3]


async def test_threads_read_inline_side_by_side(notes: Database, write: Write) -> None:
    await write(add, 1)
    counts = await asyncio.gather(*(asyncio.to_thread(notes.read_inline, numbers) for _ in range(20)))
    assert counts == [[1]] * 20


async def test_after_close_every_call_says_so(notes: Database) -> None:
    await notes.close()
    await notes.close()
    for call in (notes.read, notes.write, notes.write_grouped):
        with pytest.raises(DatabaseClosed) as caught:
            await call(numbers)
        assert caught.value.code == "database_closed"
    with pytest.raises(DatabaseClosed):
        notes.read_inline(numbers)
    with pytest.raises(DatabaseClosed):
        notes.data_version()


async def test_close_finishes_what_was_taken(notes: Database) -> None:
    waiting = [asyncio.ensure_future(notes.write(add, n)) for n in range(50)]
    await asyncio.sleep(0)
    await notes.close()
    assert await asyncio.gather(*waiting) == list(range(50))


async def test_every_write_changes_the_version_that_every_thread_is_told(notes: Database) -> None:
    for n in range(5):
        here = notes.data_version()
        elsewhere = await asyncio.to_thread(notes.data_version)
        await notes.write(add, n)
        assert notes.data_version() not in (here, elsewhere)
        assert await asyncio.to_thread(notes.data_version) not in (here, elsewhere)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "assigntask.db",
        "mysql://root@localhost/x",
        "sqlite:///x.db?mode=ro",
        "sqlite://host/x.db",
        "postgresql://ada:s3cr@t@localhost/x",
        "postgresql://ada:top@s3cr/t@localhost/x",
        "postgresql://ada:s3cr@localhost",
        "postgresql://ada:s3cr@localhost:port/x",
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(DatabaseUrlInvalid) as caught:
        Database.open(url)
    assert caught.value.code == "database_url_invalid"
    assert "s3cr" not in str(caught.value)


WRITER = """
import asyncio, sys
from sqlalchemy import text
from assigntask.db import Database

async def main() -> None:
    db = Database.open(sys.argv[1])
    def add(conn, number):
        conn.execute(text("INSERT INTO note (id) VALUES (:n)"), {"n": number})
    async def one(number):
        await db.write_grouped(add, number)
        print(number, flush=True)
    async def lane(first):
        for number in range(first, 1_000_000, 8):
            await one(number)
    await asyncio.gather(*(lane(first) for first in range(8)))

asyncio.run(main())
"""


async def test_a_killed_process_loses_no_answered_write(notes: Database) -> None:
    await notes.close()
    child = subprocess.Popen([sys.executable, "-c", WRITER, notes.url], stdout=subprocess.PIPE)
    assert child.stdout is not None
    answered = [int(child.stdout.readline()) for _ in range(100)]
    os.kill(child.pid, signal.SIGKILL)
    answered += [int(line) for line in child.stdout.read().splitlines(keepends=True) if line.endswith(b"\n")]
    child.stdout.close()
    child.wait()
    async with Database.open(notes.url) as again:
        stored = set(await again.read(numbers))
        assert set(answered) <= stored
        count = await again.read(lambda conn: conn.execute(select(func.count()).select_from(NOTE)).scalar_one())
        assert count == len(stored)
