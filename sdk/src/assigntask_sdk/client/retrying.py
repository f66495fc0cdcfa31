"""When a call is tried again, and after how long. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Literal, TypeAlias

Broken: TypeAlias = Literal["unsent", "unanswered"]
"""How a call failed without an answer: "unsent", it never reached the host; "unanswered", it may have."""

FIRST = 0.25  # seconds before the second try; each further one waits twice as long
_AGAIN = frozenset({429, 502, 503, 504})
_REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE"})


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a call is tried (`tries`), and how long all its waits together may take (`seconds`).

    `sleep` waits; another one is given by tests, and by loops that stop early.
    """

    tries: int = 4
    seconds: float = 60.0
    sleep: Callable[[float], Awaitable[None]] | None = None


def retry(
    attempt: int,
    method: str,
    *,
    idempotent: bool,
    failure: int | Broken,
    now: dt.datetime,
    retry_after: str | None = None,
    waited: float = 0.0,
    jitter: float = 1.0,
    patience: Patience = Patience(),
) -> float | None:
    """Seconds to wait before the next try, or None to give up.

    `attempt`: how many tries were made. `idempotent`: doing it twice does no harm; GET, PUT and DELETE are so anyway.
    `failure`: the status of the answer, or how there was none. `retry_after`: the header of that name. `waited`:
    seconds waited so far. `jitter`: from 0 to 1, chosen at random, so that many clients don't come back at once.
    """
    asked = seconds_of(retry_after, now)
    still_running = failure == 409 and asked is not None  # the try before was cut off, and is not done yet
    may_repeat = _may_repeat(method, idempotent, 503 if still_running else failure)
    if attempt >= patience.tries or not may_repeat:
        return None
    backing_off = FIRST * 2 ** (attempt - 1)
    wait = backing_off * (0.5 + jitter / 2)
    if asked is not None:
        wait = asked + backing_off * jitter / 2
    return wait if waited + wait <= patience.seconds else None


def seconds_of(retry_after: str | None, now: dt.datetime) -> float | None:
    """What Retry-After means (RFC 9110, 10.2.3: seconds or a date); None where it is absent or means nothing."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=dt.UTC)
    return max(0.0, (until - now).total_seconds())


def _may_repeat(method: str, idempotent: bool, failure: int | Broken) -> bool:
    if failure in ("unsent", 429):  # the host did nothing
        return True
    return (idempotent or method in _REPEATABLE) and (failure == "unanswered" or failure in _AGAIN)
