"""One object of a Trello export, read with patience: a key may be absent or null, a number may be a string.

What is of the wrong kind altogether refuses the import and names its place (`cards[3].idList`); a date that cannot
be read is left out and reported, because a task without its date is still a task.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from .board import Due
from .refusal import ImportRefused
from .tally import Tally

_OBJECT_ID = re.compile(r"[0-9a-fA-F]{24}")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_FIRST_YEAR = 2011  # Trello opened that year: an earlier time in an id is no time


@dataclass(frozen=True, slots=True)
class Node:
    path: str
    fields: Mapping[str, object]
    tally: Tally

    def at(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def has(self, key: str) -> bool:
        return self.fields.get(key) is not None

    def reference(self, key: str) -> str | None:
        """An id, or None where it is absent, null or empty. Raises ImportRefused `import_wrong_type`."""
        return _reference(self.fields.get(key), self.at(key))

    def references(self, key: str) -> list[str]:
        """Ids in their order, each once; nulls among them are skipped."""
        found = (_reference(value, path) for path, value in self._entries(key))
        return list(dict.fromkeys(value for value in found if value is not None))

    def text(self, key: str) -> str:
        """Text as it stands, "" where absent; what no database can hold (NUL, half a surrogate pair) is replaced."""
        value = self.fields.get(key)
        if value is None:
            return ""
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        if not isinstance(value, str):
            raise wrong_type(self.at(key), "text", value)
        sound = _storable(value)
        if sound != value:
            why = "No database can hold them; each is replaced by the mark for an unknown character."
            self.tally.add("texts with impossible characters", why, example=self.at(key))
        return sound

    def flag(self, key: str) -> bool:
        value = self.fields.get(key)
        if value is None or value in ("", "false", "False"):
            return False
        if value in ("true", "True"):
            return True
        if isinstance(value, bool):
            return value
        raise wrong_type(self.at(key), "true or false", value)

    def number(self, key: str) -> float | None:
        """None where absent or no finite number. Raises ImportRefused for a list or an object."""
        value = self.fields.get(key)
        if isinstance(value, list | dict):
            raise wrong_type(self.at(key), "a number", value)
        if not isinstance(value, int | float | str) or isinstance(value, bool):
            return None
        try:
            number = float(value)
        except (ValueError, OverflowError):
            return None
        return number if math.isfinite(number) else None

    def whole(self, key: str) -> int | None:
        """A count or a number from 1 to 2^53, else None."""
        number = self.number(key)
        return int(number) if number is not None and 1 <= number <= 2**53 else None

    def position(self, index: int) -> float:
        """`pos`, or the place in the file where there is none."""
        number = self.number("pos")
        return (index + 1) * 65536.0 if number is None else number

    def moment(self, key: str) -> datetime | None:
        due = self.due(key)
        if due is None:
            return None
        return due.at or datetime(due.day.year, due.day.month, due.day.day, tzinfo=UTC)

    def day(self, key: str) -> date | None:
        due = self.due(key)
        return due.day if due else None

    def due(self, key: str) -> Due | None:
        """A date with or without a time; one without a zone is taken as UTC. Unreadable: left out, reported."""
        value = self.fields.get(key)
        if value is None or value == "":
            return None
        try:
            return _due(value)
        except (ValueError, OverflowError):
            why = "They are no date of the form 2024-05-31T12:00:00.000Z."
            self.tally.add("dates that cannot be read", why, example=self.at(key))
            return None

    def node(self, key: str) -> "Node":
        """The object under `key`; an empty one where it is absent or null."""
        value = self.fields.get(key)
        return Node(self.at(key), {} if value is None else _object(value, self.at(key)), self.tally)

    def nodes(self, key: str) -> "list[Node]":
        """The objects listed under `key`; nulls among them are reported."""
        found = []
        for path, value in self._entries(key):
            if value is None:
                self.tally.add("empty entries", "There is null where an entry should be.", example=path)
            else:
                found.append(Node(path, _object(value, path), self.tally))
        return found

    def _entries(self, key: str) -> Iterator[tuple[str, object]]:
        value = self.fields.get(key)
        if value is None:
            return
        if not isinstance(value, list):
            raise wrong_type(self.at(key), "a list", value)
        for index, entry in enumerate(value):
            yield f"{self.at(key)}[{index}]", entry


def made_at(source_id: str) -> datetime | None:
    """When an id was made: Trello's ids are ObjectIds, whose first four bytes are seconds since 1970 (BSON spec)."""
    if not _OBJECT_ID.fullmatch(source_id):
        return None
    moment = datetime.fromtimestamp(int(source_id[:8], 16), UTC)
    return moment if moment.year >= _FIRST_YEAR else None


def wrong_type(path: str, wanted: str, found: object) -> ImportRefused:
    names = {bool: "true or false", str: "text", list: "a list", dict: "an object", type(None): "nothing"}
    return ImportRefused(
        "import_wrong_type",
        f"{path} should be {wanted} and is {names.get(type(found), 'a number')}. Export the board from Trello again; "
        "if the file was changed by hand, put that place right.",
    )


def _reference(value: object, path: str) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str) or not value.isprintable():
        raise wrong_type(path, "an id in printable text", value)
    return value


def _object(value: object, path: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise wrong_type(path, "an object", value)
    return value


def _storable(value: str) -> str:
    value = value.replace("\0", "\N{REPLACEMENT CHARACTER}")
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def _due(value: object) -> Due:
    if not isinstance(value, str):
        raise ValueError("not a date")
    if _DAY.fullmatch(value):
        return Due(date.fromisoformat(value), None)
    moment = datetime.fromisoformat(value)
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return Due(moment.date(), moment)
