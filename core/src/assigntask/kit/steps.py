"""Killing an app's hook at one of its steps: right before something that it changes, or right after it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


class Killed(BaseException):
    """What a call meets that is killed, there and at whatever it does on its ctx from then on. No app expects it."""


class Steps:
    """Counts the steps of all calls, and kills the call that comes to `kill_at` (from 1); None: nobody."""

    def __init__(self, kill_at: int | None = None) -> None:
        self.passed = 0
        self.killed: str | None = None
        self._kill_at = kill_at

    def begin(self) -> Life:
        return Life(self)

    def step(self, name: str) -> bool:
        """Whether the call is to end here."""
        self.passed += 1
        if self.passed != self._kill_at:
            return False
        self.killed = name
        return True


class Life:
    """Of one call. A killed one stays dead: what an app does in `except` and `finally` comes to nothing either."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._dead = False

    def check(self) -> None:
        """Raises Killed."""
        if self._dead:
            raise Killed

    async def effect(self, name: str, act: Callable[[], Awaitable[T]]) -> T:
        """Two steps with an effect between them. Raises Killed, and what `act` raises."""
        self._step(f"before {name}")
        value = await act()
        self._step(f"after {name}")
        return value

    def _step(self, name: str) -> None:
        self.check()
        if self._steps.step(name):
            self._dead = True
            raise Killed
