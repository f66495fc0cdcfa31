"""PostgreSQL: synchronous psycopg in threads, READ COMMITTED, one transaction per unit."""

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from enum import Enum
from typing import Any, TypeVar

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import create_engine, event
from sqlalchemy.engine import URL, Connection, Dialect, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from assigntask.db.errors import (
    DatabaseBusy,
    DatabaseDamaged,
    DatabaseError,
    DatabaseFull,
    DatabaseMisused,
    DatabaseNotDurable,
    DatabaseOutcomeUnknown,
    DatabaseUnreachable,
    DatabaseUrlInvalid,
)
from assigntask.db.group import Aborted, GroupCommit, run_alone
from assigntask.db.types import json_text
from assigntask.db.unit import Unit, UnitConnection, settle

T = TypeVar("T")

LOCK_SECONDS = 10
AGAIN = 3  # how often a unit that collided with others is run again
GROUP_LANES = 4
GROUP_SIZE = 60  # the server keeps 64 subtransactions per transaction in fast memory
SPARE_CONNECTIONS = 8  # for callers of read_inline, on threads of their own

_COLLISIONS = frozenset({"40001", "40P01"})  # serialization_failure, deadlock_detected
_DURABLE_COMMITS = frozenset({"on", "remote_apply"})


def driver_url(url: URL) -> URL:
    """``url`` for the psycopg driver. Raises DatabaseUrlInvalid, never repeating the address."""
    # An unescaped password ends up in pieces in what follows it, and from there in messages.
    if not url.database or "@" in (url.host or "") + url.database:
        raise DatabaseUrlInvalid(
            "A PostgreSQL address is postgresql://USER@HOST/NAME; in a password write @ as %40, / as %2F."
        )
    return url.set(drivername="postgresql+psycopg")


def place_of(url: URL) -> str:
    """Where the server is, fit for messages: no user, no password."""
    host = url.host or str(url.query.get("host", "the local socket"))
    return f"{host}{f':{url.port}' if url.port else ''}, database {url.database}"


def connect(**parameters: Any) -> psycopg.Connection:
    """A connection that is known to be durable: UTC, flushed commits, locks waited for at most 10 s.

    Asked anew for each connection, because a server's settings can change while it runs.
    Raises DatabaseNotDurable.
    """
    conn: psycopg.Connection = psycopg.connect(**parameters, autocommit=True)
    try:
        settings = conn.execute(
            "SELECT current_setting('fsync'), current_setting('synchronous_commit'),"
            " set_config('TimeZone', 'UTC', false), set_config('lock_timeout', %s, false)",
            (f"{LOCK_SECONDS}s",),
        ).fetchone()
        if settings is None or settings[0] != "on":
            raise DatabaseNotDurable(
                "The PostgreSQL server runs with fsync=off and would confirm what a power cut takes back: set "
                "fsync = on in postgresql.conf and reload the server."
            )
        if settings[1] not in _DURABLE_COMMITS:
            conn.execute("SET synchronous_commit = on")
        conn.autocommit = False
    except BaseException:
        conn.close()
        raise
    return conn


def make_engine(url: URL, *, connections: int) -> Engine:
    """An engine on ``connect``; ``connections`` are kept, a few more are opened under load."""
    engine = create_engine(
        driver_url(url),
        pool_size=connections,
        max_overflow=SPARE_CONNECTIONS,
        pool_timeout=LOCK_SECONDS,
        pool_use_lifo=True,
        isolation_level="READ COMMITTED",
        hide_parameters=True,  # an error's text would otherwise carry what people wrote
        json_serializer=json_text,
        use_native_hstore=False,  # saves a query per connection
        connect_args={"connect_timeout": LOCK_SECONDS, "application_name": "assigntask"},
    )

    @event.listens_for(engine, "do_connect")
    def open_connection(
        dialect: Dialect, record: object, arguments: tuple[Any, ...], parameters: dict[str, Any]
    ) -> psycopg.Connection:
        return connect(**parameters)

    return engine


def sqlstate_of(error: BaseException) -> str | None:
    """The server's five-character code; None when the server didn't say (the connection broke)."""
    raw = error.orig if isinstance(error, DBAPIError) else error
    return raw.sqlstate if isinstance(raw, psycopg.Error) else None


