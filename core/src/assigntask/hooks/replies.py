"""What comes back from a hook, whether the app runs in this process or on its vendor's machine."""

from __future__ import annotations

import json
from dataclasses import dataclass

from assigntask.errors import HostError
from assigntask_sdk.errors import AppError, Conflict, Gone, Invalid, NeedsLink, Superseded, TryLater

from .errors import CallCode, describe

ANSWER_BYTES = 256 * 1024
ERROR_BYTES = 16 * 1024

PASSING: tuple[type[AppError], ...] = (Conflict, TryLater, NeedsLink, Gone, Superseded)
"""What an app may raise to say "not now": it comes through as it is and does not count as a failure."""
PASSING_IN_QUESTIONS: tuple[type[AppError], ...] = (*PASSING, Invalid)


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer as JSON, or an error of the contract as JSON, or why there is none."""

    answer: bytes | None = None
    error: str | None = None
    code: CallCode | None = None
    why: str = ""


def passed(error: AppError, *, notice: bool) -> Reply:
    """The reply to an error that the app raised: as it is, where the contract lets an app raise it here."""
    if isinstance(error, PASSING if notice else PASSING_IN_QUESTIONS):
        try:
            body = json.dumps(error.to_json())
        except BaseException:  # the error's own code may do anything, as the answer's may
            body = ""
        if 0 < len(body) <= ERROR_BYTES:
            return Reply(error=body)
    ours = isinstance(error, HostError) and error.code == "host_error"
    return Reply(code="host_error" if ours else "hook_raised", why=describe(error))
