"""The one way to the database: whole units of work, on SQLite and PostgreSQL alike."""

import asyncio
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Concatenate, Literal, ParamSpec, Protocol, Self, TypeVar

from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError

from assigntask.db.announcing import Announcement
from assigntask.db.errors import DatabaseClosed, DatabaseError, DatabaseUrlInvalid
from assigntask.db.postgresql import open_postgresql
from assigntask.db.sqlite import open_sqlite
from assigntask.db.unit import Unit
from assigntask.metrics.meter import SILENT, Meter

P = ParamSpec("P")
T = TypeVar("T")

Dialect = Literal["sqlite", "postgresql"]
Listener = Callable[[frozenset[Announcement]], None]


class Backend(Protocol):
    """What ``Database`` needs of either dialect; units are settled from the backend's own threads."""

    def read(self, unit: Unit[Any]) -> None: ...
    def write(self, unit: Unit[Any]) -> None: ...
    def write_grouped(self, unit: Unit[Any]) -> None: ...
    def read_inline(self, call: Callable[[Connection], T]) -> T: ...
    def data_version(self) -> int: ...
    def explain(self, error: BaseException) -> DatabaseError | None: ...
    def close(self) -> None: ...


def parse(text: str) -> tuple[Dialect, URL]:
    """The dialect and the parsed address. Raises DatabaseUrlInvalid, never repeating the address."""
    wanted = "Give the database as sqlite:///FILE or as postgresql://USER@HOST/NAME."
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise DatabaseUrlInvalid(wanted) from None  # the cause would repeat the address
    match url.drivername:
        case "sqlite":
            return "sqlite", url
        case "postgresql" | "postgres" | "postgresql+psycopg":
            return "postgresql", url
        case _:
            raise DatabaseUrlInvalid(wanted)


class Database:
    """Open one per process, close it at the end (``async with Database.open(url) as db``).

    A unit of work is a synchronous function ``f(conn, …)``. It is stored wholly or not at all; it may be
    run again when others got in its way, so all it does must go through ``conn``. Errors that the database
    itself caused come as DatabaseError; others (IntegrityError among them) as they were raised.

    A task that is cancelled while it waits for a write does not take the write back.
    """

    def __init__(self, backend: Backend, dialect: Dialect, url: str, meter: Meter = SILENT) -> None:
        self._backend = backend
        self._meter = meter
        self._closed = False
        self._listener: Listener | None = None
        self.dialect: Dialect = dialect
        self.url = url

    @classmethod
    def open(cls, url: str, *, readers: int = 4, writers: int = 16, meter: Meter = SILENT) -> Self:
        """Connects once, blocking.

        ``readers`` threads read; ``writers`` threads write on PostgreSQL (SQLite has one writer always).
        ``sqlite://`` is a database in memory, which ends with this object. Raises DatabaseUrlInvalid,
        DatabaseUnreachable, DatabaseNotDurable, DatabaseBusy, DatabaseDamaged.
        """
        dialect, parsed = parse(url)
        backend: Backend
        if dialect == "sqlite":
            backend = open_sqlite(parsed, readers=readers)
        else:
            backend = open_postgresql(parsed, readers=readers, writers=writers)
        return cls(backend, dialect, url, meter)

    def __repr__(self) -> str:
        return f"<Database {self.dialect}{' closed' if self._closed else ''}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def read(self, f: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs ``f`` in a reader's thread; on SQLite it sees one state of the database throughout."""
        return await self._ask(self._backend.read, lambda conn: f(conn, *args, **kwargs))

    def read_inline(self, f: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs ``f`` here and now, blocking the calling thread: for short reads by key.

        On an event loop only with SQLite, where such a read takes microseconds.
        """
        if self._closed:
            raise DatabaseClosed
        try:
            return self._backend.read_inline(lambda conn: f(conn, *args, **kwargs))
        except Exception as error:
            if (known := self._backend.explain(error)) is None:
                raise
            raise known from error

    async def write(self, f: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs ``f`` and returns its result after it was committed and flushed to the disk."""
        return await self._timed(self._backend.write, lambda conn: f(conn, *args, **kwargs))

    async def write_grouped(
        self, f: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """As ``write``, but on PostgreSQL too sharing a transaction with others that arrive together.

        For short units that lock nothing which others wait for: what they lock stays locked until the
        whole group has been committed.
        """
        return await self._timed(self._backend.write_grouped, lambda conn: f(conn, *args, **kwargs))

    def data_version(self) -> int:
        """A number that differs from an earlier one whenever something was committed in between.

        Ask before reading what is to be kept, keep both, and use it only while the number is the same.
        SQLite: commits of every process count; the number may also change for no reason. PostgreSQL: a new
        number each time, because there the validity has to travel in the query.
        """
        if self._closed:
            raise DatabaseClosed
        try:
            return self._backend.data_version()
        except Exception as error:
            if (known := self._backend.explain(error)) is None:
                raise
            raise known from error

    def listen(self, listener: Listener) -> None:
        """Has ``listener`` called in the event loop with what a unit announced, after it was committed.

        There is one listener: the next takes its place. It must not raise, and return at once.
        """
        self._listener = listener

    async def close(self) -> None:
        """Takes nothing new, finishes what was taken, ends threads and connections. Twice is allowed."""
        if self._closed:
            return
        self._closed = True
        await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, self._backend.close))

    async def _timed(self, submit: Callable[[Unit[T]], None], call: Callable[[Connection], T]) -> T:
        started = time.perf_counter()
        try:
            return await self._ask(submit, call)
        finally:
            self._meter.wrote(time.perf_counter() - started)

    async def _ask(self, submit: Callable[[Unit[T]], None], call: Callable[[Connection], T]) -> T:
        if self._closed:
            raise DatabaseClosed
        unit = Unit(call, asyncio.get_running_loop())
        try:
            submit(unit)
        except RuntimeError:  # closed by another thread meanwhile: its executor takes nothing more
            raise DatabaseClosed from None
        try:
            answer = await unit.answer()
        except Exception as error:
            if (known := self._backend.explain(error)) is None:
                raise
            raise known from error
        if unit.announced and self._listener is not None:
            self._listener(frozenset(unit.announced))
        return answer
