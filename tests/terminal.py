"""Runs commands of the terminal, each in a process of its own, forked from one that has loaded the program already.

Loading is most of what a short command costs. Started with a folder for their output, it reads one JSON list a line,
[folder, argument, …], and answers the exit status; what the command wrote is in the files `out` and `err`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import assigntask.app  # noqa: F401 - loaded here, it need not be loaded by each command
from assigntask.cli import main

SECONDS = 60


def run(folder: str, arguments: list[str], output: Path) -> int:
    """In the child, which ends by itself when it takes too long."""
    signal.alarm(SECONDS)
    os.chdir(folder)
    for stream, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(output / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), stream)
    sys.argv = ["assigntask", *arguments]
    return main()


def serve(output: Path) -> None:
    for line in sys.stdin:
        folder, *arguments = json.loads(line)
        child = os.fork()
        if child == 0:
            status = 70  # where something went so wrong that there is no other
            try:
                status = run(folder, arguments, output)
                sys.stdout.flush()
            finally:
                os._exit(status)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
