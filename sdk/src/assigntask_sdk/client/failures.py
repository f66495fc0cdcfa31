"""Answers that are errors, as the errors that an app meets in the host's process too."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..errors import ERRORS, AppError, Conflict, Invalid, TryLater, error_from_json
from .retrying import Broken

_PROBLEM = frozenset({"type", "title", "status", "detail", "instance", "code"})  # RFC 9457, 3.1, and the code
_LATER = frozenset({429, 502, 503, 504})


class ApiError(AppError):
    """What has no class of its own. `code` is the host's, or OAuth's; `status` the answer's, where there was one."""

    def __init__(self, code: str, message: str, *, status: int | None = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.code = code
        self.status = status

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (self.code, self.message, self.status, self.facts))


def _rebuild(code: str, message: str, status: int | None, facts: dict[str, Any]) -> ApiError:
    return ApiError(code, message, status=status, **facts)


def failure(status: int, body: bytes, *, after: float | None, location: str | None = None) -> AppError:
    """The error that an answer stands for. `after`: seconds of its Retry-After; `location`: where it redirects."""
    problem = _members(body)
    message = str(problem.get("detail") or problem.get("title") or f"The host answered {status}.")
    code = problem.get("code")
    facts = {name: value for name, value in problem.items() if name not in _PROBLEM}
    if isinstance(code, str) and code in ERRORS:
        return _known(code, message, facts, after)
    if status in _LATER:
        return TryLater(message, after=after)
    if status == 412:
        return Conflict(message)
    if status in (400, 422) and isinstance(facts.get("fields"), Mapping):
        return Invalid(facts["fields"], message)
    if isinstance(code, str):
        return ApiError(code, message, status=status, **_safe(facts))
    return _stranger(status, message, location)


def _stranger(status: int, message: str, location: str | None) -> ApiError:
    """For an answer that the API did not make."""
    if 300 <= status < 400:
        where = f" to {location}" if location else ""
        message = f"The host redirects{where}, which is not followed. Give the address that it serves as base_url."
        return ApiError("redirected", message, status=status)
    message = f"{message} It was not the API that did: is base_url right?"
    return ApiError("answer_unexpected", message, status=status)


def token_failure(status: int, body: bytes, *, after: float | None) -> AppError:
    """The error of the token endpoint (RFC 6749, 5.2), with what to do about it."""
    answer = _members(body)
    code = answer.get("error")
    if not isinstance(code, str) or status in _LATER:
        return failure(status, body, after=after)
    said = str(answer.get("error_description") or "no reason given")
    return ApiError(code, f"The host gives no token ({said}). {_HELP.get(code, _OTHER)}", status=status)


def unreachable(broken: Broken, host: str) -> TryLater:
    what = "can't be reached" if broken == "unsent" else "did not answer"
    return TryLater(f"The host at {host} {what}; try again later.")


_HELP: Mapping[str, str] = {
    "invalid_client": "Check the client id and the secret; an admin sees the id, and can make a new secret.",
    "invalid_grant": "The refresh token was used before, revoked, or idle too long: ask the person to authorise again.",
    "invalid_scope": "Ask only for scopes that were granted to this app.",
}
_OTHER = "Check what the client sends, and whether the installation is active."


def _known(code: str, message: str, facts: Mapping[str, Any], after: float | None) -> AppError:
    """With the facts that its class reads, where the answer holds them not."""
    least: Mapping[str, Any] = _LEAST.get(code, {})
    given = {**least, **facts}
    if code == "try_later" and given["after"] is None:
        given["after"] = after
    return error_from_json({**given, "code": code, "message": message})


_LEAST: Mapping[str, Mapping[str, Any]] = {
    "refused": {"scope": ""},
    "needs_link": {"feature": ""},
    "try_later": {"after": None},
    "conflict": {"keys": []},
    "invalid": {"fields": {}},
    "vetoed": {"app": "", "reason": "", "field": None},
    "not_shared": {"detail": ""},
}


def _safe(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Without names that an error's own parameters have."""
    return {name: value for name, value in facts.items() if name not in ("self", "message", "code", "status")}


def _members(body: bytes) -> Mapping[str, Any]:
    try:
        read = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}
