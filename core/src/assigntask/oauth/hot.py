"""Statements that run at every token request: put together once for each database, not once more each time.

They go to the driver as they are: what SQLAlchemy does for a statement costs more than the database's own work on it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Dialect

Processor = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class _Compiled:
    """`parameters`: in the order of the text, each with what makes its value the driver's own."""

    text: str
    parameters: Sequence[tuple[str, Processor | None]]
    by_name: bool

    def bound(self, values: Mapping[str, Any]) -> tuple[Any, ...] | dict[str, Any]:
        ready = [(values[name] if made is None else made(values[name])) for name, made in self.parameters]
        if self.by_name:
            return {name: value for (name, _), value in zip(self.parameters, ready, strict=True)}
        return tuple(ready)


class Hot:
    """`names` are those of the parameters; each run gives all of them. Rows come as the driver has them.

    Inside a unit of work alone: its transaction has begun. Raises the driver's own errors.
    """

    def __init__(self, statement: sa.Insert | sa.Select[Any], names: Sequence[str]) -> None:
        self._statement = statement
        self._names = names
        self._compiled: dict[str, _Compiled] = {}

    def run(self, conn: Connection, values: Mapping[str, Any]) -> None:
        self._executed(conn, values)

    def scalar(self, conn: Connection, values: Mapping[str, Any]) -> Any:
        """The first column of the first row; None where there is no row."""
        row = self._executed(conn, values).fetchone()
        return None if row is None else row[0]

    def _executed(self, conn: Connection, values: Mapping[str, Any]) -> Any:
        known = self._compiled.get(conn.dialect.name)
        if known is None:
            known = self._compiled[conn.dialect.name] = self._put_together(conn.dialect)
        driver: Any = conn.connection.driver_connection  # both drivers' connections have `execute`
        return driver.execute(known.text, known.bound(values))

    def _put_together(self, dialect: Dialect) -> _Compiled:
        compiled: Any = self._statement.compile(dialect=dialect, column_keys=list(self._names))
        order = compiled.positiontup if compiled.positional else self._names
        processors = compiled._bind_processors
        return _Compiled(str(compiled), [(name, processors.get(name)) for name in order], not compiled.positional)
