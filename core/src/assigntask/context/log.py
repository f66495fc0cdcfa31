"""`ctx.log`: an app's lines in the operator's log. They can't pose as another app's, nor fill it with data."""

from __future__ import annotations

from typing import Any

import structlog

MAX_TEXT = 200
MAX_FACTS = 20

_log = structlog.get_logger("assigntask.app")


def plain(facts: dict[str, Any]) -> dict[str, str | int | bool]:
    """The facts that are text, whole numbers or truth values, cut to size; others and the rest are left out."""
    kept = {name: value for name, value in facts.items() if isinstance(value, str | int)}
    return {
        name[:MAX_TEXT]: value[:MAX_TEXT] if isinstance(value, str) else _number(value)
        for name, value in list(kept.items())[:MAX_FACTS]
    }


def _number(value: int) -> int | str:
    return value if value.bit_length() <= 64 else "a number of more than 64 bits"


class AppLog:
    def __init__(self, app_id: str, installation_id: str) -> None:
        # Of which request or delivery it is: the apps' loop knows nothing of the host's own context.
        cause = structlog.contextvars.get_contextvars()
        self._bound = _log.bind(**{**cause, "app": app_id, "installation": installation_id})

    def info(self, event: str, **facts: Any) -> None:
        self._bound.info("app", said=str(event)[:MAX_TEXT], facts=plain(facts))

    def warning(self, event: str, **facts: Any) -> None:
        self._bound.warning("app", said=str(event)[:MAX_TEXT], facts=plain(facts))
