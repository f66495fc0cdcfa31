"""Where log lines go and how they look. The host's own and those of libraries are lines of one kind."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from typing import Any, Literal

import structlog

from assigntask.cli.redacting import redact
from assigntask.settings import log_form_of

Form = Literal["lines", "json"]
_FRAMES = 12


def quieten_logs(*, serving: bool = False, environ: Mapping[str, str] = os.environ) -> None:
    """Logs go to stderr, and from one command only when it is being debugged: what matters it says itself.

    Raises HostError `setting_invalid`.
    """
    debugging = environ.get("ASSIGNTASK_DEBUG") == "1"
    level = logging.DEBUG if debugging else logging.INFO if serving else logging.CRITICAL
    structlog.configure(
        processors=processors(log_form_of(environ), debugging=debugging),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    of_libraries = logging.WARNING if serving or debugging else level
    logging.basicConfig(handlers=[OfLibraries(debugging=debugging)], level=of_libraries, force=True)


def processors(form: Form, *, debugging: bool = False) -> list[structlog.typing.Processor]:
    """`debugging`: whoever debugs reads what was said, in full, at their own machine."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"])
    )
    safely: list[structlog.typing.Processor] = (
        [structlog.processors.format_exc_info] if debugging else [without_words, redact]
    )
    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        *safely,
        renderer,
    ]


def without_words(_logger: Any, _method: str, found: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Of an exception its kind and where it was raised. Its words may hold somebody's details."""
    info = found.pop("exc_info", None)
    error = info if isinstance(info, BaseException) else sys.exc_info()[1] if info is True else None
    if isinstance(info, tuple):
        error = info[1]
    if error is not None:
        found["error"] = type(error).__name__
        found["frames"] = [
            f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(error.__traceback__)[-_FRAMES:]
        ]
    return found


class OfLibraries(logging.Handler):
    """Turns what libraries log into lines of ours. They name its place in the library's code, and not its words."""

    def __init__(self, *, debugging: bool = False) -> None:
        super().__init__()
        self._debugging = debugging
        self._log = structlog.get_logger("assigntask.libraries")

    def emit(self, record: logging.LogRecord) -> None:
        facts: dict[str, Any] = {"logger": record.name}
        facts["where"] = f"{record.filename}:{record.lineno} {record.funcName}"
        if self._debugging:
            facts["said"] = record.getMessage()
        if record.exc_info:
            facts["exc_info"] = record.exc_info
        self._log.log(record.levelno, "library", **facts)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's own name
        """By itself it would print the record's words."""
        self._log.error("library_line_lost", logger=record.name)
