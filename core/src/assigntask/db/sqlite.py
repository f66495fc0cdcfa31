"""SQLite: one thread writes, every thread that reads has a connection of its own."""

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar, cast

from sqlalchemy import create_engine
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from assigntask.db.errors import DatabaseClosed, DatabaseError, DatabaseMisused
from assigntask.db.group import Aborted, GroupCommit
from assigntask.db.sqlite_connection import cannot_open, connect, explain, file_of
from assigntask.db.types import json_text
from assigntask.db.unit import Unit, UnitConnection, settle

T = TypeVar("T")


class SqliteLane:
    """The writer's connection; see ``Lane``."""

    def __init__(self, conn: UnitConnection) -> None:
        self.conn = conn
        self._raw = _driver(conn)

    def begin(self) -> None:
        self._raw.execute("BEGIN IMMEDIATE")
        self.conn.begin()

    def check(self) -> None:
        # Some errors (a full disk, no memory) end the transaction by themselves.
        if not self._raw.in_transaction:
            raise DatabaseMisused("A unit of work went on after an error that had ended its transaction.")

    def mark(self) -> None:
        self._raw.execute("SAVEPOINT unit")

    def keep(self) -> None:
        self._raw.execute("RELEASE unit")

    def undo(self, error: BaseException) -> None:
        self.conn.drop_savepoints()
        if not self._raw.in_transaction:
            raise Aborted(error, transient=False)
        self._raw.execute("ROLLBACK TO unit")
        self._raw.execute("RELEASE unit")

    def commit(self) -> None:
        try:
            self.conn.store()
        except IntegrityError as error:  # a deferred constraint, of one unit among several
            raise Aborted(error, transient=False) from error

    def rollback(self, error: BaseException) -> None:
        self.reset()

    def reset(self) -> None:
        self.conn.drop_savepoints()
        with suppress(SQLAlchemyError):
            self.conn.discard()
        # Some failures of COMMIT leave the driver's transaction open although SQLAlchemy's is over.
        with suppress(sqlite3.Error):
            self._raw.rollback()

    def close(self) -> None:
        self.conn.give_back()

    def state(self) -> tuple[int, int]:
        """Differs after anything was changed through this connection."""
        return self._raw.total_changes, self._raw.execute("PRAGMA schema_version").fetchone()[0]


class _Reader:
    """One thread's connection for reading."""

    def __init__(self, engine: Engine) -> None:
        self.owner = threading.current_thread()
        self.conn = UnitConnection(engine)
        self.raw = _driver(self.conn)
        self.in_use = threading.RLock()  # so that nobody closes it in the middle of a read
        self.closed = False
        self.seen: int | None = None
        self.generation = 0

    def changed(self) -> bool:
        """Whether anything was committed, by whomever, since this was asked last."""
        with self.in_use:
            if self.closed:
                raise DatabaseClosed
            before, self.seen = self.seen, self.raw.execute("PRAGMA data_version").fetchone()[0]
        return before != self.seen

    def run(self, call: Callable[[Connection], T]) -> T:
        """``call`` sees one state of the database, also when it reads again inside itself."""
        with self.in_use:
            if self.closed:
                raise DatabaseClosed
            if self.raw.in_transaction:
                return call(self.conn)
            self.raw.execute("BEGIN")
            try:
                return call(self.conn)
            finally:
                if self.conn.in_transaction():
                    self.conn.discard()
                self.raw.rollback()

    def close(self) -> None:
        with self.in_use:
            self.closed = True
            self.conn.give_back()


