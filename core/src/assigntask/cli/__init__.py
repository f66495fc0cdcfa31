"""The command `assigntask`. Exit status: 0 done, 1 not done, 2 called wrongly, 130 stopped by Ctrl-C.

A command's module, and with it the host, is loaded when the command is run: help and usage errors are quick.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from assigntask.cli.failures import INTERRUPTED, READER_GONE, ReaderGone, describe, tell
from assigntask.cli.root import root

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit status. Nothing but a bug in Python itself ends in a traceback."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError):  # a test's stream need not be one of files
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        status = root(given, prog_name="assigntask", standalone_mode=False)
        if status == INTERRUPTED:  # what is left of a Ctrl-C by then
            raise KeyboardInterrupt
        sys.stdout.flush()
    except (ReaderGone, BrokenPipeError):
        _let_go_of_stdout()
        return READER_GONE
    except (Exception, KeyboardInterrupt) as error:
        if os.environ.get("ASSIGNTASK_DEBUG") == "1":
            raise
        failure = describe(error)
        with suppress(BrokenPipeError):
            tell(failure, as_json=wants_json(given))
        return failure.status
    return status if isinstance(status, int) else 0


def wants_json(arguments: Sequence[str]) -> bool:
    """Also of a command line that can't be understood, so that its error comes as JSON too."""
    given = list(arguments)
    return "--json" in given[: given.index("--") if "--" in given else len(given)]


def _let_go_of_stdout() -> None:
    """Python flushes stdout once more at its end; that must not fail aloud."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
