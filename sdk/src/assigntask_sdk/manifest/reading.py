"""Reads `app.toml`. All problems are reported at once, each with its line and with what to write instead."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from .checks import findings
from .lines import KeyPath, key_lines, line_of
from .model import Manifest
from .problems import ManifestError, Problem

FILE_NAME = "app.toml"
MAX_BYTES = 64 * 1024
_MAX_NESTING = 16
_MAX_DOTS = 200
"""In one line: a key of thousands of parts takes the parser many seconds, and a manifest may come from anybody."""
_AT_LINE = re.compile(r"\(at line (\d+), column \d+\)$")
_AT_END = re.compile(r"\(at end of document\)$")


def parse(text: str, *, file: str = FILE_NAME) -> Manifest:
    """Raises ManifestError. `file` is how errors name the place."""
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        raise _syntax(file, None, f"a manifest has at most {MAX_BYTES} bytes, this one {size}")
    dotted = next((at for at, line in enumerate(text.split("\n"), 1) if line.count(".") > _MAX_DOTS), None)
    if dotted is not None:
        raise _syntax(file, dotted, f"nested too deeply: a line has at most {_MAX_DOTS} full stops")
    try:
        raw = tomllib.loads(text)
    except RecursionError as error:
        raise _syntax(file, None, "nested too deeply: a manifest has tables in tables, and lists of names") from error
    except ValueError as error:
        raise _not_toml(file, text, str(error)) from error
    if _depth(raw) > _MAX_NESTING:
        raise _syntax(file, None, "nested too deeply: a manifest has tables in tables, and lists of names")
    found = findings(raw)
    if found:
        lines = key_lines(text)
        problems = [Problem(f.code, file, line_of(lines, f.path), _dotted(f.path), f.message) for f in found]
        raise ManifestError(sorted(problems, key=lambda problem: problem.line or 0))
    return Manifest.model_validate(raw)


def load(path: Path, *, file: str | None = None) -> Manifest:
    """Reads the file at `path`. Raises ManifestError, also where there is no such file."""
    file = file or str(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        message = f"can't be read ({error.strerror or type(error).__name__}): an app has {FILE_NAME} beside its code"
        raise ManifestError([Problem("manifest_missing", file, None, None, message)]) from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise _syntax(file, line, "is not UTF-8: save the file in this encoding") from error
    return parse(text, file=file)


def _dotted(path: KeyPath) -> str:
    """The key in one line: a quoted key may hold what would forge a terminal's lines."""
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in ".".join(path))


def _not_toml(file: str, text: str, said: str) -> ManifestError:
    place = _AT_LINE.search(said)
    if place:
        return _syntax(file, int(place[1]), f"is not TOML: {said[: place.start()].strip()}")
    if _AT_END.search(said):
        return _syntax(file, text.rstrip().count("\n") + 1, "is not TOML: something that was opened is not closed")
    return _syntax(file, None, "is not TOML: a number or a date in it is out of range")


def _syntax(file: str, line: int | None, message: str) -> ManifestError:
    return ManifestError([Problem("manifest_syntax", file, line, None, message)])


def _depth(raw: object) -> int:
    """How deeply tables and lists are nested, found without recursion."""
    depth, level = 0, [raw]
    while level:
        depth += 1
        level = [
            inner
            for value in level
            for inner in (value.values() if isinstance(value, dict) else value if isinstance(value, list) else ())
        ]
    return depth
