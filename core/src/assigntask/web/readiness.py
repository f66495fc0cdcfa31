"""Whether this process can serve: the database can be read and written to, its tables fit, and the keys are there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask.db.database import Database
from assigntask.db.errors import DatabaseError, DatabaseMisused, DatabaseVersion
from assigntask.db.migrate import is_current
from assigntask.errors import HostError
from assigntask.ledger.errors import LedgerError
from assigntask.ledger.keys import KeyRing
from assigntask.ledger.subjects import SubjectKeys

KEPT_SECONDS = 1.0
"""Anybody may ask, so the database is asked no more often than this."""
PATIENCE_SECONDS = 5.0

log = structlog.get_logger(__name__)


class Readiness:
    """`patience`: seconds, for each of the checks, which are made beside each other."""

    def __init__(
        self,
        db: Database,
        keys: KeyRing,
        subject_keys: SubjectKeys,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._db = db
        self._keys = keys
        self._subject_keys = subject_keys
        self._monotonic = monotonic
        self._patience = patience
        self._codes: tuple[str, ...] = ()
        self._until = float("-inf")
        self._one = asyncio.Lock()

    async def trouble(self) -> Sequence[str]:
        """The codes of what is wrong, each once, sorted; none: it can serve."""
        async with self._one:
            if self._monotonic() >= self._until:
                self._note(await self._look())
                self._until = self._monotonic() + KEPT_SECONDS
            return self._codes

    async def _look(self) -> tuple[str, ...]:
        store = asyncio.to_thread(self._subject_keys.existing, [""])
        found = await asyncio.gather(
            self._code(self._db.read(_check_tables, self._db.url), late="database_slow", otherwise="unexpected"),
            self._code(self._db.write(_check_writing), late="database_slow", otherwise="database_read_only"),
            self._code(asyncio.to_thread(self._keys.check), late="keys_slow", otherwise="unexpected"),
            self._code(store, late="subject_keys_unreadable", otherwise="subject_keys_unreadable"),
        )
        return tuple(sorted({code for code in found if code}))

    async def _code(self, check: Awaitable[object], *, late: str, otherwise: str) -> str:
        """Empty where it went well. `otherwise`: where it failed for a reason that has no code."""
        try:
            async with asyncio.timeout(self._patience):
                await check
        except DatabaseMisused:  # the word for a change where nothing can be changed
            return "database_read_only"
        except (DatabaseError, HostError, LedgerError) as error:
            return error.code
        except TimeoutError:
            return late
        except Exception as error:
            log.warning("readiness_unknown", code=otherwise, error=type(error).__name__)
            return otherwise
        return ""

    def _note(self, codes: tuple[str, ...]) -> None:
        """One line whenever it changes."""
        if codes and codes != self._codes:
            log.warning("not_ready", codes=codes)
        elif self._codes and not codes:
            log.info("ready_again")
        self._codes = codes


def _check_tables(conn: Connection, url: str) -> None:
    """Raises DatabaseVersion."""
    if url != "sqlite://" and not is_current(conn):  # in memory they are always this program's own
        raise DatabaseVersion("The database has older tables than this program: start it again, so that it upgrades.")


def _check_writing(conn: Connection) -> None:
    """By a statement that changes nothing, and is refused where changes are. Raises DatabaseError, DBAPIError."""
    conn.execute(sa.delete(t.app).where(sa.false()))
