"""Collects what a reader left out, while it reads."""

from dataclasses import dataclass, field

from .board import LeftOut

EXAMPLES = 5
KINDS = 200
OTHER = "other things"


@dataclass(slots=True)
class _Line:
    why: str
    count: int = 0
    examples: list[str] = field(default_factory=list)


class Tally:
    """Bounded whatever the file holds: five examples a kind, 200 kinds, the rest together as "other things"."""

    def __init__(self) -> None:
        self._lines: dict[str, _Line] = {}
        self._unknown: list[LeftOut] = []

    def add(self, what: str, why: str, *, count: int = 1, example: str | None = None) -> None:
        """Adds to the line of `what`; the first `why` of a kind is the one that is kept."""
        if what not in self._lines and len(self._lines) >= KINDS:
            what, why = OTHER, "The file holds more kinds of content than this report has lines."
        line = self._lines.setdefault(what, _Line(why))
        line.count += count
        if example and len(line.examples) < EXAMPLES and example not in line.examples:
            line.examples.append(example)

    def add_uncounted(self, what: str, why: str) -> None:
        """For what is known to be missing without the file telling how much of it."""
        self._unknown.append(LeftOut(what, None, why, ()))

    def left_out(self) -> tuple[LeftOut, ...]:
        counted = [LeftOut(what, line.count, line.why, tuple(line.examples)) for what, line in self._lines.items()]
        return tuple(self._unknown + counted)
