"""The witness's file: one line of JSON for each thing that was done or received, in the order in which it was.

Each line begins with its line feed, so that one which a kill tore apart spoils no other.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Line = dict[str, Any]


class Diary:
    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def note(self, what: str, **facts: Any) -> None:
        os.write(self._file, b"\n" + json.dumps({"is": what, **facts}).encode())


@dataclass(frozen=True, slots=True)
class Witness:
    lines: Sequence[Line]
    torn: int  # lines that a kill tore apart

    def of(self, *what: str) -> list[Line]:
        return [line for line in self.lines if line["is"] in what]


def read(path: Path) -> Witness:
    lines: list[Line] = []
    torn = 0
    for text in path.read_text("utf-8", errors="replace").split("\n") if path.exists() else ():
        if not text:
            continue
        try:
            lines.append(json.loads(text))
        except ValueError:
            torn += 1
    return Witness(lines, torn)
