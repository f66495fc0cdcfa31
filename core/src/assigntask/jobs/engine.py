"""What runs in the background, whichever way: named wake-ups, of which each can be missed or repeated.

The truth is in our own tables. A wake-up looks what is due and does that; an engine only sees to it that it is called.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

DRAIN, SEAL, SCHEDULE, SWEEP = "drain", "seal", "schedule", "sweep"

Line = tuple[str, str]
"""Organisation and installation: whose deliveries are told, one at a time."""

STOP_WITHIN = 10.0
"""Seconds in which what runs may finish, once an engine is to stop; then it is cancelled."""


@dataclass(frozen=True, slots=True)
class Wakeup:
    """`run` is safe to repeat: it looks what is due and does that. `every` in seconds."""

    name: str
    every: float
    run: Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Due:
    """Lines that any process may drain, and lines that only this one can: their apps dialled in to it."""

    anybody: Sequence[Line] = ()
    here: Sequence[Line] = ()


class Engine(Protocol):
    async def start(self) -> None:
        """What was due before a restart is due now. Twice is allowed."""
        ...

    def wake(self, name: str, lines: Collection[Line] = ()) -> None:
        """Has it run soon, once, however often it was asked. To be called in the event loop; before the start it is
        lost.

        `lines`: where something new waits, as far as the caller knows, to save a search; else all are looked at.
        """
        ...

    async def stop(self) -> None:
        """Starts nothing more, and lets what runs finish or gives it back. Twice is allowed."""
        ...
