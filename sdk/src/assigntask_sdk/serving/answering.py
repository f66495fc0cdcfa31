"""Running one function of the app: whatever it does, what comes back is the body of a HookAnswer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue, TypeAdapter, ValidationError

from ..apps import Hook
from ..context import Ctx
from ..errors import AppError
from ..hooks import HookSpec
from ..wire import ANSWER_BYTES, HookAnswer, answered


@dataclass(frozen=True, slots=True)
class Ended:
    """`body` is a HookAnswer's, `outcome` is "answered" or the error's code; `error` is what the app raised."""

    body: bytes
    outcome: str
    error: BaseException | None = None


async def answer(spec: HookSpec[Any, Any], function: Hook, ctx: Ctx, ask: Any, seconds: float) -> Ended:
    """Raises CancelledError where the service itself is stopped, and KeyboardInterrupt."""
    try:
        async with asyncio.timeout(max(seconds, 0)) as timer:
            given = await function(ctx, ask)
    except AppError as error:
        return _error_of_the_contract(error)
    except KeyboardInterrupt:
        raise
    except asyncio.CancelledError as error:
        if (task := asyncio.current_task()) is not None and task.cancelling():
            raise
        return _failed("hook_raised", type(error).__name__, error)
    except BaseException as error:  # SystemExit too
        if isinstance(error, TimeoutError) and timer.expired():
            return _failed("hook_timeout", "it had no more time", error)
        return _failed("hook_raised", type(error).__name__, error)
    return _checked(spec, given)


def _checked(spec: HookSpec[Any, Any], given: Any) -> Ended:
    try:
        raw = spec.answer.dump_json(spec.answer.validate_python(given), warnings="none")
    except ValidationError as error:
        return _failed("hook_wrong_answer", _mistake(error), error)
    except Exception as error:  # the answer's own code may do anything
        return _failed("hook_wrong_answer", type(error).__name__, error)
    if len(raw) > ANSWER_BYTES:
        return _failed("hook_answer_too_large", f"{len(raw)} bytes, and {ANSWER_BYTES} are allowed")
    return Ended(answered(raw), "answered")


def _error_of_the_contract(error: AppError) -> Ended:
    try:
        facts: Mapping[str, JsonValue] = _FACTS.validate_python(error.to_json())
        body = HookAnswer(error=facts).to_bytes()
    except Exception as broken:  # an app may have made an error of its own, or given it facts that are no JSON
        return _failed("hook_raised", type(broken).__name__, error)
    return Ended(body, error.code, error)


def _failed(code: str, message: str, error: BaseException | None = None) -> Ended:
    return Ended(HookAnswer(error={"code": code, "message": message}).to_bytes(), code, error)


def _mistake(error: ValidationError) -> str:
    """Where the answer is wrong and how, without its values."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]


_FACTS: TypeAdapter[dict[str, JsonValue]] = TypeAdapter(dict[str, JsonValue])
