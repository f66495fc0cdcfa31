"""An app's own storage: keys and values, for the installation and for each task and person."""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

MAX_KEY = 512  # bytes
MAX_VALUE = 256 * 1024  # bytes
MAX_OPERATIONS = 1000
MAX_COMMIT = 4 * 1024 * 1024  # bytes
MAX_INSTALLATION = 100 * 1024 * 1024  # bytes
PAGE = 1000

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | dict[str, Json] | None"
Value: TypeAlias = "Json | bytes"


@dataclass(frozen=True, slots=True)
class Entry:
    """A stored value. `version` rises with every write of its key and never repeats."""

    value: Value
    version: int


@dataclass(frozen=True, slots=True)
class Put:
    """`if_version` 0: the key must be absent; another number: it must be at that version; None: whatever."""

    key: str
    value: Value
    if_version: int | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    key: str
    if_version: int | None = None


Operation: TypeAlias = Put | Delete


class Store(Protocol):
    """Keys in code point order. Wiped with what it belongs to: the installation, its task or its person."""

    async def get(self, key: str) -> Entry | None: ...

    async def get_many(self, keys: Sequence[str]) -> dict[str, Entry]:
        """At most 1,000 keys; those that are absent are left out."""
        ...

    def scan(self, prefix: str = "", after: str = "") -> AsyncIterator[tuple[str, Entry]]:
        """All keys with the prefix, in order, from behind `after`. Writes meanwhile do no harm."""
        ...

    async def commit(self, *operations: Operation) -> None:
        """All or nothing, at most 1,000 operations and 4 MiB. Raises Conflict (naming the keys) or Invalid."""
        ...

    async def apply(self, operations: AsyncIterable[Operation]) -> None:
        """Any number of operations, in chunks that are each all or nothing."""
        ...


def encode(value: Value) -> tuple[bytes, bool]:
    """The bytes to keep, and whether they are JSON. Raises ValueError where a value is neither."""
    if isinstance(value, bytes):
        return value, False
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode(), True
    except (TypeError, ValueError) as error:
        raise ValueError(f"a value is JSON or bytes: {error}") from error


def decode(data: bytes, is_json: bool) -> Value:
    value: Value = json.loads(data) if is_json else data
    return value


def problems(operation: Operation) -> str | None:
    """Why this operation can't be taken, or None."""
    length = len(operation.key.encode("utf-8", "surrogatepass"))
    if not 0 < length <= MAX_KEY:
        return f"a key has 1 to {MAX_KEY} bytes, this one {length}"
    if "\x00" in operation.key or any("\ud800" <= c <= "\udfff" for c in operation.key):
        return "a key holds no NUL and no lone surrogate"
    if isinstance(operation, Put):
        try:
            stored = len(encode(operation.value)[0])
        except ValueError as error:
            return str(error)
        if stored > MAX_VALUE:
            return f"a value has at most {MAX_VALUE} bytes, this one {stored}"
    return None
