"""What a person, or a program, is told when a command did not do its work."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from typer.exceptions import Abort, TyperException

INTERRUPTED = 130
READER_GONE = 141  # as a shell shows SIGPIPE


@dataclass(frozen=True, slots=True)
class Failure:
    code: str
    message: str
    status: int = 1
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {"code": self.code, "message": self.message, **self.facts}


def describe(error: BaseException) -> Failure:
    if isinstance(error, KeyboardInterrupt | Abort):
        return Failure("interrupted", "Stopped. What was not finished did not happen; run it again.", INTERRUPTED)
    if isinstance(error, TyperException):
        return Failure("usage", _usage(error), error.exit_code)
    # By the module, so that help need not load the host. Others have a `code` too, and SQLAlchemy's messages hold rows.
    ours = any(kind.__module__.partition(".")[0] in ("assigntask", "assigntask_sdk") for kind in type(error).__mro__)
    code = getattr(error, "code", None)
    if ours and isinstance(error, Exception) and isinstance(code, str):
        message = getattr(error, "message", None) or str(error)
        return Failure(code, message, facts=getattr(error, "facts", {}))
    return Failure(
        "unexpected",
        f"Something went wrong that nobody expected ({type(error).__name__}). "
        "Run it again with ASSIGNTASK_DEBUG=1 to see where, and report that.",
    )


class ReaderGone(Exception):
    """Whoever read stdout has gone; the work was done."""


def tell(failure: Failure, *, as_json: bool, kind: str = "error") -> None:
    """To stderr. `kind`: "error", or "warning" where the work was done."""
    if as_json:
        print(json.dumps({kind: failure.to_json()}, default=str), file=sys.stderr)  # noqa: T201
    elif not failure.message:
        pass  # a group that is called with nothing has shown its help
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
    if context is None or not message.strip():
        return message.strip()
    return f"{' '.join(message.split())} Run `{context.command_path} --help` to see how it is called."
