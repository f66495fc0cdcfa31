"""The service's own small file: the credentials of its installations, and which messages it has acted on."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import astuple, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from .hosts import ServingError

R = TypeVar("R")

VERSION = 1
_TABLES = """
CREATE TABLE installation (
    issuer TEXT NOT NULL, id TEXT NOT NULL, app TEXT NOT NULL, version TEXT NOT NULL, api TEXT NOT NULL,
    token_endpoint TEXT NOT NULL, client_id TEXT NOT NULL, client_secret TEXT NOT NULL, secret TEXT NOT NULL,
    previous_secret TEXT, previous_until REAL, taken_at REAL NOT NULL, PRIMARY KEY (issuer, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX installation_by_id ON installation (id);
CREATE TABLE seen (message TEXT PRIMARY KEY, until REAL NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX seen_until ON seen (until);
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """One installation of the app at one host. Secrets are `whsec_` text; moments are seconds since 1970, UTC.

    After the goodbye there is no client secret, "".
    """

    issuer: str
    id: str
    app: str
    version: str
    api: str
    token_endpoint: str
    client_id: str
    client_secret: str = field(repr=False)
    secret: str = field(repr=False)
    previous_secret: str | None = field(repr=False)
    previous_until: float | None
    taken_at: float

    @property
    def parted(self) -> bool:
        """Whether the goodbye was said."""
        return not self.client_secret

    def secrets_at(self, now: dt.datetime) -> list[str]:
        """Those that a message may be signed with now."""
        if self.previous_secret is None or self.previous_until is None or self.previous_until <= now.timestamp():
            return [self.secret]
        return [self.secret, self.previous_secret]


_NAMES = [each.name for each in fields(Kept)]
_FIND = f"SELECT {', '.join(_NAMES)} FROM installation WHERE id = ?"  # noqa: S608 - its own columns
_TAKE = f"""
INSERT INTO installation ({", ".join(_NAMES)}) VALUES ({", ".join("?" * len(_NAMES))})
ON CONFLICT (issuer, id) DO UPDATE SET
    previous_secret = CASE WHEN secret = excluded.secret THEN previous_secret ELSE secret END,
    {", ".join(f"{name} = excluded.{name}" for name in _NAMES if name not in ("issuer", "id", "previous_secret"))}
"""  # noqa: S608 - its own columns


class Store:
    """A file of mode 0600. Its one connection lives in a thread of its own.

    Credentials are flushed to disk before they count as taken: the host hands them out once. Which messages were seen
    is not, because every call would wait for it; a machine that loses power may act twice on one of the last minutes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="assigntask-store")
        self._conn: sqlite3.Connection | None = None

    async def open(self) -> None:
        """Makes folder and file where there are none. Raises ServingError `store_newer`, `store_unusable`."""
        self._conn = await asyncio.get_running_loop().run_in_executor(self._thread, _open, self.path)

    async def close(self) -> None:
        """May be called twice."""
        if self._conn is not None:
            await self._run(lambda conn: conn.close())
            self._conn = None
        self._thread.shutdown(wait=False)

    async def find(self, id: str) -> list[Kept]:
        """Two hosts may have given out the same id."""
        return await self._run(lambda conn: [Kept(*row) for row in conn.execute(_FIND, (id,))])

    async def take(self, kept: Kept) -> None:
        """What is known of the installation is replaced. A secret that was there before becomes the previous one."""
        await self._run(lambda conn: _flushed(conn, _TAKE, astuple(kept)))

    async def part(self, kept: Kept) -> None:
        """The goodbye was said: the client secret goes. By the other one it is known who asks for an erasure later.

        Only where that is still this one: credentials that came meanwhile stay.
        """
        query = "UPDATE installation SET client_secret = '' WHERE issuer = ? AND id = ? AND secret = ?"
        await self._run(lambda conn: _flushed(conn, query, (kept.issuer, kept.id, kept.secret)))

    async def first_use(self, message: str, now: dt.datetime, until: dt.datetime) -> bool:
        """False where the message was there before; it is remembered until then."""

        def unit(conn: sqlite3.Connection) -> bool:
            conn.execute("DELETE FROM seen WHERE until < ?", (now.timestamp(),))
            added = conn.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (message, until.timestamp()))
            return added.rowcount == 1

        return await self._run(unit)

    async def _run(self, unit: Callable[[sqlite3.Connection], R]) -> R:
        conn = self._conn
        if conn is None:
            raise RuntimeError("Store.open comes first")
        return await asyncio.get_running_loop().run_in_executor(self._thread, unit, conn)


def _flushed(conn: sqlite3.Connection, query: str, values: tuple[Any, ...]) -> None:
    conn.execute("PRAGMA synchronous = FULL")
    try:
        conn.execute(query, values)
    finally:
        conn.execute("PRAGMA synchronous = NORMAL")


def _open(path: Path) -> sqlite3.Connection:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))  # before SQLite would make it, for everybody to read
        path.chmod(0o600)
        conn = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            _prepare(conn, path)
        except BaseException:
            conn.close()
            raise
    except (OSError, sqlite3.Error) as error:
        raise ServingError(
            "store_unusable", f"{path} can't be used ({type(error).__name__}): name another file with --store."
        ) from error
    return conn


def _prepare(conn: sqlite3.Connection, path: Path) -> None:
    conn.execute("PRAGMA busy_timeout = 5000")
    conn.execute("PRAGMA journal_mode = WAL")
    conn.execute("PRAGMA synchronous = NORMAL")
    conn.execute("PRAGMA secure_delete = ON")
    with closing(conn.execute("BEGIN IMMEDIATE")):
        version = _number(conn.execute("PRAGMA user_version").fetchone())
        if version == 0:
            for statement in _TABLES.split(";"):
                conn.execute(statement)
            conn.execute(f"PRAGMA user_version = {VERSION}")
        conn.execute("COMMIT")
    if version > VERSION:
        raise ServingError("store_newer", f"{path} was written by a later assigntask-sdk: install that one.")


def _number(row: Any) -> int:
    return int(row[0])
