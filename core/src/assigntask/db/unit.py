"""A unit of work: one function on one connection, and whoever waits for its answer."""

import asyncio
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from contextvars import copy_context
from typing import Any, Generic, NoReturn, TypeVar, cast

from sqlalchemy.engine import Connection, RootTransaction
from sqlalchemy.exc import SQLAlchemyError

from assigntask.db.announcing import ANNOUNCED, Announcement
from assigntask.db.errors import DatabaseMisused

T = TypeVar("T")

_ENDING = (
    "A unit of work must not begin, commit, roll back or close: it is committed when it returns and "
    "rolled back when it raises. Use conn.begin_nested() for a part that may fail."
)


class UnitConnection(Connection):
    """The connection a unit is handed: its transaction belongs to the database layer.

    A unit shares its transaction with others, so ending it would answer for them as well.
    """

    def begin(self) -> RootTransaction:
        if self.in_transaction():
            raise DatabaseMisused(_ENDING)
        return super().begin()  # SQLAlchemy's own autobegin comes this way

    def commit(self) -> NoReturn:
        raise DatabaseMisused(_ENDING)

    def rollback(self) -> NoReturn:
        raise DatabaseMisused(_ENDING)

    def close(self) -> NoReturn:
        raise DatabaseMisused(_ENDING)

    def store(self) -> None:
        super().commit()

    def discard(self) -> None:
        super().rollback()

    def give_back(self) -> None:
        super().close()

    def drop_savepoints(self) -> None:
        """Ends the savepoints that a failed unit left open, as far as the database still knows them."""
        while (savepoint := self.get_nested_transaction()) is not None:
            with suppress(SQLAlchemyError):
                savepoint.rollback()


class Unit(Generic[T]):
    """``call`` runs in the context variables of whoever asked for it.

    Made in a coroutine, it is awaited with ``answer``; made elsewhere, ``wait`` blocks. The one who
    waits may give up: the unit is still run wholly (a read that nobody has begun is dropped).
    ``announced``: what the last attempt wants said, if it was stored.
    """

    __slots__ = ("_call", "_context", "_done", "_waiter", "announced", "error", "loop", "value")

    def __init__(self, call: Callable[[Connection], T], loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._call = call
        self._context = copy_context()
        self.loop = loop
        self._waiter: asyncio.Future[None] | None = loop.create_future() if loop else None
        self._done = None if loop else threading.Event()
        self.value: T | None = None
        self.error: BaseException | None = None
        self.announced: set[Announcement] = set()

    @property
    def abandoned(self) -> bool:
        """Whether whoever waited has given up."""
        return self._waiter is not None and self._waiter.cancelled()

    def attempt(self, conn: UnitConnection, check: Callable[[], None]) -> bool:
        """Runs the call, then ``check`` (which raises when the transaction is unfit to be stored).

        True when both went well; the outcome is kept in ``value`` or ``error``.
        """
        self.value, self.error, self.announced = None, None, set()
        self._context.run(ANNOUNCED.set, self.announced)
        try:
            value = self._context.run(self._call, conn)
            if conn.in_nested_transaction():
                raise DatabaseMisused("A unit of work left a savepoint open: use `with conn.begin_nested():`.")
            check()
        except BaseException as error:  # whatever it is belongs to the one who asked
            self.error = error
            return False
        self.value = value
        return True

    def fail(self, error: BaseException) -> None:
        self.value, self.error = None, error

    async def answer(self) -> T:
        """The call's result, or its exception, once the unit has settled."""
        if self._waiter is None:
            raise DatabaseMisused("This unit was made for a thread: use wait().")
        await self._waiter
        return self.outcome()

    def wait(self) -> T:
        """As ``answer``, blocking the calling thread."""
        if self._done is None:
            raise DatabaseMisused("This unit was made for a coroutine: use answer().")
        self._done.wait()
        return self.outcome()

    def outcome(self) -> T:
        """What the last attempt came to, without waiting."""
        if self.error is not None:
            raise self.error
        return cast(T, self.value)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def settle(units: Iterable[Unit[Any]]) -> None:
    """Wakes everybody who waits for one of ``units``: one call into each event loop, not one per unit."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Unit[Any]]] = {}
    for unit in units:
        if unit._done is not None:
            unit._done.set()
        elif unit.loop is not None:
            by_loop.setdefault(unit.loop, []).append(unit)
    for loop, waiting in by_loop.items():
        try:
            loop.call_soon_threadsafe(_wake_all, waiting)
        except RuntimeError:  # the loop was closed meanwhile, so nobody waits there any more
            continue


def _wake_all(units: list[Unit[Any]]) -> None:
    for unit in units:
        unit._wake()
