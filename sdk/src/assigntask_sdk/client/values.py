"""What goes into a call and comes out of it: fields of tasks, filters, entries of a store. Pure."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from pydantic_core import PydanticSerializationError, to_jsonable_python

from ..context import TaskEdit, TaskFilters
from ..details import nearest
from ..errors import Invalid
from ..storage import MAX_COMMIT, MAX_OPERATIONS, Delete, Entry, Operation, Put, encode, problems
from .calls import Params
from .failures import ApiError

IDS = 200
"""How many ids one call takes."""

QUERY_BYTES = 6000
QUERY_KEYS = 200
"""How long the part of an address is that names many keys, and how many they are."""


def fields_param(fields: Any) -> list[tuple[str, str]]:
    """Raises Invalid."""
    if fields is None:
        return []
    if isinstance(fields, str) or not isinstance(fields, Collection) or not all(isinstance(f, str) for f in fields):
        raise Invalid({"fields": 'give a list of names, such as ["summary", "due"]'})
    return [("fields", name) for name in dict.fromkeys(fields or ["id"])]  # the id comes anyway


def filter_params(filters: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Raises Invalid, naming each filter that there is not or that has a wrong value."""
    faults = {name: why for name, value in filters.items() if (why := _filter_problem(name, value)) is not None}
    if faults:
        raise Invalid(faults)
    return [(name, _filter_text(value)) for name, value in filters.items() if value is not None]


def checked_ids(ids: Any) -> list[str]:
    """Those that can be ids at all, once each. Raises Invalid for more than 200."""
    if isinstance(ids, str) or not isinstance(ids, Collection):
        raise Invalid({"ids": "give a list of ids"})
    if len(ids) > IDS:
        raise Invalid({"ids": f"at most {IDS} at once, these are {len(ids)}"})
    return [one for one in dict.fromkeys(ids) if isinstance(one, str) and one and one.isascii()]


