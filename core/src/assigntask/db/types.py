"""Column types that mean the same on SQLite and PostgreSQL."""

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, String
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.operators import OperatorType
from sqlalchemy.types import TypeDecorator, TypeEngine

TEXT_WIDTH = len("2025-01-31T12:34:56.789012Z")


def utc_to_text(moment: datetime) -> str:
    """``2025-01-31T12:34:56.789012Z``: always 27 characters, so that text order is time order.

    Any zone is taken and turned into UTC. Raises ValueError for a time without a zone.
    """
    if moment.tzinfo is None or moment.utcoffset() is None:
        raise ValueError(f"{moment!r} has no time zone: give an aware time, such as datetime.now(UTC)")
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def utc_from_text(text: str) -> datetime:
    """The aware UTC time that ``utc_to_text`` wrote. Raises ValueError for anything else."""
    if len(text) != TEXT_WIDTH or text[-1] != "Z":
        raise ValueError(f"{text!r} is not a stored time (27 characters, ending in Z)")
    return datetime.fromisoformat(text)


def json_text(value: object) -> str:
    """Compact JSON. Raises ValueError for NaN and infinities, which no other reader would take."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


class UtcDateTime(TypeDecorator[datetime]):
    """An instant to the microsecond, given back as an aware UTC ``datetime``.

    ``timestamptz`` on PostgreSQL, sortable text on SQLite (see ``utc_to_text``). A time without a zone
    is refused with ValueError, which SQLAlchemy wraps in StatementError.
    """

    impl = String(TEXT_WIDTH)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(TIMESTAMP(timezone=True))
        return dialect.type_descriptor(String(TEXT_WIDTH))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | str | None:
        if value is None:
            return None
        text = utc_to_text(value)
        return value.astimezone(UTC) if dialect.name == "postgresql" else text

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if isinstance(value, datetime):
            return value.astimezone(UTC)
        return utc_from_text(value)


class Json(TypeDecorator[Any]):
    """A JSON document: JSONB on PostgreSQL (key order and repeated keys are lost there), text on SQLite.

    Python's ``None`` is SQL NULL, not JSON's ``null``.
    """

    impl = JSON(none_as_null=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(JSONB(none_as_null=True))
        return dialect.type_descriptor(JSON(none_as_null=True))

    def coerce_compared_value(self, op: OperatorType | None, value: Any) -> TypeEngine[Any]:
        # Without this, column["key"] would treat its operand as a document too.
        return self.impl_instance.coerce_compared_value(op, value)
