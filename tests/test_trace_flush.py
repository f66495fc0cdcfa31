"""The flush of the ledger's entry comes before the first byte that an app gets: seen from outside, by strace.

Killing a process proves nothing about a power cut, because the kernel outlives the process. What a disk was told to
keep, and when, only the system calls say.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

HERE = Path(__file__).parent
CALLS = "fsync,fdatasync,write,pwrite64,pwritev,openat"
STRACE = ["strace", "-f", "-ttt", "-T", "-y", "-s", "65536", "-e", f"trace={CALLS}"]
ATTACHED_WITHIN = 60.0
FLUSHES = ("fsync", "fdatasync")
WRITES = ("write", "pwrite64", "pwritev")

pytestmark = pytest.mark.timeout(300)


@dataclass(frozen=True, slots=True)
class Call:
    """One system call: from `start` to `end` (seconds), on the file `path`, with all of its arguments as text."""

    name: str
    start: float
    end: float
    path: str
    text: str


LINE = re.compile(r"(\d+) +(\d+\.\d+) (.*)")
WHOLE = re.compile(r"(\w+)\((.*)\) += .*<(\d+\.\d+)>", re.DOTALL)
BEGUN = re.compile(r"(\w+)\((.*) <unfinished \.\.\.>", re.DOTALL)
ENDED = re.compile(r"<\.\.\. (\w+) resumed>")
PATH = re.compile(r"(?:AT_FDCWD|\d+)<([^>]*)>")


def parse(trace: str) -> list[Call]:
    """What `strace -f -ttt -T -y -o` wrote. Calls that never ended are left out."""
    calls: list[Call] = []
    begun: dict[str, tuple[str, float, str]] = {}
    for line in trace.splitlines():
        if (read := LINE.fullmatch(line)) is None:
            continue
        process, at, rest = read[1], float(read[2]), read[3]
        if whole := WHOLE.fullmatch(rest):
            calls.append(_call(whole[1], at, at + float(whole[3]), whole[2]))
        elif start := BEGUN.fullmatch(rest):
            begun[process] = (start[1], at, start[2])
        elif ENDED.match(rest) and process in begun:
            name, since, text = begun.pop(process)
            calls.append(_call(name, since, at, text))
    return sorted(calls, key=lambda call: call.start)


def _call(name: str, start: float, end: float, text: str) -> Call:
    path = PATH.match(text)
    return Call(name, start, end, path[1] if path else "", text)


def flush_of(calls: Sequence[Call], log: str, entry: str) -> Call:
    """The first flush of the database's log, `log` being part of its path, after `entry` was wholly written there.

    Raises LookupError where the entry was never written, or never flushed.
    """
    written = [call for call in calls if call.name in WRITES and log in call.path and entry in call.text]
    if not written:
        raise LookupError(f"{entry} was not written to {log}")
    first = written[0]
    for call in calls:
        if call.name in FLUSHES and call.path == first.path and call.start >= first.end:
            return call
    raise LookupError(f"{entry} was written to {log} and not flushed")


def first_bytes(calls: Sequence[Call]) -> list[Call]:
    """The app's first system call in each question that it was asked."""
    return [call for call in calls if call.name == "write" and "witness" in call.path and "task_badges" in call.text]


# The reading of a trace


TRACE = """\
7 100.000100 openat(AT_FDCWD</here>, "/here/host.db-wal", O_RDWR) = 3</here/host.db-wal> <0.000010>
7 100.000200 pwrite64(3</here/host.db-wal>, "an entry-1 in it", 16, 0 <unfinished ...>
8 100.000210 fdatasync(3</here/host.db-wal>) = 0 <0.000020>
7 100.000300 <... pwrite64 resumed>)   = 16 <0.000100>
7 100.000400 fdatasync(3</here/host.db-wal>) = 0 <0.000500>
9 100.000500 write(4</here/witness.jsonl>, "early task_badges", 17) = 17 <0.000010>
9 100.001000 write(4</here/witness.jsonl>, "late task_badges", 16) = 16 <0.000010>
9 100.002000 write(4</here/other>, "task_badges", 11) = 11 <0.000010>
7 100.003000 pwrite64(3</here/host.db-wal>, "entry-2", 7, 16) = 7 <0.000100>
7 100.003050 fdatasync(3</here/host.db-wal>) = 0 <0.000010>
7 100.004000 +++ killed by SIGKILL +++
"""


