"""Statements that run at every token request: put together once for each database, not once more each time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Dialect

Processor = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class _Compiled:
    """`order` is None where the driver takes parameters by name."""

    text: str
    order: Sequence[str] | None
    processors: Mapping[str, Processor]

    def bound(self, values: Mapping[str, Any]) -> tuple[Any, ...] | dict[str, Any]:
        ready = {
            name: self.processors[name](value) if name in self.processors else value for name, value in values.items()
        }
        return ready if self.order is None else tuple([ready[name] for name in self.order])


class Hot:
    """`names` are those of the parameters; each run gives all of them. Rows come as the driver has them."""

    def __init__(self, statement: sa.Insert | sa.Select[Any], names: Sequence[str]) -> None:
        self._statement = statement
        self._names = names
        self._compiled: dict[str, _Compiled] = {}

    def run(self, conn: Connection, values: Mapping[str, Any]) -> sa.CursorResult[Any]:
        known = self._compiled.get(conn.dialect.name)
        if known is None:
            known = self._compiled[conn.dialect.name] = self._put_together(conn.dialect)
        return conn.exec_driver_sql(known.text, known.bound(values))

    def _put_together(self, dialect: Dialect) -> _Compiled:
        compiled: Any = self._statement.compile(dialect=dialect, column_keys=list(self._names))
        order = compiled.positiontup if compiled.positional else None
        return _Compiled(str(compiled), order, dict(compiled._bind_processors))