def task_body(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a task as JSON. Raises Invalid, naming each that can't be set or sent."""
    faults: dict[str, str] = {}
    body: dict[str, Any] = {}
    for name, value in fields.items():
        if name not in TaskEdit.__annotations__:
            meant = nearest(name, TaskEdit.__annotations__)
            faults[name] = "a task has no such field that can be set" + (f"; did you mean {meant!r}?" if meant else "")
            continue
        try:
            body[name] = to_jsonable_python(value)
        except PydanticSerializationError:
            faults[name] = f"{type(value).__name__} is nothing that can be sent"
    if faults:
        raise Invalid(faults)
    return body


def checked_version(if_version: Any) -> int | None:
    """Raises Invalid."""
    if if_version is not None and type(if_version) is not int:
        raise Invalid({"if_version": "give a version that was read, or None"})
    return if_version


def key_params(keys: Sequence[str]) -> list[list[tuple[str, str]]]:
    """The keys as parameters of as many calls as they need. Raises Invalid for keys that can't be."""
    faults = {str(key): why for key in keys if (why := _key_problem(key)) is not None}
    if faults:
        raise Invalid(faults)
    calls: list[list[tuple[str, str]]] = []
    size = QUERY_BYTES
    for key in dict.fromkeys(keys):
        length = 3 * len(key.encode())  # percent-encoded, at the worst
        if size + length > QUERY_BYTES or len(calls[-1]) == QUERY_KEYS:
            calls.append([])
            size = 0
        calls[-1].append(("key", key))
        size += length
    return calls


def checked_text(name: str, text: Any) -> str:
    """Raises Invalid where it is no text that a key can hold."""
    if not isinstance(text, str) or any("\ud800" <= c <= "\udfff" for c in text):
        raise Invalid({name: "this is no text that a key can hold"})
    return text


def operation_json(operation: Operation) -> dict[str, Any]:
    """Raises Invalid, naming the key."""
    if not isinstance(operation, Put | Delete):
        raise Invalid({"operations": f"give Put or Delete, not {type(operation).__name__}"})
    why = _operation_problem(operation)
    if why is not None:
        raise Invalid({str(operation.key): why})
    body: dict[str, Any] = {"key": operation.key}
    if operation.if_version is not None:
        body["if_version"] = operation.if_version
    if isinstance(operation, Delete):
        return {"delete": body}
    if isinstance(operation.value, bytes):
        body["bytes"] = base64.b64encode(operation.value).decode()
    else:
        body["value"] = operation.value
    return {"put": body}


def operations_json(operations: Sequence[Operation]) -> list[dict[str, Any]]:
    """Raises Invalid, naming each key that can't be taken; also for more than a commit takes."""
    if len(operations) > MAX_OPERATIONS:
        why = f"a commit takes at most {MAX_OPERATIONS}, these are {len(operations)}; use apply"
        raise Invalid({"operations": why})
    faults: dict[str, str] = {}
    made: list[dict[str, Any]] = []
    for operation in operations:
        try:
            made.append(operation_json(operation))
        except Invalid as invalid:
            faults.update(invalid.fields)
    if faults:
        raise Invalid(faults)
    return made


def size_of(operation: Operation) -> int:
    """Bytes of key and value, as the store counts them."""
    return len(operation.key.encode()) + (len(encode(operation.value)[0]) if isinstance(operation, Put) else 0)


class Chunk:
    """Operations that are still to be committed, in order. A key that comes again belongs to the next chunk."""

    def __init__(self) -> None:
        self._operations: list[Operation] = []
        self._keys: set[str] = set()
        self._size = 0

    def add(self, operation: Operation) -> list[Operation]:
        """What has to be committed before this operation has room; mostly nothing. Raises Invalid."""
        operation_json(operation)  # a fault is told before anything of it is waiting
        size = size_of(operation)
        full = len(self._operations) == MAX_OPERATIONS or self._size + size > MAX_COMMIT
        done = self.rest() if full or operation.key in self._keys else []
        self._operations.append(operation)
        self._keys.add(operation.key)
        self._size += size
        return done

    def rest(self) -> list[Operation]:
        done, self._operations, self._keys, self._size = self._operations, [], set(), 0
        return done


def entry(item: Mapping[str, Any]) -> tuple[str, Entry]:
    """A key and its entry. Raises ApiError `answer_invalid`."""
    try:
        coded = item.get("bytes")
        value = item["value"] if coded is None else base64.b64decode(coded, validate=True)
        return str(item["key"]), Entry(value, int(item["version"]))
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise ApiError("answer_invalid", "The host answered with no entry of a store: is the SDK too old?") from None


def keyed(body: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """With the key under which ctx makes this once, whatever else is said the second time."""
    return {**body, "key": checked_text("key", key)}


def only(items: Iterable[Any], **values: str | None) -> Params:
    """The parameters that have a value, behind `items`."""
    return [*items, *((name, value) for name, value in values.items() if value is not None)]


def _operation_problem(operation: Operation) -> str | None:
    version = operation.if_version
    if version is not None and not (type(version) is int and version >= 0):
        return "if_version is a version that was read, 0 (the key must be absent) or None"
    try:
        return _key_problem(operation.key) or problems(operation)
    except RecursionError:
        return "a value is nested too deeply"


def _key_problem(key: Any) -> str | None:
    if not isinstance(key, str):
        return f"a key is text, not {type(key).__name__}"
    return problems(Delete(key))


def _filter_problem(name: str, value: Any) -> str | None:
    if name not in TaskFilters.__annotations__:
        meant = nearest(name, TaskFilters.__annotations__)
        return "there is no such filter" + (f"; did you mean {meant!r}?" if meant else "")
    if name == "project":
        return None if isinstance(value, str) else "give a project's id"
    if name in ("archived", "done"):
        return None if isinstance(value, bool) else "give True or False"
    if not isinstance(value, dt.datetime):
        return "give a moment, a datetime"
    return None if value.utcoffset() is not None else "a moment needs a time zone, for example UTC"


def _filter_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
    return str(value)