def test_a_flush_counts_only_when_it_began_after_the_entry_was_written() -> None:
    calls = parse(TRACE)
    flush = flush_of(calls, ".db-wal", "entry-1")
    assert (flush.start, round(flush.end, 6)) == (100.0004, 100.0009)
    with pytest.raises(LookupError, match="not flushed"):
        flush_of(calls, ".db-wal", "entry-2")
    with pytest.raises(LookupError, match="not written"):
        flush_of(calls, ".db-wal", "entry-3")


def test_a_byte_that_left_before_the_flush_had_ended_is_told_apart() -> None:
    calls = parse(TRACE)
    flush = flush_of(calls, ".db-wal", "entry-1")
    assert [flush.end < call.start for call in first_bytes(calls)] == [False, True]


# The trace of a host


def why_not() -> str | None:
    """Why system calls can't be watched here."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, text=True, check=False)
    return None if tried.returncode == 0 else f"tracing is not allowed here: {tried.stderr.strip()[-200:]}"


@pytest.fixture
def watching() -> None:
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)


def release_twice(database: str, folder: Path) -> tuple[list[str], list[Call]]:
    """The entries, in order, and what the host called."""
    trace = folder / "host.trace"
    host = [sys.executable, "-m", "kill", "flush", "--database", database, "--folder", str(folder)]
    done = subprocess.run(
        [*STRACE, "-o", str(trace), *host],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said["entries"], parse(trace.read_text("utf-8"))


def in_order(entries: Sequence[str], told: Sequence[Call], calls: Sequence[Call], log: str) -> None:
    assert len(entries) == len(told) == 2
    flushes = [flush_of(calls, log, entry) for entry in entries]
    assert [flush.end < byte.start for flush, byte in zip(flushes, told, strict=True)] == [True, True]
    assert not flushes[1].end < told[0].start, "a flush that comes too late has to look so"


def test_sqlite_flushes_the_entry_before_the_app_gets_a_byte(watching: None, sqlite_url: str, tmp_path: Path) -> None:
    entries, calls = release_twice(sqlite_url, tmp_path)
    told = first_bytes(calls)
    in_order(entries, told, calls, ".db-wal")
    for byte in told:  # the transaction's last frame too: nothing waits in the log without a flush
        before = [call for call in calls if ".db-wal" in call.path and call.end <= byte.start]
        assert before[-1].name in FLUSHES


def test_postgresql_flushes_the_entry_before_the_app_gets_a_byte(
    watching: None, postgresql_url: str, tmp_path: Path
) -> None:
    with psycopg.connect(postgresql_url) as conn:
        row = conn.execute("SELECT current_setting('data_directory')").fetchone()
    assert row is not None
    trace = tmp_path / "server.trace"
    with watched(server_processes(Path(row[0])), trace):
        entries, host = release_twice(postgresql_url, tmp_path)
    in_order(entries, first_bytes(host), parse(trace.read_text("utf-8", errors="replace")), "/pg_wal/")


def server_processes(data: Path) -> list[int]:
    """The server's first process and those that it has started so far."""
    first = int((data / "postmaster.pid").read_text().splitlines()[0])
    children = [int(child) for task in Path(f"/proc/{first}/task").iterdir() for child in _children(task)]
    return [first, *children]


def _children(task: Path) -> list[str]:
    try:
        return (task / "children").read_text().split()
    except OSError:
        return []


@contextmanager
def watched(processes: Sequence[int], trace: Path) -> Iterator[None]:
    """Those processes, and all that they start, are traced meanwhile. Skips the test where that is not allowed."""
    heard = trace.with_suffix(".err")
    chosen = [option for process in processes for option in ("-p", str(process))]
    with heard.open("wb") as errors, subprocess.Popen([*STRACE, "-o", str(trace), *chosen], stderr=errors) as strace:
        try:
            _await_attached(strace, heard, len(processes))
            yield
        finally:
            strace.send_signal(signal.SIGINT)  # it lets go of them and they go on
            strace.wait(timeout=60)


def _await_attached(strace: subprocess.Popen[bytes], heard: Path, count: int) -> None:
    until = time.monotonic() + ATTACHED_WITHIN
    while True:
        said = heard.read_text("utf-8", errors="replace")
        if "Operation not permitted" in said or strace.poll() is not None:
            pytest.skip(f"the server can't be traced here: {said.strip()[-200:]}")
        if said.count(" attached") + said.count("No such process") >= count:  # some end in between
            return
        if time.monotonic() > until:
            raise TimeoutError(f"strace does not attach: {said[-400:]}")
        time.sleep(0.02)  # another program's start: nothing here can be awaited
