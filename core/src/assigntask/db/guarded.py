"""A database whose writes are stored only where something still holds."""

from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy.engine import Connection

from assigntask.db.database import Database

P = ParamSpec("P")
T = TypeVar("T")

Check = Callable[[Connection], None]


class GuardedDatabase(Database):
    """Of ``db``, which opens and closes it. Reads are as they are.

    In each write's own transaction ``check`` looks first, so that nothing is tried in vain; ``hold`` looks when all is
    done, and keeps what it saw locked until COMMIT. It is the last to lock, so it lies in nobody's way. What they raise
    is what the write raises, and then nothing of it is stored.
    """

    def __init__(self, db: Database, check: Check, hold: Check) -> None:
        super().__init__(db._backend, db.dialect, db.url)
        self._db = db
        self._check = check
        self._hold = hold

    async def read(self, f: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._db.read(f, *args, **kwargs)

    def read_inline(self, f: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._db.read_inline(f, *args, **kwargs)

    async def write(self, f: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._db.write(self._guarded(lambda conn: f(conn, *args, **kwargs)))

    async def write_grouped(
        self, f: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return await self._db.write_grouped(self._guarded(lambda conn: f(conn, *args, **kwargs)))

    async def close(self) -> None:
        """Nothing: it is not this object's to close."""

    def _guarded(self, call: Callable[[Connection], T]) -> Callable[[Connection], T]:
        def unit(conn: Connection) -> T:
            self._check(conn)
            value = call(conn)
            self._hold(conn)
            return value

        return unit
