"""What apps draw with: blocks, made of inlines. There is no markup language.

The host writes times in the viewer's zone and the names of people, so an app can show a name that it
was never given. Limits (`cut`): 50 blocks, 64 KiB as JSON, 100 rows a table.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from .records import PersonId

MAX_BLOCKS = 50
MAX_BYTES = 64 * 1024
MAX_ROWS = 100

Tone = Literal["plain", "good", "warning", "bad"]


@dataclass(frozen=True, slots=True)
class Link:
    text: str
    url: str
    is_: Literal["link"] = "link"


@dataclass(frozen=True, slots=True)
class When:
    """A moment; the host writes it in the viewer's time zone. `at` must be aware."""

    at: dt.datetime
    is_: Literal["when"] = "when"


@dataclass(frozen=True, slots=True)
class Who:
    """A person; the host writes the name."""

    person: PersonId
    is_: Literal["who"] = "who"


@dataclass(frozen=True, slots=True)
class Code:
    text: str
    is_: Literal["code"] = "code"


Inline = str | Annotated[Link | When | Who | Code, Field(discriminator="is_")]


@dataclass(frozen=True, slots=True)
class Text:
    parts: Sequence[Inline]
    is_: Literal["text"] = "text"


@dataclass(frozen=True, slots=True)
class Table:
    head: Sequence[str]
    rows: Sequence[Sequence[Inline]]
    title: str = ""
    is_: Literal["table"] = "table"


@dataclass(frozen=True, slots=True)
class ListBlock:
    items: Sequence[Inline]
    is_: Literal["list"] = "list"


@dataclass(frozen=True, slots=True)
class Image:
    """`url` is the same for every viewer; the host fetches it once."""

    url: str
    alt: str
    is_: Literal["image"] = "image"


@dataclass(frozen=True, slots=True)
class Series:
    name: str
    points: Sequence[tuple[str, float]]


@dataclass(frozen=True, slots=True)
class Chart:
    kind: Literal["bar", "line"]
    series: Sequence[Series]
    alt: str
    title: str = ""
    is_: Literal["chart"] = "chart"


@dataclass(frozen=True, slots=True)
class Badge:
    """A few words on a task's card. `text` is at most 40 characters."""

    text: str
    tone: Tone = "plain"
    is_: Literal["badge"] = "badge"

    def __post_init__(self) -> None:
        if len(self.text) > 40:
            raise ValueError(f"text: a badge holds 40 characters, this one {len(self.text)}")


Block = Annotated[Text | Table | ListBlock | Image | Chart | Badge, Field(discriminator="is_")]

BLOCKS: TypeAdapter[Sequence[Any]] = TypeAdapter(Sequence[Block])


@dataclass(frozen=True, slots=True)
class Excess:
    """What was over a limit: `what` names it, `allowed` and `found` are numbers."""

    what: Literal["blocks", "bytes", "rows"]
    allowed: int
    found: int

    def __str__(self) -> str:
        return f"{self.found} {self.what}, and {self.allowed} are allowed"


def size(blocks: Sequence[Any]) -> int:
    """Bytes of the blocks as JSON."""
    return len(json.dumps(BLOCKS.dump_python(blocks, mode="json"), ensure_ascii=False).encode())


def cut(blocks: Sequence[Any]) -> tuple[Sequence[Any], list[Excess]]:
    """The blocks within the limits, and what had to go. Tests treat any excess as an error."""
    excess: list[Excess] = []
    kept: list[Any] = []
    if len(blocks) > MAX_BLOCKS:
        excess.append(Excess("blocks", MAX_BLOCKS, len(blocks)))
    for block in blocks[:MAX_BLOCKS]:
        if isinstance(block, Table) and len(block.rows) > MAX_ROWS:
            excess.append(Excess("rows", MAX_ROWS, len(block.rows)))
            kept.append(Table(block.head, block.rows[:MAX_ROWS], block.title))
        else:
            kept.append(block)
    total = 0
    for count, block in enumerate(kept):
        total += size([block])
        if total > MAX_BYTES:
            excess.append(Excess("bytes", MAX_BYTES, size(kept)))
            return kept[:count], excess
    return kept, excess
