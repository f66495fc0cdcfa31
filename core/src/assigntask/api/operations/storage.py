"""The app's own storage: of the installation, and of each task and person."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import model_validator

from assigntask.context.stores import CheckedStore
from assigntask_sdk.records import PersonId, TaskId
from assigntask_sdk.storage import Delete, Entry, Put
from assigntask_sdk.storage import Operation as StoreOperation

from ..bodies import Body
from ..operation import Call, Form, Operation, Shape
from ..parameters import text, texts, whole
from ..problems import bad_body, bad_query
from ..replies import Reply, nothing, said
from .common import NO_CONTENT

COMMIT_BYTES = 6 * 1024 * 1024
MOST_KEYS = 200
PAGE = 100


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """`value`, or, for bytes, `bytes` in base64."""

    key: str
    version: int
    value: Any = None
    bytes: str = ""


class PutBody(Body):
    """`value`: any JSON; `bytes`: base64. `if_version`: 0, the key must be absent; else it must be at that version."""

    key: str
    value: Any = None
    bytes: str | None = None
    if_version: int | None = None

    @model_validator(mode="after")
    def one_of_both(self) -> PutBody:
        if ("value" in self.model_fields_set) == (self.bytes is not None):
            raise ValueError("give value or bytes")
        return self


class DeleteBody(Body):
    key: str
    if_version: int | None = None


class PutOperation(Body):
    put: PutBody


class DeleteOperation(Body):
    delete: DeleteBody


class Commit(Body):
    """All of it is stored, or nothing."""

    operations: Sequence[PutOperation | DeleteOperation]


async def entries(call: Call) -> Reply:
    query = call.query
    if "key" in query:
        if others := query.keys() & {"prefix", "after", "limit"}:
            raise bad_query(dict.fromkeys(sorted(others), "leave it out where keys are given"))
        found = await _store(call).get_many(query["key"])
        return said({"items": [_entry(key, found[key]) for key in sorted(found)], "next": None})
    page, more = await _store(call).page(query.get("prefix", ""), query.get("after", ""), query.get("limit", PAGE))
    following = page[-1][0] if more and page else None
    return said({"items": [_entry(key, entry) for key, entry in page], "next": following})


async def commit(call: Call) -> Reply:
    await _store(call).commit(*(_operation(each, at) for at, each in enumerate(call.body.operations)))
    return nothing()


def _store(call: Call) -> CheckedStore:
    storage = call.ctx.storage
    if "task" in call.path:
        return storage.task(TaskId(call.path["task"]))
    return storage.person(PersonId(call.path["person"])) if "person" in call.path else storage


def _entry(key: str, entry: Entry) -> dict[str, Any]:
    if isinstance(entry.value, bytes):
        return {"key": key, "version": entry.version, "bytes": base64.b64encode(entry.value).decode()}
    return {"key": key, "version": entry.version, "value": entry.value}


def _operation(each: PutOperation | DeleteOperation, at: int) -> StoreOperation:
    if isinstance(each, DeleteOperation):
        return Delete(each.delete.key, each.delete.if_version)
    put = each.put
    value = put.value
    if put.bytes is not None:
        try:
            value = base64.b64decode(put.bytes, validate=True)
        except (binascii.Error, ValueError):
            raise bad_body({f"operations.{at}.put.bytes": "this is no base64"}) from None
    return Put(put.key, value, put.if_version)


_QUERY = (
    texts(
        "key", f"These keys; repeat it for several, at most {MOST_KEYS}.", most=MOST_KEYS, longest=512, controls=True
    ),
    text("prefix", "Keys that begin so, in order.", longest=512, controls=True),
    text("after", "Only keys behind this one: the `next` of the page before.", longest=512, controls=True),
    whole("limit", "How many at most. Large values make a page shorter.", least=1, most=1000, usual=PAGE),
)


def _operations(prefix: str, name: str, words: str, *, goodbye: bool) -> tuple[Operation, Operation]:
    missing = frozenset({"not_found", "gone"} if prefix else {"gone"})
    return (
        Operation(
            id=f"list{name}Entries",
            method="GET",
            path=f"{prefix}/storage/entries",
            summary=f"What the app stored {words}, by keys or in the order of keys",
            handler=entries,
            answer=Shape(200, "The entries that there are.", StoredEntry, page=True),
            query=_QUERY,
            goodbye=goodbye,
            problems=missing | {"invalid"},
        ),
        Operation(
            id=f"commit{name}Entries",
            method="POST",
            path=f"{prefix}/storage/commit",
            summary=f"Store and delete entries {words}, all or nothing",
            words="At most 1,000 operations and 4 MiB. A conflict names the keys.",
            handler=commit,
            answer=NO_CONTENT,
            form=Form(Commit, limit=COMMIT_BYTES),
            goodbye=goodbye,
            problems=missing | {"conflict"},
        ),
    )


OPERATIONS = (
    *_operations("", "", "for itself", goodbye=True),
    *_operations("/tasks/{task}", "Task", "for a task", goodbye=True),
    *_operations("/people/{person}", "Person", "for a person", goodbye=True),
)
