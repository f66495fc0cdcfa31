"""The disk that the benches write to: it has to be one, and how fast it flushes belongs to every figure."""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FLUSHES = 100
IN_MEMORY = frozenset({"tmpfs", "ramfs", "devtmpfs"})
TOO_FAST = 20e-6
"""Seconds. No disk flushes faster; what does has not flushed."""


class NotADisk(Exception):
    """Figures measured there would say nothing."""


@contextmanager
def folder_on_disk() -> Iterator[Path]:
    """A folder of its own, gone afterwards; says on stderr how long a flush takes there. Raises NotADisk."""
    folder = Path(tempfile.mkdtemp(prefix="assigntask-bench-"))
    try:
        kind = _file_system(folder)
        if kind in IN_MEMORY:
            raise NotADisk(
                f"{folder.parent} is kept in memory ({kind}), where flushing costs nothing: "
                "set TMPDIR to a folder on a disk."
            )
        times = _flush_times(folder / "flushed")
        middle, slow = statistics.median(times), statistics.quantiles(times, n=20)[-1]
        print(
            f"disk: {kind or 'unknown'}, write + fsync of 4 KiB: median {middle * 1e6:.0f} µs, "
            f"95 % within {slow * 1e6:.0f} µs",
            file=sys.stderr,
        )
        if middle < TOO_FAST:
            print("warning: no disk flushes so fast; this one answers before the data is safe", file=sys.stderr)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _flush_times(path: Path) -> list[float]:
    block, times = os.urandom(4096), []
    with path.open("wb", buffering=0) as file:
        for _ in range(FLUSHES):
            begun = time.perf_counter()
            file.write(block)
            os.fsync(file.fileno())
            times.append(time.perf_counter() - begun)
    return times


def _file_system(folder: Path) -> str | None:
    """The kind of file system, from the longest mount point above the folder; None where nobody says."""
    table = Path("/proc/self/mountinfo")
    if not table.is_file():
        return None
    here = folder.resolve()
    found: tuple[int, str | None] = (-1, None)
    for line in table.read_text("utf-8", errors="replace").splitlines():
        before, _, after = line.partition(" - ")
        mounted = Path(before.split()[4].replace("\\040", " "))
        if here.is_relative_to(mounted) and len(mounted.parts) >= found[0]:
            found = (len(mounted.parts), after.split()[0])
    return found[1]