def _is_cut(error: BaseException) -> bool:
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or _is_cut_raw(error.orig)
    return _is_cut_raw(error)


def _is_cut_raw(error: BaseException | None) -> bool:
    return isinstance(error, psycopg.OperationalError) and (
        error.sqlstate is None or error.sqlstate.startswith(("08", "57P"))
    )


_MEANINGS: dict[str, tuple[type[DatabaseError], str]] = {
    **dict.fromkeys(
        _COLLISIONS,
        (DatabaseBusy, f"The change collided with others {AGAIN + 1} times in a row: try again later."),
    ),
    "55P03": (
        DatabaseBusy,
        f"A row or table has been locked for {LOCK_SECONDS} s by somebody else: try again; if it lasts, look "
        "in pg_stat_activity for a transaction left open.",
    ),
    "53300": (
        DatabaseBusy,
        "PostgreSQL takes no more connections: raise max_connections, or run fewer processes.",
    ),
    "53100": (
        DatabaseFull,
        "The disk of PostgreSQL is full: make room, then try again. Nothing was changed.",
    ),
    "25006": (DatabaseMisused, "A read tried to change data: a change belongs in write()."),
    **dict.fromkeys(
        ("XX001", "XX002"),
        (DatabaseDamaged, "PostgreSQL found damaged data in its files: put back a backup."),
    ),
}


def explain(error: BaseException, place: str) -> DatabaseError | None:
    """The coded error for what PostgreSQL reported; None when the error is the caller's own affair."""
    if isinstance(error, PoolTimeout):
        return DatabaseBusy(
            f"All connections to PostgreSQL have been in use for {LOCK_SECONDS} s: try again, or open more."
        )
    kind, message = _MEANINGS.get(sqlstate_of(error) or "", (None, ""))
    if kind is not None:
        return kind(message)
    if not _is_cut(error):
        return None
    raw = error.orig if isinstance(error, DBAPIError) else error
    reason = (str(raw).strip().splitlines() or ["the connection was cut"])[0].strip()
    return DatabaseUnreachable(
        f"PostgreSQL at {place} can't be reached ({reason}): start it, or correct the address given with "
        "--database or ASSIGNTASK_DATABASE."
    )


class _Savepoint(Enum):
    """What has become of the savepoint called "unit"."""

    NONE = 0  # not set in this transaction
    KEPT = 1  # set, and a unit that went well came after it
    UNTOUCHED = 2  # set, and nothing came after it