class SqliteFile:
    """A database in a file: WAL, flushed at every commit."""

    def __init__(self, path: str, *, readers: int) -> None:
        self.path = path
        # Opened here, so that a missing folder is an error of opening and not of the first write.
        lane = SqliteLane(UnitConnection(_engine(lambda: connect(path))))
        self._writer = GroupCommit(lambda: lane, name="db-writer")
        self._pool = ThreadPoolExecutor(readers, thread_name_prefix="db-reader")
        self._reads_from = _engine(lambda: connect(path, reads_only=True))
        self._mine = threading.local()
        self._readers: list[_Reader] = []
        self._guard = threading.Lock()
        self._generation = 0
        self._closed = False

    def write(self, unit: Unit[Any]) -> None:
        self._writer.submit(unit)

    def write_grouped(self, unit: Unit[Any]) -> None:
        self._writer.submit(unit)

    def read(self, unit: Unit[Any]) -> None:
        self._pool.submit(self._read, unit)

    def _read(self, unit: Unit[Any]) -> None:
        if unit.abandoned:
            return
        try:
            reader = self._reader()
            reader.run(lambda conn: unit.attempt(cast(UnitConnection, conn), _nothing))
        except Exception as error:  # belongs to whoever waits for the unit
            unit.fail(error)
        settle([unit])

    def read_inline(self, call: Callable[[Connection], T]) -> T:
        return self._reader().run(call)

    def data_version(self) -> int:
        """See ``Database.data_version``.

        ``PRAGMA data_version`` can be compared only with earlier answers on the same connection, so each
        thread compares its own, and all of them share one number that rises whenever one saw a change.
        A thread inside a read keeps the number that belongs to the state it sees.
        """
        reader = self._reader()
        if not reader.closed and reader.raw.in_transaction:
            return reader.generation
        if reader.changed():
            with self._guard:
                self._generation += 1
        reader.generation = self._generation
        return reader.generation

    def explain(self, error: BaseException) -> DatabaseError | None:
        return explain(error, self.path)

    def close(self) -> None:
        self._pool.shutdown(wait=True)
        with self._guard:
            self._closed = True
            readers, self._readers = self._readers, []
        for reader in readers:
            reader.close()
        self._writer.close()

    def _reader(self) -> _Reader:
        reader: _Reader | None = getattr(self._mine, "reader", None)
        if reader is not None:
            return reader
        reader = _Reader(self._reads_from)
        with self._guard:
            if self._closed:
                reader.close()
                raise DatabaseClosed
            orphans = [known for known in self._readers if not known.owner.is_alive()]
            self._readers = [known for known in self._readers if known.owner.is_alive()]
            self._readers.append(reader)
        for orphan in orphans:
            orphan.close()
        self._mine.reader = reader
        return reader


class SqliteMemory:
    """A database in memory: it exists on one connection only, so every unit runs on the writer's."""

    def __init__(self) -> None:
        self._lane = SqliteLane(UnitConnection(_engine(lambda: connect(None))))
        self._version, self._state = 0, self._lane.state()
        self._writer = GroupCommit(lambda: self._lane, name="db-writer", committed=self._note_changes)

    def _note_changes(self) -> None:
        before, self._state = self._state, self._lane.state()
        self._version += before != self._state

    def write(self, unit: Unit[Any]) -> None:
        self._writer.submit(unit)

    def write_grouped(self, unit: Unit[Any]) -> None:
        self._writer.submit(unit)

    def read(self, unit: Unit[Any]) -> None:
        self._writer.submit(unit)

    def read_inline(self, call: Callable[[Connection], T]) -> T:
        if self._writer.owns_current_thread():
            return call(self._lane.conn)
        unit = Unit(call)
        self._writer.submit(unit)
        return unit.wait()

    def data_version(self) -> int:
        return self._version

    def explain(self, error: BaseException) -> DatabaseError | None:
        return explain(error, "the database in memory")

    def close(self) -> None:
        self._writer.close()


def open_sqlite(url: URL, *, readers: int) -> SqliteFile | SqliteMemory:
    """Opens what ``url`` names; a file that isn't there is created empty."""
    path = file_of(url)
    if path is None:
        return SqliteMemory()
    try:
        return SqliteFile(str(Path(path)), readers=readers)
    except OSError as error:
        raise cannot_open(error, path) from error
    except (sqlite3.Error, DBAPIError) as error:
        if (known := explain(error, path)) is None:
            raise
        raise known from error


def _engine(creator: Callable[[], sqlite3.Connection]) -> Engine:
    # hide_parameters: an error's text would otherwise carry what people wrote.
    return create_engine(
        "sqlite://", creator=creator, poolclass=NullPool, hide_parameters=True, json_serializer=json_text
    )


def _driver(conn: UnitConnection) -> sqlite3.Connection:
    raw = conn.connection.driver_connection
    if not isinstance(raw, sqlite3.Connection):
        raise TypeError("the SQLite engine gave a connection of another driver")
    return raw


def _nothing() -> None:
    """A read has nothing to check before it is stored."""
