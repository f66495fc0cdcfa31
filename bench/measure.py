"""Measuring two or more things side by side: rounds in which each has its turn, and the median of each."""

from __future__ import annotations

import gc
import json
import random
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

Turn = Callable[[], Awaitable[float]]
"""One turn of one side, and what it measured: seconds per operation, or operations per second."""
Repeat = Callable[[int], Awaitable[None]]
"""Does the operation so many times."""

LEAST_ROUNDS = 5
COLLECT_EVERY = 0.25


@dataclass(frozen=True, slots=True)
class Measure:
    """`ours` and `peer` are medians in `unit`; `ratio` is ours / peer; `better` says which way it should go."""

    measure: str
    ours: float
    peer: float
    ratio: float
    unit: Literal["µs", "/s"]
    better: Literal["lower", "higher"]


def compared(measure: str, ours: Sequence[float], peer: Sequence[float], *, rate: bool = False) -> Measure:
    """Of seconds per operation, or, as a `rate`, of operations per second."""
    mine, theirs = statistics.median(ours), statistics.median(peer)
    scale = 1.0 if rate else 1e6
    ratio = round(mine / theirs, 3)
    values = round(mine * scale, 2), round(theirs * scale, 2)
    if rate:
        return Measure(measure, *values, ratio, "/s", "higher")
    return Measure(measure, *values, ratio, "µs", "lower")


def tell(found: Measure, ours: Sequence[float], peer: Sequence[float]) -> None:
    """The measure as one line of JSON; beside it, for whoever looks on, how far the rounds lay apart."""
    print(json.dumps(asdict(found), ensure_ascii=False), flush=True)
    spread = ", ".join(f"{name} ± {_spread(values):.0%}" for name, values in (("ours", ours), ("peer", peer)))
    print(f"  {found.measure}: {found.ratio:g} ({len(ours)} rounds, {spread})", file=sys.stderr, flush=True)


async def timed(repeat: Repeat, *, slice_seconds: float) -> Turn:
    """A turn that repeats the operation for about `slice_seconds`. Warms it up, too."""
    count = 1
    while count < 1_000_000:
        quickest = min([await _seconds(repeat, count) for _ in range(3)])  # another process may have had the core
        if quickest >= slice_seconds:
            break
        count *= 2

    async def turn() -> float:
        return await _seconds(repeat, count) / count

    return turn


async def once_each(repeats: Mapping[str, Repeat], *, warm: int) -> dict[str, Turn]:
    """Turns of one operation each: for what takes milliseconds on a disk that is quick now and slow a second later."""

    def turn_of(repeat: Repeat) -> Turn:
        async def turn() -> float:
            return await _seconds(repeat, 1)

        return turn

    for repeat in repeats.values():
        await repeat(warm)
    return {name: turn_of(repeat) for name, repeat in repeats.items()}


async def interleaved(sides: Mapping[str, Turn], *, seconds: float) -> dict[str, list[float]]:
    """Round after round for about so long. The order is drawn anew for each, so that none always follows another."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    order, names = random.Random(1), list(sides)
    gc.collect()
    gc.freeze()  # what was set up is not looked through again in every collection
    begun = cleaned = time.perf_counter()
    rounds = 0
    while rounds < LEAST_ROUNDS or time.perf_counter() < begun + seconds:
        if time.perf_counter() > cleaned + COLLECT_EVERY:
            gc.collect()
            cleaned = time.perf_counter()
        order.shuffle(names)
        for name in names:
            found[name].append(await sides[name]())
        rounds += 1
    gc.unfreeze()
    return found


async def _seconds(repeat: Repeat, count: int) -> float:
    begun = time.perf_counter()
    await repeat(count)
    return time.perf_counter() - begun


def _spread(values: Sequence[float]) -> float:
    """Half the distance between the quartiles, of the median."""
    low, middle, high = statistics.quantiles(values, n=4)
    return (high - low) / 2 / middle
