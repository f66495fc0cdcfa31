"""The database: one way in (``Database``), the tables, their history."""

from assigntask.db.database import Database
from assigntask.db.errors import (
    DatabaseBusy,
    DatabaseClosed,
    DatabaseDamaged,
    DatabaseError,
    DatabaseFull,
    DatabaseMisused,
    DatabaseNotDurable,
    DatabaseOutcomeUnknown,
    DatabaseUnreachable,
    DatabaseUrlInvalid,
    DatabaseVersion,
)
from assigntask.db.ids import is_id, new_id
from assigntask.db.types import Json, UtcDateTime

__all__ = [
    "Database",
    "DatabaseBusy",
    "DatabaseClosed",
    "DatabaseDamaged",
    "DatabaseError",
    "DatabaseFull",
    "DatabaseMisused",
    "DatabaseNotDurable",
    "DatabaseOutcomeUnknown",
    "DatabaseUnreachable",
    "DatabaseUrlInvalid",
    "DatabaseVersion",
    "Json",
    "UtcDateTime",
    "is_id",
    "new_id",
]
