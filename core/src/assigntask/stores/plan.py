"""Deciding a commit to an app's storage: what may be stored, what conflicts, what is written. No I/O here."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assigntask_sdk.errors import Conflict, Invalid
from assigntask_sdk.storage import (
    MAX_COMMIT,
    MAX_OPERATIONS,
    MAX_VALUE,
    Delete,
    Operation,
    Put,
    encode,
    problems,
)


@dataclass(frozen=True, slots=True)
class Write:
    """One operation, ready to be stored. `data` None deletes. `size`: bytes of key and value before sealing."""

    name: str
    key: bytes
    data: bytes | None
    is_json: bool
    size: int
    if_version: int | None


@dataclass(frozen=True, slots=True)
class Present:
    """What stands in the table for a key, without its value."""

    version: int
    size: int


@dataclass(frozen=True, slots=True)
class Plan:
    """`puts` with their new versions, `deletes` that have something to delete, and by how much usage grows."""

    puts: tuple[tuple[Write, int], ...]
    deletes: tuple[bytes, ...]
    growth: int


def key_bytes(key: Any) -> bytes:
    """The key as it is stored. Raises Invalid, naming the key."""
    why = _key_problem(key)
    if why is not None:
        raise Invalid({str(key): why})
    return bytes(key, "utf-8")


def prepare(operations: Sequence[Any]) -> tuple[Write, ...]:
    """The operations as they can be stored. Raises Invalid, naming every key that can't be taken and why."""
    if len(operations) > MAX_OPERATIONS:
        why = f"a commit takes at most {MAX_OPERATIONS}, these are {len(operations)}; use apply"
        raise Invalid({"operations": why})
    faults: dict[str, str] = {}
    writes: dict[str, Write] = {}
    for operation in operations:
        if not isinstance(operation, Put | Delete):
            raise Invalid({"operations": f"give Put or Delete, not {type(operation).__name__}"})
        made = _prepared(operation)
        if isinstance(made, str):
            faults[str(operation.key)] = made
        elif made.name in writes:
            faults[made.name] = "a key can stand in a commit only once"
        else:
            writes[made.name] = made
    if faults:
        raise Invalid(faults)
    total = sum(write.size for write in writes.values())
    if total > MAX_COMMIT:
        why = f"a commit takes at most {MAX_COMMIT} bytes of keys and values, these have {total}; use apply"
        raise Invalid({"operations": why})
    return tuple(writes.values())


def decide(writes: Sequence[Write], present: Mapping[bytes, Present], last_version: int) -> Plan:
    """What to write, with versions from `last_version` + 1 on. Raises Conflict, naming every key that conflicts."""
    conflicts = [
        write.name
        for write in writes
        if write.if_version is not None and write.if_version != _version(present.get(write.key))
    ]
    if conflicts:
        raise Conflict(
            "Somebody else wrote first. Read these keys again and decide anew.",
            keys=conflicts,
        )
    puts = tuple(
        (write, last_version + number)
        for number, write in enumerate((w for w in writes if w.data is not None), start=1)
    )
    deletes = tuple(write.key for write in writes if write.data is None and write.key in present)
    freed = sum(present[write.key].size for write in writes if write.key in present)
    return Plan(puts, deletes, sum(write.size for write, _ in puts) - freed)


async def chunks(operations: AsyncIterable[Operation]) -> AsyncIterator[list[Operation]]:
    """Cuts a stream into commits, in order. A key that comes again starts the next commit."""
    chunk: list[Operation] = []
    keys: set[str] = set()
    total = 0
    async for operation in operations:
        (write,) = prepare([operation])
        if chunk and (len(chunk) == MAX_OPERATIONS or total + write.size > MAX_COMMIT or write.name in keys):
            yield chunk
            chunk, keys, total = [], set(), 0
        chunk.append(operation)
        keys.add(write.name)
        total += write.size
    if chunk:
        yield chunk


def _version(present: Present | None) -> int:
    return 0 if present is None else present.version


def _key_problem(key: Any) -> str | None:
    if not isinstance(key, str):
        return f"a key is text, not {type(key).__name__}"
    return problems(Delete(key))


def _prepared(operation: Operation) -> Write | str:
    """The write, or why it can't be taken."""
    why = _key_problem(operation.key) or _if_version_problem(operation.if_version)
    if why is not None:
        return why
    key = operation.key.encode()
    if isinstance(operation, Delete):
        return Write(operation.key, key, None, False, len(key), operation.if_version)
    try:
        data, is_json = encode(operation.value)
    except RecursionError:
        return "a value is nested too deeply"
    except ValueError as error:
        return str(error)
    if len(data) > MAX_VALUE:
        return f"a value has at most {MAX_VALUE} bytes, this one {len(data)}"
    return Write(operation.key, key, data, is_json, len(key) + len(data), operation.if_version)


def _if_version_problem(if_version: Any) -> str | None:
    if if_version is None or (type(if_version) is int and if_version >= 0):
        return None
    return "if_version is a version that was read, 0 (the key must be absent) or None"
