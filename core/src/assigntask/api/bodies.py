"""Bodies: their form, their size, and JSON as strictly as a machine writes it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.types import Receive

from assigntask_sdk.details import nearest

from .problems import Problem, bad_body

JSON_BYTES = 1024 * 1024
DEEPEST = 40
SECONDS = 30.0
"""How long a body, or one more piece of a file, is waited for."""

JSON_TYPES = ("application/json",)
PATCH_TYPES = ("application/json", "application/merge-patch+json")
_SURROGATE = re.compile("[\ud800-\udfff]")

M = TypeVar("M", bound="Body")


class Body(BaseModel):
    """Base of all bodies: nothing is guessed, and what is not known is refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    def given(self) -> dict[str, Any]:
        """The fields that were sent. Left out is not null."""
        return {name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set}


class Keyed(Body):
    """Of what is created. `key`: with the same one again the same is answered, and nothing is created; it may be kept
    for good. Left out: the Idempotency-Key."""

    key: str | None = None


class Disconnected(Exception):
    """The caller went away: there is nobody to answer."""


def check_type(content_type: str, encoding: str, allowed: tuple[str, ...]) -> None:
    """Raises Problem where the body has another form. Parameters other than the charset UTF-8 are refused."""
    media, _, parameters = content_type.partition(";")
    charset = parameters.strip().lower().replace('"', "")
    if media.strip().lower() not in allowed or charset not in ("", "charset=utf-8"):
        words = f"Send the body as {' or '.join(allowed)}, in UTF-8."
        raise Problem("media_type_unsupported", words, headers=((b"accept", ", ".join(allowed).encode()),))
    if encoding.strip().lower() not in ("", "identity"):
        raise Problem("media_type_unsupported", "Send the body as it is, without a Content-Encoding.")


async def read(receive: Receive, length: int | None, limit: int) -> bytes:
    """The whole body. `length`: what Content-Length says. Raises Problem, Disconnected."""
    if length is not None and length > limit:
        too_large(limit)
    pieces: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(SECONDS):
            async for piece in stream(receive):
                size += len(piece)
                if size > limit:
                    too_large(limit)
                pieces.append(piece)
    except TimeoutError:
        raise _slow() from None
    return b"".join(pieces)


async def stream(receive: Receive) -> AsyncIterator[bytes]:
    """The body piece by piece. Raises Disconnected."""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        more = message.get("more_body", False)
        if piece := message.get("body", b""):
            yield piece


async def patiently(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same; raises Problem where the next piece keeps us waiting too long."""
    while True:
        try:
            async with asyncio.timeout(SECONDS):
                piece = await anext(pieces, None)
        except TimeoutError:
            raise _slow() from None
        if piece is None:
            return
        yield piece


def too_large(limit: int) -> NoReturn:
    raise Problem("body_too_large", f"A body here has at most {limit} bytes. Send less at once.", limit=limit)


def parse(raw: bytes, model: type[M]) -> M:
    """The body as the model has it.

    Raises Problem: `body_not_json` for what is no JSON (or names a member twice, is nested too deeply, holds half a
    surrogate pair or a number that JSON does not have), `invalid` naming every field that can't be taken.
    """
    value = _loaded(raw)
    if not isinstance(value, dict):
        raise _not_json("it is one JSON object")
    _check(value)
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        raise bad_body(_faults(error, model)) from None


def _loaded(raw: bytes) -> Any:
    try:
        return json.loads(raw.decode("utf-8"), object_pairs_hook=_each_once, parse_constant=_no_constant)
    except UnicodeDecodeError:
        raise _not_json("it is in UTF-8") from None
    except (ValueError, RecursionError) as error:
        known = error.args[0] if isinstance(error, _Odd) else "it has JSON's own form, RFC 8259"
        raise _not_json(known) from None


class _Odd(ValueError):
    pass


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Odd("an object names each member once")
    return found


def _no_constant(_name: str) -> NoReturn:
    raise _Odd("a number is finite")


def _check(value: Any) -> None:
    level: list[Any] = [value]
    for _ in range(DEEPEST):
        deeper: list[Any] = []
        for each in level:
            if isinstance(each, str) and _SURROGATE.search(each):
                raise _not_json("text holds no half of a surrogate pair")
            if isinstance(each, float) and each - each != 0:
                raise _not_json("a number is finite")
            if isinstance(each, dict):
                deeper += [*each, *each.values()]
            elif isinstance(each, list):
                deeper += each
        if not deeper:
            return
        level = deeper
    raise _not_json(f"it is nested at most {DEEPEST} deep")


def _not_json(wanted: str) -> Problem:
    return Problem("body_not_json", f"The body can't be read: {wanted}.")


def _slow() -> Problem:
    words = f"The body did not come within {SECONDS:.0f} seconds. Send it again."
    return Problem("body_too_slow", words, headers=((b"connection", b"close"),))


def _faults(error: ValidationError, model: type[Body]) -> Mapping[str, str]:
    """Field to reason. The value itself is not repeated."""
    faults: dict[str, str] = {}
    for each in error.errors(include_url=False, include_context=False, include_input=False):
        place = ".".join(str(part) for part in each["loc"]) or "body"
        if each["type"] == "extra_forbidden":
            meant = nearest(str(each["loc"][-1]), model.model_fields) if len(each["loc"]) == 1 else None
            faults[place] = "there is no such field" + (f"; did you mean {meant!r}?" if meant else "")
        elif each["type"] == "missing":
            faults[place] = "it is needed"
        else:
            faults[place] = each["msg"].removeprefix("Value error, ")
    return faults
