"""On which line of a TOML document each key stands; the standard library's parser doesn't say."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping

KeyPath = tuple[str, ...]

_TOKEN = re.compile(
    r"""
      (?P<space>[ \t\r]+|\#[^\n]*)
    | (?P<newline>\n)
    | (?P<string>\"{3}(?:\\.|[^\\])*?\"{3,5} | '{3}.*?'{3,5} | "(?:\\.|[^"\\\n])*" | '[^'\n]*')
    | (?P<mark>[\[\]{}=,.])
    | (?P<bare>[^\s\[\]{}=,."'\#]+)
    """,
    re.VERBOSE | re.DOTALL,
)


def key_lines(text: str) -> Mapping[KeyPath, int]:
    """Path of each key and table to its line, from 1. `text` is TOML that was parsed already."""
    reader = _Reader()
    line = 1
    for match in _TOKEN.finditer(text):
        kind, word = match.lastgroup, match.group()
        if kind == "newline":
            line += 1
            reader.end_line()
        elif kind != "space":
            if reader.reading_key:
                reader.in_key(word, line, is_name=kind in ("string", "bare"))
            else:
                reader.in_value(word)
            line += word.count("\n")
    return reader.found


class _Reader:
    """Where in the document we are: in a key or in a value, in which table, in which open brackets."""

    def __init__(self) -> None:
        self.found: dict[KeyPath, int] = {}
        self.reading_key = True
        self._table: KeyPath = ()
        self._current: KeyPath = ()
        self._open: list[KeyPath | None] = []  # the path of an inline table, None for an array
        self._key: list[str] = []

    def end_line(self) -> None:
        if not self._open:
            self._expect_key()

    def in_key(self, word: str, line: int, *, is_name: bool) -> None:
        if is_name:
            self._key.append(_unquoted(word))
        elif word == "=":
            prefix = self._open[-1] if self._open else self._table
            self._current = (*(prefix or ()), *self._key)
            self._record(self._current, line)
        elif word == "]":
            self._table = tuple(self._key)
            self._record(self._table, line)
        elif word == "}":
            self._open.pop()
            self.reading_key = False

    def in_value(self, word: str) -> None:
        if word == "{":
            self._open.append(self._current)
            self._expect_key()
        elif word == "[":
            self._open.append(None)
        elif word in ("]", "}") and self._open:
            self._open.pop()
        elif word == "," and self._open and self._open[-1] is not None:
            self._expect_key()

    def _expect_key(self) -> None:
        self.reading_key, self._key = True, []

    def _record(self, path: KeyPath, line: int) -> None:
        for end in range(1, len(path) + 1):
            self.found.setdefault(path[:end], line)
        self.reading_key = False


def line_of(lines: Mapping[KeyPath, int], path: KeyPath) -> int | None:
    """The line of the key, or of the nearest table around it that is written down."""
    for end in range(len(path), 0, -1):
        if path[:end] in lines:
            return lines[path[:end]]
    return None


def _unquoted(word: str) -> str:
    if word[0] not in "\"'":
        return word
    return str(tomllib.loads(f"key = {word}")["key"])
