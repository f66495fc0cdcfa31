"""What several nouns share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from assigntask_sdk.errors import Conflict

from ..conditions import mismatch
from ..operation import Call, Shape
from ..parameters import Parameter, text, texts, whole

PAGE = 50
MOST = 200

LIMIT = whole("limit", "How many at most.", least=1, most=MOST, usual=PAGE)
CURSOR = text("cursor", "The `next` of the page before. Left out: from the start.", longest=500)

NO_CONTENT = Shape(204, "It is done.")


def fields(record: str) -> Parameter:
    words = (
        f"Which details of each {record}, by name; `person.name` and the like for the people in it. Repeat it for "
        "several. Left out: all that the scopes open. Ask for what you use: it is recorded."
    )
    return texts("fields", words, most=50, example="fields=name" if record == "person" else "fields=summary")


def ids(record: str) -> Parameter:
    words = f"Only these; repeat it for several, at most {MOST}. Those that are missing are left out."
    return texts("ids", f"{words} The {record} ids stand in the order that they came in.", most=MOST, longest=100)


async def each_version(call: Call, change: Callable[[int | None], Awaitable[int]]) -> int:
    """Does `change(version)` with each version that If-Match allows, until one is the record's.

    Raises Conflict, and Problem where If-Match names no version at all.
    """
    if call.versions is None:
        return await change(None)
    last: Conflict | None = None
    for version in call.versions:
        try:
            return await change(version)
        except Conflict as error:
            last = error
    raise last or mismatch()
