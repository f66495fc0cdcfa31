"""Whether a process lives, and whether it can serve: by code, to anybody, with no detail."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from assigntask.app import Platform
from assigntask.db.database import Database
from assigntask.ledger.keys import KeyRing
from assigntask.ledger.subjects import SubjectKeys
from assigntask.settings import Settings
from assigntask.web.readiness import KEPT_SECONDS, Readiness

World = Any


class Checked:
    """What `Readiness` finds, on a clock that each look moves."""

    def __init__(self, db: Database, keys: KeyRing, subject_keys: SubjectKeys) -> None:
        self.db, self.now = db, 0.0
        self._readiness = Readiness(db, keys, subject_keys, monotonic=lambda: self.now, patience=5.0)

    async def codes(self) -> list[str]:
        """Asked afresh, later than anything is kept."""
        self.now += KEPT_SECONDS
        return list(await self._readiness.trouble())


@asynccontextmanager
async def checked(url: str, folder: Path) -> AsyncIterator[Checked]:
    async with Database.open(url) as db:
        keys = KeyRing.open(folder / "keys", {})
        subject_keys = SubjectKeys(f"sqlite:///{folder / 'subjects.db'}", keys)
        try:
            yield Checked(db, keys, subject_keys)
        finally:
            subject_keys.close()


@pytest.fixture
def reader_url(postgresql_url: str) -> Iterator[str]:
    """The same database for a role that may read it, and nothing else."""
    role = f"reader_{uuid.uuid4().hex}"
    with psycopg.connect(postgresql_url, autocommit=True) as conn:
        conn.execute(f"CREATE ROLE {role} LOGIN")
        conn.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
        yield make_url(postgresql_url).set(username=role, password=None).render_as_string()
        conn.execute(f"DROP OWNED BY {role}")
        conn.execute(f"DROP ROLE {role}")


async def test_a_host_that_works_says_so_to_anybody_under_any_name(world: World) -> None:
    for path, status in (("/health/live", "live"), ("/health/ready", "ready")):
        answer = await world.call(path, host="10.0.0.7:8000")
        assert (answer.status, json.loads(answer.body)) == (200, {"status": status})
        assert answer.headers["cache-control"] == "no-store"
        assert "set-cookie" not in answer.headers
    assert (await world.call("/health/ready", method="POST")).status == 405
    assert (await world.call("/health/other")).status == 404


async def test_what_is_wrong_is_said_by_code_alone_while_the_process_lives(tmp_path: Path, sqlite_url: str) -> None:
    keys = tmp_path / "keys"
    settings = Settings(sqlite_url, keys, f"sqlite:///{tmp_path / 'subjects.db'}")
    async with Platform.open(settings) as platform:
        (keys / "ledger-1.key").unlink()
        sent: list[Any] = []

        async def ask(path: str) -> tuple[int, bytes]:
            sent.clear()
            scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": [], "root_path": ""}
            await platform.site()(scope, _nothing, _into(sent))
            return sent[0]["status"], sent[1]["body"]

        status, body = await ask("/health/ready")
        assert (status, json.loads(body)) == (503, {"status": "not_ready", "codes": ["key_missing"]})
        assert (await ask("/health/live"))[0] == 200


async def test_a_key_that_others_may_read_now_is_trouble_too(tmp_path: Path, sqlite_url: str) -> None:
    async with checked(sqlite_url, tmp_path) as host:
        assert await host.codes() == []
        (tmp_path / "keys" / "subjects-1.key").chmod(0o644)
        assert await host.codes() == ["key_file_exposed"]


async def test_a_store_of_subjects_keys_that_is_no_store_is_trouble(tmp_path: Path, sqlite_url: str) -> None:
    async with checked(sqlite_url, tmp_path) as host:
        (tmp_path / "subjects.db").write_bytes(b"no database" * 100)
        assert await host.codes() == ["subject_keys_unreadable"]


@pytest.mark.parametrize(("revision", "why"), [("9999", "newer"), ("0001", "older")])
async def test_tables_of_another_version_are_trouble(
    tmp_path: Path, database_url: str, revision: str, why: str
) -> None:
    async with checked(database_url, tmp_path) as host:
        assert await host.codes() == []
        change = sa.text("UPDATE alembic_version SET version_num = :revision")
        await host.db.write(lambda conn: conn.execute(change, {"revision": revision}))
        assert await host.codes() == ["database_version"], why


async def test_a_server_that_takes_no_changes_is_trouble(tmp_path: Path, reader_url: str) -> None:
    async with checked(reader_url, tmp_path) as host:
        assert await host.codes() == ["database_read_only"]


async def test_a_file_that_takes_no_changes_is_trouble(tmp_path: Path, sqlite_url: str) -> None:
    async with checked(sqlite_url, tmp_path) as host:
        await host.db.write(lambda conn: conn.exec_driver_sql("PRAGMA query_only = ON"))
        assert await host.codes() == ["database_read_only"]


async def test_a_database_that_answers_too_late_is_trouble(tmp_path: Path, sqlite_url: str) -> None:
    async with Database.open(sqlite_url) as db:
        keys = KeyRing.open(tmp_path / "keys", {})
        subject_keys = SubjectKeys("sqlite://", keys)
        held, goes_on = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()

        def hold(_conn: Any) -> None:
            loop.call_soon_threadsafe(held.set)
            asyncio.run_coroutine_threadsafe(goes_on.wait(), loop).result()

        writing = asyncio.create_task(db.write(hold))
        await held.wait()
        readiness = Readiness(db, keys, subject_keys, patience=0.05)
        assert list(await readiness.trouble()) == ["database_slow"]
        goes_on.set()
        await writing
        subject_keys.close()


async def test_however_often_it_is_asked_the_database_is_asked_once_a_second(tmp_path: Path, sqlite_url: str) -> None:
    async with checked(sqlite_url, tmp_path) as host:
        looked = 0

        def count(*_: Any) -> None:
            nonlocal looked
            looked += 1

        sa.event.listen(sa.Engine, "before_cursor_execute", count)
        try:
            await host.codes()
            once = looked
            host.now += KEPT_SECONDS / 2
            await asyncio.gather(*(host._readiness.trouble() for _ in range(20)))
        finally:
            sa.event.remove(sa.Engine, "before_cursor_execute", count)
    assert (looked, once > 0) == (once, True)


async def _nothing() -> Any:
    return {"type": "http.request", "body": b"", "more_body": False}


def _into(sent: list[Any]) -> Any:
    async def send(message: Any) -> None:
        sent.append(message)

    return send
