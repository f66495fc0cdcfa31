"""What only PostgreSQL does: collisions, cut connections, a server that is not durable."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection, make_url

from assigntask.db import (
    Database,
    DatabaseBusy,
    DatabaseMisused,
    DatabaseNotDurable,
    DatabaseUnreachable,
)

Write = Callable[..., Awaitable[object]]


def create(conn: Connection) -> None:
    conn.execute(text("CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL)"))
    conn.execute(text("INSERT INTO counter VALUES ('a', 0), ('b', 0)"))


def raise_by_one(conn: Connection, name: str) -> None:
    conn.execute(text("UPDATE counter SET value = value + 1 WHERE name = :name"), {"name": name})


def values(conn: Connection) -> list[int]:
    return list(conn.execute(text("SELECT value FROM counter ORDER BY name")).scalars())


@pytest.fixture
async def counters(postgresql_url: str) -> Database:
    database = Database.open(postgresql_url)
    await database.write(create)
    return database


@pytest.fixture(params=["write", "write_grouped"])
def write(request: pytest.FixtureRequest, counters: Database) -> Write:
    method: Write = getattr(counters, request.param)
    return method


async def test_two_units_in_a_deadlock_are_both_stored_in_the_end(counters: Database, write: Write) -> None:
    attempts: list[str] = []
    both_hold_one = threading.Barrier(2)

    def cross(conn: Connection, first: str, second: str) -> None:
        attempts.append(first)
        raise_by_one(conn, first)
        if attempts.count(first) == 1:
            both_hold_one.wait(20)
        raise_by_one(conn, second)

    await asyncio.gather(write(cross, "a", "b"), write(cross, "b", "a"))
    assert await counters.read(values) == [2, 2]
    assert len(attempts) == 3
    await counters.close()


async def test_a_unit_that_always_collides_is_given_up_after_four_runs(counters: Database, write: Write) -> None:
    runs: list[str] = []

    def collide(conn: Connection) -> None:
        raise_by_one(conn, "a")
        runs.append("a")
        conn.execute(text("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$"))

    with pytest.raises(DatabaseBusy, match="collided"):
        await write(collide)
    assert len(runs) >= 4
    assert await counters.read(values) == [0, 0]
    await counters.close()


async def test_grouped_units_share_transactions(counters: Database) -> None:
    def transaction(conn: Connection) -> int:
        return int(conn.execute(text("SELECT pg_current_xact_id()::text")).scalar_one())

    grouped = await asyncio.gather(*(counters.write_grouped(transaction) for _ in range(100)))
    single = await asyncio.gather(*(counters.write(transaction) for _ in range(20)))
    assert len(set(grouped)) < 60
    assert len(set(single)) == 20
    await counters.close()


async def test_one_slow_group_does_not_hold_up_the_others(counters: Database) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(conn: Connection) -> bool:
        begun.set()
        return go_on.wait(20)

    held = asyncio.ensure_future(counters.write_grouped(slow))
    await asyncio.to_thread(begun.wait, 20)
    await asyncio.wait_for(counters.write_grouped(raise_by_one, "a"), 10)
    go_on.set()
    assert await held
    await counters.close()


async def test_a_unit_that_swallows_a_database_error_is_not_answered_as_stored(
    counters: Database, write: Write
) -> None:
    def swallow(conn: Connection) -> str:
        raise_by_one(conn, "a")
        with pytest.raises(Exception, match="division by zero"):
            conn.execute(text("SELECT 1 / 0"))
        return "stored?"

    results = await asyncio.gather(
        write(raise_by_one, "b"), write(swallow), write(raise_by_one, "b"), return_exceptions=True
    )
    assert [type(result) for result in results] == [type(None), DatabaseMisused, type(None)]
    assert await counters.read(values) == [0, 2]
    await counters.close()


async def test_connections_cut_by_the_server_are_replaced_and_the_unit_run_again(
    counters: Database, write: Write, postgresql_server: str
) -> None:
    def cut_all(others_of: str) -> None:
        with psycopg.connect(postgresql_server, autocommit=True) as admin:
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (others_of,))

    runs = []

    def interrupted(conn: Connection) -> None:
        raise_by_one(conn, "a")
        runs.append(1)
        if len(runs) == 1:
            cut_all(str(conn.execute(text("SELECT current_database()")).scalar_one()))
        raise_by_one(conn, "b")

    await asyncio.gather(*(counters.read(values) for _ in range(8)))
    await write(interrupted)
    assert await counters.read(values) == [1, 1]
    assert counters.read_inline(values) == [1, 1]
    await counters.close()


async def test_commits_are_flushed_even_where_the_server_would_not(postgresql_url: str) -> None:
    name = make_url(postgresql_url).database
    with psycopg.connect(postgresql_url, autocommit=True) as conn:
        conn.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off')

    def settings(conn: Connection) -> tuple[str, ...]:
        return tuple(
            conn.execute(text(f"SHOW {name}")).scalar_one()
            for name in ("synchronous_commit", "fsync", "transaction_isolation", "TimeZone", "lock_timeout")
        )

    async with Database.open(postgresql_url) as database:
        expected = ("on", "on", "read committed", "UTC", "10s")
        assert await database.write(settings) == expected
        assert await database.write_grouped(settings) == expected
        assert await database.read(settings) == expected


@pytest.fixture
def server_without_fsync(postgresql_server: str) -> Iterator[str]:
    def switch(statement: str, expected: str) -> None:
        with psycopg.connect(postgresql_server, autocommit=True) as admin:
            admin.execute(statement)
            admin.execute("SELECT pg_reload_conf()")
            while admin.execute("SHOW fsync").fetchone() != (expected,):
                admin.execute("SELECT pg_sleep(0.01)")

    switch("ALTER SYSTEM SET fsync = off", "off")
    try:
        yield postgresql_server
    finally:
        switch("ALTER SYSTEM RESET fsync", "on")


def test_a_server_that_does_not_flush_is_refused(server_without_fsync: str) -> None:
    with pytest.raises(DatabaseNotDurable, match="fsync = on") as caught:
        Database.open(server_without_fsync)
    assert caught.value.code == "database_not_durable"


@pytest.mark.parametrize(
    "url", ["postgresql://ada:s3cret@127.0.0.1:1/tasks", "postgresql://ada:s3cret@/tasks?host=/nowhere"]
)
def test_a_server_that_is_not_there_is_named_without_the_password(url: str) -> None:
    with pytest.raises(DatabaseUnreachable) as caught:
        Database.open(url)
    assert caught.value.code == "database_unreachable"
    assert "database tasks" in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert "ada" not in str(caught.value)


def test_a_database_that_does_not_exist_is_named(postgresql_server: str) -> None:
    url = make_url(postgresql_server).set(database="nothing_here").render_as_string(hide_password=False)
    with pytest.raises(DatabaseUnreachable, match="nothing_here"):
        Database.open(url)


async def test_each_call_for_a_version_gives_a_new_one(counters: Database) -> None:
    assert len({counters.data_version() for _ in range(100)}) == 100
    await counters.close()
