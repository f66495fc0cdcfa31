"""The clock of a host under test."""

from __future__ import annotations

import datetime as dt

START = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)
"""A Monday: the same for every test, so that none depends on the day on which it runs."""


class StandingClock:
    """Stands still until it is moved."""

    def __init__(self, start: dt.datetime = START) -> None:
        """`start` must be aware."""
        if start.tzinfo is None:
            raise ValueError("start: a moment needs a time zone, for example 2026-03-02T09:00:00Z")
        self._now = start.astimezone(dt.UTC)

    def now(self) -> dt.datetime:
        return self._now

    def advance(self, by: dt.timedelta) -> None:
        """Raises ValueError for a step back."""
        if by < dt.timedelta(0):
            raise ValueError(f"the clock never goes back, and {by} is before now")
        self._now += by
