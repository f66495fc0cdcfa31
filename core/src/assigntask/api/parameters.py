"""Parameters of a query: declared once, read strictly, described in OpenAPI. Pure."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from assigntask_sdk.details import nearest

from .problems import Problem, bad_query

MOST_PARAMETERS = 300
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)")
_UNREADABLE = re.compile("[\x00-\x1f\x7f]")
BROKEN_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
"""RFC 3986, section 2.1. Some readers take it for text, others refuse it, so it is refused."""
_SECRETS = frozenset({"access_token", "client_secret"})


@dataclass(frozen=True, slots=True)
class Parameter:
    """`read` makes the value of text; it raises ValueError with words that say what to give.

    `many`: may be repeated, at most `most` times; then the value is a list. `controls`: takes control characters.
    """

    name: str
    words: str
    schema: Mapping[str, Any]
    read: Callable[[str], Any]
    many: bool = False
    most: int = 1
    example: str = ""
    controls: bool = False


def text(name: str, words: str, *, example: str = "", longest: int = 2000, controls: bool = False) -> Parameter:
    def read(value: str) -> str:
        if len(value) > longest:
            raise ValueError(f"give at most {longest} characters")
        return value

    schema = {"type": "string", "maxLength": longest}
    return Parameter(name, words, schema, read, example=example, controls=controls)


def texts(
    name: str, words: str, *, most: int, example: str = "", longest: int = 2000, controls: bool = False
) -> Parameter:
    one = text(name, words, longest=longest)
    schema = {"type": "array", "items": one.schema, "maxItems": most}
    return Parameter(name, words, schema, one.read, many=True, most=most, example=example, controls=controls)


def flag(name: str, words: str) -> Parameter:
    def read(value: str) -> bool:
        if value not in ("true", "false"):
            raise ValueError("give true or false")
        return value == "true"

    return Parameter(name, words, {"type": "boolean"}, read, example="true")


def whole(name: str, words: str, *, least: int, most: int, usual: int) -> Parameter:
    def read(value: str) -> int:
        if not (value.isascii() and value.isdigit() and len(value) < 10 and least <= int(value) <= most):
            raise ValueError(f"give a whole number from {least} to {most}")
        return int(value)

    schema = {"type": "integer", "minimum": least, "maximum": most, "default": usual}
    return Parameter(name, words, schema, read, example=str(usual))


def moment(name: str, words: str) -> Parameter:
    example = "2026-05-01T17:00:00Z"
    return Parameter(name, words, {"type": "string", "format": "date-time"}, read_moment, example=example)


def read_moment(value: str) -> dt.datetime:
    """An RFC 3339 date-time, in UTC. Raises ValueError."""
    wanted = "give a moment with its time zone, such as 2026-05-01T17:00:00Z"
    if not _MOMENT.fullmatch(value):
        raise ValueError(wanted)
    try:
        return dt.datetime.fromisoformat(value.upper()).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise ValueError(wanted) from None


def read_query(query: bytes, known: Sequence[Parameter]) -> dict[str, Any]:
    """The values by name; what is left out is not in it.

    Raises Problem, naming every parameter that there is not, that is repeated, or whose value can't be taken.
    """
    if not query:
        return {}
    by_name = {parameter.name: parameter for parameter in known}
    values: dict[str, Any] = {}
    faults: dict[str, str] = {}
    for name, value in _pairs(query):
        parameter = by_name.get(name)
        if parameter is None:
            faults[name] = _unknown(name, by_name)
        elif parameter.name in values and not parameter.many:
            faults[name] = "give it once"
        elif not parameter.controls and _UNREADABLE.search(value):
            faults[name] = "it holds a control character: remove it"
        else:
            try:
                read = parameter.read(value)
            except ValueError as error:
                faults[name] = str(error)
                continue
            if parameter.many:
                values.setdefault(name, []).append(read)
            else:
                values[name] = read
    faults |= {
        name: f"at most {by_name[name].most} at once, these are {len(given)}"
        for name, given in values.items()
        if by_name[name].many and len(given) > by_name[name].most
    }
    if faults:
        raise bad_query(faults)
    return values


def holds_secret(query: bytes) -> bool:
    """Whether a token stands in the address, where logs and histories keep it: RFC 9700, section 4.3.2."""
    return b"access_token" in query and any(name in _SECRETS for name, _ in _pairs(query))


def _pairs(query: bytes) -> list[tuple[str, str]]:
    try:
        written = query.decode("ascii")
        if BROKEN_ESCAPE.search(written):
            raise ValueError("a broken escape")
        return parse_qsl(
            written,
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=MOST_PARAMETERS,
        )
    except ValueError:
        words = f"The query can't be read: give at most {MOST_PARAMETERS} parameters as name=value, in UTF-8."
        raise Problem("request_malformed", words) from None


def _unknown(name: str, known: Mapping[str, Parameter]) -> str:
    meant = nearest(name, known)
    return "there is no such parameter here" + (f"; did you mean {meant!r}?" if meant else "")
