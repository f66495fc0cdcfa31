"""What can go wrong between the program and its database, each with a stable ``code``.

    DatabaseError
    ├── DatabaseUrlInvalid       database_url_invalid      the address can't be used
    ├── DatabaseUnreachable      database_unreachable      no server, no folder, wrong password
    ├── DatabaseBusy             database_busy             somebody else held a lock for too long
    ├── DatabaseNotDurable       database_not_durable      it would confirm what it can still lose
    ├── DatabaseFull             database_full             no room left on its disk
    ├── DatabaseDamaged          database_damaged          the file is not a sound database
    ├── DatabaseOutcomeUnknown   database_outcome_unknown  the connection broke during COMMIT
    ├── DatabaseClosed           database_closed           used after ``close``
    ├── DatabaseMisused          database_misused          a unit of work broke the rules below
    └── DatabaseVersion          database_version          the schema and the program don't fit

No message holds a password or a value of a row.
"""

from typing import ClassVar


class DatabaseError(Exception):
    """The root of the tree; the message says what to do next."""

    code: ClassVar[str] = "database_error"


class DatabaseUrlInvalid(DatabaseError):
    """The address is neither ``sqlite:///FILE`` nor ``postgresql://USER@HOST/NAME``."""

    code = "database_url_invalid"


class DatabaseUnreachable(DatabaseError):
    """No connection could be opened, or the one in use was cut before anything was stored."""

    code = "database_unreachable"


class DatabaseBusy(DatabaseError):
    """A lock was not to be had within the time limit. Nothing was changed; it can be tried again."""

    code = "database_busy"


class DatabaseNotDurable(DatabaseError):
    """The server confirms commits that a power cut can still undo."""

    code = "database_not_durable"


class DatabaseFull(DatabaseError):
    """The disk under the database has no room left. Nothing was changed."""

    code = "database_full"


class DatabaseDamaged(DatabaseError):
    """The file is not an SQLite database, or its pages contradict each other."""

    code = "database_damaged"


class DatabaseOutcomeUnknown(DatabaseError):
    """The connection broke after COMMIT was sent: stored wholly or not at all, and nobody here knows."""

    code = "database_outcome_unknown"


class DatabaseClosed(DatabaseError):
    """The database was used after it had been closed."""

    code = "database_closed"

    def __init__(self) -> None:
        super().__init__("The database is closed: open it again before using it.")


class DatabaseMisused(DatabaseError):
    """A unit of work did what only the database layer may do; a mistake in the program."""

    code = "database_misused"


class DatabaseVersion(DatabaseError):
    """The schema is newer than the program, or has no revision that the program knows."""

    code = "database_version"
