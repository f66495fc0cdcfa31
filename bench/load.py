"""Load on a server of its own process: wrk, the same for all."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from bench.measure import Turn

CONNECTIONS = 8
START_SECONDS = 900.0  # a host with a million tasks is made first
_RATE = re.compile(r"^Requests/sec:\s+([\d.]+)$", re.MULTILINE)
_FAILED = re.compile(r"^\s*(Non-2xx or 3xx responses|Socket errors): *(.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked, over and over. `paths`: one after the other, where there are several."""

    origin: str
    paths: Sequence[str]
    headers: Mapping[str, str] = field(default_factory=dict)
    form: str = ""  # sent by POST, where there is one

    def script(self) -> str:
        lines = [f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in self.headers.items()]
        if self.form:
            lines += [
                'wrk.method = "POST"',
                'wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"',
                f"wrk.body = {json.dumps(self.form)}",
            ]
        if len(self.paths) > 1:
            # Each path has its turn once before any comes again.
            lines += [
                f"local paths = {{{', '.join(json.dumps(path) for path in self.paths)}}}",
                "local at = 0",
                "request = function()",
                "  at = at % #paths + 1",
                "  return wrk.format(nil, paths[at])",
                "end",
            ]
        return "\n".join(lines) + "\n"


def loaded(target: Target, folder: Path, *, seconds: float) -> Turn:
    """A turn under load for so long: answers per second. Raises AssertionError where an answer was no success."""
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / f"{abs(hash(target.script())):x}.lua"
    script.write_text(target.script(), "utf-8")
    command = ["wrk", "-t", "1", "-c", str(CONNECTIONS), "-d", f"{seconds:g}s", "-s", str(script)]

    async def turn() -> float:
        wrk = await asyncio.create_subprocess_exec(
            *command, target.origin + target.paths[0], stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        said = (await wrk.communicate())[0].decode()
        rate, failed = _RATE.search(said), _FAILED.search(said)
        if rate is None or failed is not None:
            raise AssertionError(f"{target.origin}{target.paths[0]}: {said}")
        if not float(rate[1]):
            raise AssertionError(f"{target.origin}{target.paths[0]}: no answer within {seconds:g} s")
        return float(rate[1])

    return turn


@asynccontextmanager
async def running(command: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> AsyncIterator[str]:
    """A server, until the end; yields the first line that it prints."""
    server = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, env=dict(env), stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    try:
        assert server.stdout is not None
        async with asyncio.timeout(START_SECONDS):
            line = (await server.stdout.readline()).decode().strip()
        if not line:
            raise AssertionError(f"{command[0]} did not start")
        yield line
    finally:
        with suppress(ProcessLookupError):  # with the workers that it may have
            os.killpg(server.pid, signal.SIGKILL)
        await server.wait()
