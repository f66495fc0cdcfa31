"""Answers as records: JSON in, what the contract promises out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from ..records import Record
from .failures import ApiError

R = TypeVar("R", bound=Record)
T = TypeVar("T")


def record(kind: type[R], body: Any) -> R:
    """Raises ApiError `answer_invalid`."""
    try:
        return kind.from_json(body)
    except ValueError:
        raise _invalid(kind.__name__) from None


def records(kind: type[R], items: Iterable[Any]) -> list[R]:
    return [record(kind, item) for item in items]


def value(kind: type[T], body: Any) -> T:
    """Something that is no record, such as a Job. Raises ApiError `answer_invalid`."""
    adapter = _ADAPTERS.get(kind)
    if adapter is None:
        adapter = _ADAPTERS[kind] = TypeAdapter(kind)
    try:
        made: T = adapter.validate_python(body)
    except ValidationError:
        raise _invalid(kind.__name__) from None
    return made


def page(body: Any) -> tuple[Sequence[Any], str | None]:
    """The items, and the cursor of the next page. Raises ApiError `answer_invalid`."""
    items, cursor = member(body, "items"), body.get("next")
    if not isinstance(items, list) or not isinstance(cursor, str | None):
        raise _invalid("a page")
    return items, cursor


def member(body: Any, name: str) -> Any:
    """Raises ApiError `answer_invalid` where there is no such member."""
    if not isinstance(body, Mapping) or name not in body:
        raise _invalid(f"a body with {name!r}")
    return body[name]


def _invalid(expected: str) -> ApiError:
    message = f"The host's answer is not what this SDK expects ({expected}): is the SDK too old for this host?"
    return ApiError("answer_invalid", message)


_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {}
