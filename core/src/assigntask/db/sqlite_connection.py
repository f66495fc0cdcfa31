"""One connection to SQLite: where to, with which settings, and what its errors mean."""

import os
import sqlite3
import time
from contextlib import suppress

from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from assigntask.db.errors import (
    DatabaseBusy,
    DatabaseDamaged,
    DatabaseError,
    DatabaseFull,
    DatabaseMisused,
    DatabaseNotDurable,
    DatabaseUnreachable,
    DatabaseUrlInvalid,
)

LOCK_SECONDS = 10.0
_PRIMARY_CODE = 0xFF  # the low byte of an extended result code


def file_of(url: URL) -> str | None:
    """The path that an ``sqlite:`` address names, None for a database in memory."""
    if url.query or url.host:
        raise DatabaseUrlInvalid(
            "An SQLite address is sqlite:///FILE (three slashes before a relative path, four before an "
            "absolute one), without host and without parameters."
        )
    return None if url.database in (None, "", ":memory:") else url.database


def connect(path: str | None, *, reads_only: bool = False, lock_seconds: float = LOCK_SECONDS) -> sqlite3.Connection:
    """A connection with every setting that durability, privacy and integrity need.

    ``isolation_level=None`` turns off the driver's own idea of when a transaction begins. A new file
    is readable by its owner alone, and so are the files that SQLite puts beside it.
    """
    if path is not None:
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    raw = sqlite3.connect(
        path or ":memory:",
        timeout=lock_seconds,
        isolation_level=None,
        check_same_thread=False,  # closed by another thread than its own
        cached_statements=512,
    )
    try:
        if path is not None:
            _use_wal(raw, path, lock_seconds)
        for setting in (
            "synchronous=FULL",
            "foreign_keys=ON",
            "secure_delete=ON",
            "temp_store=MEMORY",
            "trusted_schema=OFF",
            "journal_size_limit=67108864",
        ):
            raw.execute(f"PRAGMA {setting}")
        if reads_only:
            raw.execute("PRAGMA query_only=ON")
    except BaseException:
        raw.close()
        raise
    return raw


def _use_wal(raw: sqlite3.Connection, path: str, lock_seconds: float) -> None:
    # The switch asks for an exclusive lock without waiting for it, hence the loop.
    until = time.monotonic() + lock_seconds
    while True:
        try:
            mode = raw.execute("PRAGMA journal_mode").fetchone()[0]
            if mode != "wal":
                mode = raw.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        except sqlite3.OperationalError as error:
            if _code_of(error) != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.02)
            continue
        if mode != "wal":
            raise DatabaseNotDurable(
                f"{path} lies where SQLite can't keep a write-ahead log (a network share?): put it on a local disk."
            )
        return


_BUSY = (
    DatabaseBusy,
    f"Another process has kept {{path}} locked for {LOCK_SECONDS:.0f} s. End whatever else is using the file "
    "(a second server, an import, a database browser), then try again.",
)
_DAMAGED = (
    DatabaseDamaged,
    "{path} is not a sound SQLite database: put back a backup, or name another file.",
)
_MEANINGS: dict[int, tuple[type[DatabaseError], str]] = {
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_LOCKED: _BUSY,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_FULL: (
        DatabaseFull,
        "The disk of {path} is full: make room, then try again. Nothing was changed.",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        DatabaseUnreachable,
        "{path} can't be opened: check that it is a file and that it and its folder are yours.",
    ),
    sqlite3.SQLITE_READONLY: (
        DatabaseMisused,
        "{path} can only be read here: a change belongs in write(), and the file and its folder must be writable.",
    ),
}


def _code_of(error: sqlite3.Error) -> int:
    # The driver's own complaints carry no code.
    return int(getattr(error, "sqlite_errorcode", 0)) & _PRIMARY_CODE


def explain(error: BaseException, path: str) -> DatabaseError | None:
    """The coded error for what SQLite reported; None when the error is the caller's own affair."""
    raw = error.orig if isinstance(error, DBAPIError) else error
    if not isinstance(raw, sqlite3.Error):
        return None
    kind, message = _MEANINGS.get(_code_of(raw), (None, ""))
    return None if kind is None else kind(message.format(path=path))


def cannot_open(error: OSError, path: str) -> DatabaseUnreachable:
    """What the operating system's refusal of ``path`` means."""
    return DatabaseUnreachable(
        f"{path} can't be opened ({error.strerror}): create its folder, or name another file with --database."
    )
