"""When a hook of an installation is left alone: decided here, kept in `breakers.py`.

    closed ──5 failures in a row, or one that blocked──▶ open ──after the pause──▶ half-open
       ▲                                                  ▲                           │
       └──────────────── success ─────────────────────────┼───────────────────────────┤
                                                          └───────── failure ─────────┘

The pause is 30 s and doubles with every further failure, up to 10 minutes. Half-open lets one call
through; if that call's process died, another may try after STALE.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import Literal

FAILURES = 5
PAUSE = dt.timedelta(seconds=30)
LONGEST = dt.timedelta(minutes=10)
STALE = dt.timedelta(minutes=2)

BreakerState = Literal["closed", "open", "half-open"]


@dataclass(frozen=True, slots=True)
class Breaker:
    """`failures` in a row, `total` ever. Moments are aware, in UTC."""

    state: BreakerState = "closed"
    failures: int = 0
    total: int = 0
    last_error: str | None = None
    opened_at: dt.datetime | None = None
    changed_at: dt.datetime | None = None


def pause(failures: int) -> dt.timedelta:
    """How long to leave the hook alone after so many failures in a row."""
    doublings = min(max(failures - FAILURES, 0), 10)
    return min(PAUSE * (1 << doublings), LONGEST)


def retry_at(breaker: Breaker) -> dt.datetime | None:
    """From when on a call may be tried; None: at once."""
    if breaker.state == "open" and breaker.opened_at is not None:
        return breaker.opened_at + pause(breaker.failures)
    if breaker.state == "half-open" and breaker.changed_at is not None:
        return breaker.changed_at + STALE
    return None


def may_call(breaker: Breaker, now: dt.datetime) -> bool:
    at = retry_at(breaker)
    return at is None or now >= at


def tried(breaker: Breaker, now: dt.datetime) -> Breaker:
    """The breaker as a call is let through; unchanged while closed."""
    if breaker.state == "closed":
        return breaker
    return replace(breaker, state="half-open", changed_at=now)


def succeeded(breaker: Breaker, now: dt.datetime) -> Breaker:
    if breaker.state == "closed" and breaker.failures == 0:
        return breaker
    return replace(breaker, state="closed", failures=0, opened_at=None, changed_at=now)


def failed(breaker: Breaker, now: dt.datetime, error: str, *, at_once: bool = False) -> Breaker:
    """`at_once` opens it with this one failure."""
    failures = max(breaker.failures + 1, FAILURES if at_once else 0)
    opens = failures >= FAILURES
    return Breaker(
        state="open" if opens else "closed",
        failures=failures,
        total=breaker.total + 1,
        last_error=error[:200],
        opened_at=now if opens else None,
        changed_at=now,
    )