class PostgresqlLane:
    """A connection from the pool for the length of one transaction; see ``Lane``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._conn: UnitConnection | None = None
        self._raw: psycopg.Connection | None = None
        self._savepoint = _Savepoint.NONE

    @property
    def conn(self) -> UnitConnection:
        if self._conn is None:
            raise DatabaseMisused("no transaction is open")
        return self._conn

    @property
    def raw(self) -> psycopg.Connection:
        if self._raw is None:
            raise DatabaseMisused("no transaction is open")
        return self._raw

    def begin(self) -> None:
        self._conn = UnitConnection(self._engine)
        raw = self._conn.connection.driver_connection
        if not isinstance(raw, psycopg.Connection):
            raise TypeError("the PostgreSQL engine gave a connection of another driver")
        self._raw = raw
        self._savepoint = _Savepoint.NONE
        self._conn.begin()

    def check(self) -> None:
        # A failed transaction answers COMMIT with a silent ROLLBACK.
        if self.raw.info.transaction_status is TransactionStatus.INERROR:
            raise DatabaseMisused(
                "A unit of work caught a database error and went on, but PostgreSQL has given up the whole "
                "transaction: use `with conn.begin_nested():` around what may fail."
            )

    def mark(self) -> None:
        # One trip to the server per unit: the savepoint kept last is released with the next one set,
        # and one that was rolled back to still stands where it is wanted.
        if self._savepoint is not _Savepoint.UNTOUCHED:
            kept = self._savepoint is _Savepoint.KEPT
            self._say("RELEASE unit; SAVEPOINT unit" if kept else "SAVEPOINT unit")

    def keep(self) -> None:
        self._savepoint = _Savepoint.KEPT

    def undo(self, error: BaseException) -> None:
        if self._lost(error):
            raise Aborted(error, transient=True)
        self.conn.drop_savepoints()
        self._say("ROLLBACK TO unit")
        self._savepoint = _Savepoint.UNTOUCHED

    def commit(self) -> None:
        try:
            self.conn.store()
        except (SQLAlchemyError, psycopg.Error) as error:
            if sqlstate_of(error) is None or self.raw.closed:
                raise DatabaseOutcomeUnknown(
                    "The connection to PostgreSQL broke while a change was being committed: look whether it "
                    "is there before making it again."
                ) from error
            raise Aborted(error, transient=sqlstate_of(error) in _COLLISIONS) from error
        self.reset()

    def rollback(self, error: BaseException) -> None:
        lost = self._lost(error)
        self.reset()
        if lost:
            raise Aborted(error, transient=True)

    def reset(self) -> None:
        conn, raw, self._conn, self._raw = self._conn, self._raw, None, None
        if conn is None:
            return
        with suppress(SQLAlchemyError, psycopg.Error):
            conn.discard()
        with suppress(SQLAlchemyError, psycopg.Error):
            conn.give_back()
        if raw is not None and raw.closed:
            # What cut this connection (a restarted server) has most likely cut the idle ones too.
            self._engine.dispose()

    def close(self) -> None:
        self.reset()

    def _say(self, statement: str) -> None:
        try:
            self.raw.execute(statement, prepare=False)
        except psycopg.Error as error:
            raise Aborted(error, transient=self._lost(error)) from error

    def _lost(self, error: BaseException) -> bool:
        return self.raw.closed or sqlstate_of(error) in _COLLISIONS


class PostgresqlReadLane(PostgresqlLane):
    """For a unit that only reads: nothing is stored, so nothing can be in doubt at the end."""

    def commit(self) -> None:
        self.reset()


class Postgresql:
    """A database on a server, with a bounded number of connections to it."""

    def __init__(self, url: URL, *, readers: int, writers: int) -> None:
        self._place = place_of(url)
        self._engine = make_engine(url, connections=readers + writers + GROUP_LANES)
        self._reads_from = self._engine.execution_options(postgresql_readonly=True)
        self._versions = itertools.count(1)
        UnitConnection(self._engine).give_back()  # so that what is wrong with the server is said now
        self._read_pool = ThreadPoolExecutor(readers, thread_name_prefix="db-reader")
        self._write_pool = ThreadPoolExecutor(writers, thread_name_prefix="db-writer")
        self._group = GroupCommit(
            lambda: PostgresqlLane(self._engine),
            name="db-group",
            lanes=GROUP_LANES,
            size=GROUP_SIZE,
            again=AGAIN,
        )

    def write(self, unit: Unit[Any]) -> None:
        self._write_pool.submit(self._run, PostgresqlLane(self._engine), unit)

    def write_grouped(self, unit: Unit[Any]) -> None:
        self._group.submit(unit)

    def read(self, unit: Unit[Any]) -> None:
        self._read_pool.submit(self._read, unit)

    def _run(self, lane: PostgresqlLane, unit: Unit[Any]) -> None:
        run_alone(lane, unit, again=AGAIN)
        settle([unit])

    def _read(self, unit: Unit[Any]) -> None:
        if not unit.abandoned:
            self._run(PostgresqlReadLane(self._reads_from), unit)

    def read_inline(self, call: Callable[[Connection], T]) -> T:
        unit = Unit(call)
        self._run(PostgresqlReadLane(self._reads_from), unit)
        return unit.outcome()

    def data_version(self) -> int:
        return next(self._versions)

    def explain(self, error: BaseException) -> DatabaseError | None:
        return explain(error, self._place)

    def close(self) -> None:
        self._group.close()
        self._write_pool.shutdown(wait=True)
        self._read_pool.shutdown(wait=True)
        self._engine.dispose()


def open_postgresql(url: URL, *, readers: int, writers: int) -> Postgresql:
    """Opens what ``url`` names, connecting once. Raises DatabaseNotDurable, DatabaseUnreachable."""
    try:
        return Postgresql(url, readers=readers, writers=writers)
    except (SQLAlchemyError, psycopg.Error) as error:
        known = explain(error, place_of(url))
        if known is None:
            raise
        raise known from error
