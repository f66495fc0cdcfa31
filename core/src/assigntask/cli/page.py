"""What people read: tables and lines, plain where they go into a file or another program."""

from __future__ import annotations

import datetime as dt
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

from rich import box
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from assigntask.cli.failures import visible

UNWRAPPED = 10_000  # columns: in a pipe a row is a line


class Page:
    """Takes text as it is: nothing in it is markup, and no control character reaches the terminal."""

    def __init__(self, file: TextIO | None = None) -> None:
        file = file or sys.stdout
        wide = None if file.isatty() or os.environ.get("COLUMNS") else UNWRAPPED
        self._file = file
        self._console = Console(file=file, highlight=False, markup=False, emoji=False, width=wide)

    def line(self, text: str = "", style: str = "") -> None:
        self._print(Text(visible(text), style))

    def _print(self, what: RenderableType) -> None:
        """In a pipe no line ends with the blanks that fill a column."""
        if self._console.is_terminal:
            self._console.print(what)
            return
        with self._console.capture() as captured:
            self._console.print(what)
        self._file.writelines(f"{line.rstrip()}\n" for line in captured.get().splitlines())

    def raw(self, text: str) -> None:
        """For what is a file format of its own."""
        self._file.write(text)

    def heading(self, text: str) -> None:
        self.line(text, "bold")

    def indented(self, text: str, by: int = 2) -> None:
        self._print(Padding(Text(visible(text)), (0, 0, 0, by), expand=False))

    def facts(self, facts: Mapping[str, Any]) -> None:
        """Names and values in two columns; what is None or empty is left out."""
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column(style="dim", no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in facts.items():
            if value not in (None, "", (), []):
                table.add_row(name, visible(str(value)))
        if table.row_count:
            self._print(table)

    def table(self, head: Sequence[str], rows: Iterable[Sequence[Any]], *, nothing: str = "Nothing.") -> None:
        table = Table(box=box.SIMPLE_HEAD if self._console.is_terminal else None, pad_edge=False)
        for title in head:
            table.add_column(title, overflow="fold")
        for row in rows:
            table.add_row(*(Text("" if cell is None else visible(str(cell))) for cell in row))
        if table.row_count:
            self._print(table)
        else:
            self.line(nothing)


def moment(at: dt.datetime) -> str:
    """RFC 3339, in UTC: for programs."""
    return at.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


def moment_or_none(at: dt.datetime | None) -> str | None:
    return None if at is None else moment(at)


def shown(at: dt.datetime | None) -> str:
    """For people."""
    return "" if at is None else f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"


def counted(number: int, noun: str, plural: str | None = None) -> str:
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
