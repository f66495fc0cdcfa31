"""What a person, or a program, is told when a command did not do its work."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from typer.exceptions import Abort, TyperException

from assigntask_sdk.errors import AppError

INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Failure:
    code: str
    message: str
    status: int = 1
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {"code": self.code, "message": self.message, **self.facts}


def describe(error: BaseException) -> Failure:
    if isinstance(error, AppError):
        return Failure(error.code, error.message, facts=error.facts)
    if isinstance(error, KeyboardInterrupt | Abort):
        return Failure("interrupted", "Stopped. What was not finished did not happen; run it again.", INTERRUPTED)
    if isinstance(error, TyperException):
        # A group that is called with nothing shows its help.
        asked_for_help = type(error).__name__ == "NoArgsIsHelpError"
        return Failure("usage", _usage(error), error.exit_code, {"help": True} if asked_for_help else {})
    # The database, the ledger, manifests and apps have errors of their own, each with a code.
    code = getattr(error, "code", None)
    if isinstance(error, Exception) and isinstance(code, str):
        return Failure(code, getattr(error, "message", None) or str(error))
    return Failure(
        "unexpected",
        f"Something went wrong that nobody expected ({type(error).__name__}). "
        "Run it again with ASSIGNTASK_DEBUG=1 to see where, and report that.",
    )


def tell(failure: Failure, *, as_json: bool, kind: str = "error") -> None:
    """To stderr. `kind`: "error", or "warning" where the work was done."""
    if as_json:
        print(json.dumps({kind: failure.to_json()}, default=str), file=sys.stderr)  # noqa: T201
    elif failure.facts.get("help"):
        print(failure.message, file=sys.stderr)  # noqa: T201
    else:
        print(f"{kind}[{failure.code}]: {visible(failure.message)}", file=sys.stderr)  # noqa: T201


def visible(text: str) -> str:
    """Without control characters: text that others wrote must not steer the terminal."""
    return "".join(
        "�" if (ord(character) < 32 and character not in "\n\t") or 127 <= ord(character) < 160 else character
        for character in text
    )


def _usage(error: TyperException) -> str:
    message = error.format_message()
    context = getattr(error, "ctx", None)
    if context is None or type(error).__name__ == "NoArgsIsHelpError":
        return message
    return f"{' '.join(message.split())} Run `{context.command_path} --help` to see how it is called."
