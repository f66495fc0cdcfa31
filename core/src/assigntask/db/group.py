"""Group commit: what many callers ask for at once shares one transaction, and one flush to the disk."""

import asyncio
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

from assigntask.db.errors import DatabaseClosed
from assigntask.db.unit import Unit, UnitConnection, settle


class Aborted(Exception):
    """Nothing of the transaction was stored, so its units may be run again.

    ``transient``: the cause was other work (a deadlock, a cut connection), so even the same unit alone
    may do better next time.
    """

    def __init__(self, cause: BaseException, *, transient: bool) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.transient = transient


class Lane(Protocol):
    """One transaction at a time, used by one thread.

    Any method but ``reset`` may raise Aborted. Any other exception than that makes no promise about
    what was stored. After either, ``reset`` makes the lane fit to begin again.
    """

    @property
    def conn(self) -> UnitConnection: ...

    def begin(self) -> None:
        """Opens a transaction; raises DatabaseBusy or DatabaseUnreachable."""

    def check(self) -> None:
        """Raises when the transaction can no longer be stored, although no exception said so."""

    def mark(self) -> None:
        """A savepoint before a unit that is not the transaction's first."""

    def keep(self) -> None:
        """The unit since ``mark`` went well."""

    def undo(self, error: BaseException) -> None:
        """Takes back the unit since ``mark``, which failed with ``error``."""

    def commit(self) -> None: ...

    def rollback(self, error: BaseException) -> None:
        """Ends the transaction without a trace, because of ``error``."""

    def reset(self) -> None:
        """Ends whatever is still open, without raising."""

    def close(self) -> None: ...


def run_alone(lane: Lane, unit: Unit[Any], *, again: int = 0) -> None:
    """Runs ``unit`` in a transaction of its own; when that is aborted, up to ``again`` more times."""
    for turn in range(again + 1):
        if turn:
            # Two that collided must not meet again at the same moment.
            time.sleep(random.uniform(0.002, 0.01 * 2**turn))  # noqa: S311 - spreads load, guards nothing
        try:
            lane.begin()
            if unit.attempt(lane.conn, lane.check):
                lane.commit()
            elif unit.error is not None:
                lane.rollback(unit.error)
        except Aborted as lost:
            lane.reset()
            unit.fail(lost.cause)
            if not lost.transient:
                return
        except Exception as error:  # belongs to whoever waits for the unit
            lane.reset()
            unit.fail(error)
            return
        else:
            return


class GroupCommit:
    """Threads that take whatever waits, up to ``size`` units or ``seconds`` of work, into one transaction.

    A unit that raises is rolled back alone. Nobody is answered before COMMIT has returned. When a
    transaction is aborted, its units are run again one by one; when COMMIT fails in any other way,
    each of them gets that error.
    """

    def __init__(
        self,
        open_lane: Callable[[], Lane],
        *,
        name: str,
        lanes: int = 1,
        size: int = 256,
        seconds: float = 0.02,
        again: int = 0,
        committed: Callable[[], None] = lambda: None,
    ) -> None:
        self._open_lane = open_lane
        self._size, self._seconds, self._again = size, seconds, again
        self._committed = committed
        self._waiting: deque[Unit[Any]] = deque()
        self._gathered: dict[asyncio.AbstractEventLoop, list[Unit[Any]]] = {}
        self._arrival = threading.Condition()
        self._closed = False
        self._threads = [threading.Thread(target=self._serve, name=f"{name}-{n}", daemon=True) for n in range(lanes)]
        for thread in self._threads:
            thread.start()

    def submit(self, unit: Unit[Any]) -> None:
        """What one turn of an event loop asks for is handed over together, at its end.

        A thread woken by the first of it would take that alone, and fight the loop for the interpreter.
        """
        with self._arrival:
            if self._closed:
                raise DatabaseClosed
            if unit.loop is None:
                self._waiting.append(unit)
                self._arrival.notify()
                return
            gathered = self._gathered.setdefault(unit.loop, [])
            gathered.append(unit)
        if len(gathered) == 1:
            unit.loop.call_soon(self._hand_over, unit.loop)

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._arrival:
            gathered = self._gathered.pop(loop, [])
            self._waiting.extend(gathered)
            self._arrival.notify(len(gathered))

    def owns_current_thread(self) -> bool:
        return threading.current_thread() in self._threads

    def close(self) -> None:
        """Takes nothing more, finishes what waits, ends the threads."""
        with self._arrival:
            self._closed = True
            for gathered in self._gathered.values():
                self._waiting.extend(gathered)
            self._gathered.clear()
            self._arrival.notify_all()
        for thread in self._threads:
            thread.join()

    def _serve(self) -> None:
        lane = self._open_lane()
        try:
            while (first := self._next()) is not None:
                self._batch(lane, first)
        finally:
            lane.close()

    def _next(self) -> Unit[Any] | None:
        with self._arrival:
            while not self._waiting:
                if self._closed:
                    return None
                self._arrival.wait()
            return self._waiting.popleft()

    def _next_now(self) -> Unit[Any] | None:
        with suppress(IndexError):
            return self._waiting.popleft()
        return None

    def _batch(self, lane: Lane, first: Unit[Any]) -> None:
        taken = [first]
        # Those who wait now have waited as long as the first: if it can't begin, neither can they.
        behind = len(self._waiting)
        try:
            lane.begin()
        except Exception as error:  # belongs to all who waited for this transaction
            lane.reset()
            taken += [unit for _ in range(behind) if (unit := self._next_now()) is not None]
            for unit in taken:
                unit.fail(error)
            settle(taken)
            return
        try:
            if self._fill(lane, taken):
                lane.commit()
        except Aborted:
            lane.reset()
            for unit in taken:
                run_alone(lane, unit, again=self._again)
        except Exception as error:  # as above
            lane.reset()
            for unit in taken:
                if unit.error is None:
                    unit.fail(error)
        self._committed()
        settle(taken)

    def _fill(self, lane: Lane, taken: list[Unit[Any]]) -> bool:
        """Runs the first of ``taken`` and whatever waits behind it, adding to ``taken``.

        False when no transaction is open in the end, because nothing went well since the last rollback.
        """
        stop = time.monotonic() + self._seconds
        kept, begun = 0, True
        while True:
            unit = taken[-1]
            if kept:
                lane.mark()
            elif not begun:
                lane.begin()
                begun = True
            if unit.attempt(lane.conn, lane.check):
                if kept:
                    lane.keep()
                kept += 1
            elif unit.error is not None and kept:
                lane.undo(unit.error)
            elif unit.error is not None:
                # With nothing kept before it, taking back the unit is taking back the transaction.
                lane.rollback(unit.error)
                begun = False
            if len(taken) >= self._size or time.monotonic() >= stop:
                return begun
            if (following := self._next_now()) is None:
                return begun
            taken.append(following)
