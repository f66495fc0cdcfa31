"""What follows from an attempt at a delivery that did not go well. Pure: nothing is read or written here.

The table is read from above:

    what came back                                   what follows
    ───────────────────────────────────────────────  ─────────────────────────────────────────────────────────
    nothing: its breaker is open, it is away …       again, and it was no attempt
    410 Gone                                         the installation is disabled; a farewell is given up
    429 or 503 with Retry-After, TryLater(after=…)   again after that, 24 hours at most
    anything else                                    again after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h
    the same after the last of these                 given up
    the app has failed for five days                 the installation is disabled
"""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Literal, TypeAlias

from assigntask.events import deliveries
from assigntask_sdk.errors import AppError, TryLater

from .attempts import Attempt, Seen, Sending
from .errors import CallFailed

SOON = dt.timedelta(seconds=5)
AWAY = dt.timedelta(minutes=10)
"""How rarely, in the end, to look for an app that dials in; when it does, its line is woken."""
SHORTEST, LATEST = dt.timedelta(seconds=1), dt.timedelta(hours=24)
"""Between these an app may ask to be left alone."""
PATIENCE = dt.timedelta(days=5)
JITTER = 0.1
BUSY = (429, 503)
GONE = 410

_NOT_ITS_FAULT = frozenset({"hook_held_up", "host_error"})
_NEVER_CALLED = frozenset(
    {"breaker_open", "app_broken", "app_upgrading", "app_offline", "app_not_connected", "host_without_address"}
)
_NO_ANSWER = frozenset({"hook_timeout", "hook_blocked", "hook_held_up"})
_SECONDS = re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True)
class Tried:
    """`attempts` counts this one. Moments are aware: when it happened, now, and since when the app has been failing.

    `active`: whether the installation is; one that is leaving can't be disabled any more.
    """

    delivery_id: str
    attempts: int
    happened_at: dt.datetime
    now: dt.datetime
    failing_since: dt.datetime | None = None
    active: bool = True
    seen: Seen | None = None


@dataclass(frozen=True, slots=True)
class Again:
    """Try again at this moment; `counts` says whether it was an attempt, `failing` whether it shows the app failing."""

    at: dt.datetime
    counts: bool
    failing: bool = False


@dataclass(frozen=True, slots=True)
class Dead:
    """It is given up."""

    failing: bool = False


@dataclass(frozen=True, slots=True)
class Disable:
    """The installation is disabled. What was tried waits with the rest, until an admin enables it."""

    why: Literal["gone", "failing"]


Outcome: TypeAlias = Again | Dead | Disable


def after_failure(error: Exception, tried: Tried) -> Outcome:
    put_off = _put_off(error, tried)
    if put_off is not None:
        return Again(put_off, counts=False)
    if tried.seen is not None and tried.seen.status == GONE:
        return Disable("gone") if tried.active else Dead(failing=True)
    failing = shows_failing(error, tried.seen)
    if failing and tried.active and tried.failing_since is not None and tried.now - tried.failing_since >= PATIENCE:
        return Disable("failing")
    pause = wait(tried.delivery_id, tried.attempts)
    if pause is None:
        return Dead(failing)
    return Again(tried.now + (asked_for(error, tried.seen) or pause), counts=True, failing=failing)


def wait(delivery_id: str, attempts: int) -> dt.timedelta | None:
    """How long to wait after so many attempts: the schedule, 10 % more or less. None: give up.

    The same for the same attempt, and spread over different deliveries.
    """
    planned = deliveries.schedule(attempts)
    if planned is None:
        return None
    drawn = hashlib.sha256(f"{delivery_id} {attempts}".encode()).digest()
    share = int.from_bytes(drawn[:8], "big") / (1 << 64)
    return planned * (1 + JITTER * (2 * share - 1))


def asked_for(error: Exception, seen: Seen | None) -> dt.timedelta | None:
    """How long the app asks to be left alone. What it wrote may be no number at all."""
    if seen is not None and seen.retry_after is not None:
        return seen.retry_after
    if not isinstance(error, TryLater):
        return None
    try:
        after = error.after
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return None if after is None else _bounded(after)


def retry_after(text: str | None, now: dt.datetime) -> dt.timedelta | None:
    """Of the header Retry-After (RFC 9110, section 10.2.3): seconds or a date. None where it is neither."""
    given = (text or "").strip()
    if _SECONDS.fullmatch(given):
        return _bounded(int(given[:12]))
    try:
        at = parsedate_to_datetime(given)
    except ValueError:
        return None
    return _bounded(((at if at.tzinfo else at.replace(tzinfo=dt.UTC)) - now).total_seconds())


def shows_failing(error: Exception, seen: Seen | None) -> bool:
    """Whether the app can't be told at the moment, and neither the host nor the app's own "not now" is the reason."""
    if isinstance(error, CallFailed):
        return error.code not in _NOT_ITS_FAULT
    return isinstance(error, AppError) and seen is not None and seen.sending != "sent"


def sending(error: BaseException | None, attempt: Attempt, *, remote: bool) -> Sending | None:
    """Whether the app has what was released for it; None: nothing was."""
    if not attempt.released:
        return None
    if attempt.seen is not None:
        return attempt.seen.sending
    if isinstance(error, asyncio.CancelledError):
        return "unknown"
    code = error.code if isinstance(error, CallFailed) else ""
    if code in _NEVER_CALLED or (remote and error is not None):
        return "refused"
    return "unknown" if code in _NO_ANSWER else "sent"


def of_status(status: int) -> Sending:
    """What a status of HTTP says: who answers 5xx may have acted before it failed."""
    if 200 <= status < 300:
        return "sent"
    return "unknown" if status >= 500 else "refused"


def _put_off(error: Exception, tried: Tried) -> dt.datetime | None:
    """When to try again what could not be tried. None: it was an attempt."""
    code = error.code if isinstance(error, AppError) else ""
    if code == "breaker_open" and isinstance(error, AppError):
        return dt.datetime.fromisoformat(error.facts["until"])
    if code in ("hook_held_up", "installation_inactive", "host_without_address"):
        return tried.now + SOON
    if code == "app_offline":
        # Soon at first: another process of the host, such as a command, is never the one that it dialled in to.
        return tried.now + min(max((tried.now - tried.happened_at) / 10, SOON), AWAY)
    return None


def _bounded(seconds: float) -> dt.timedelta:
    return dt.timedelta(seconds=max(SHORTEST.total_seconds(), min(seconds, LATEST.total_seconds())))
