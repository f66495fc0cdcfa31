"""What follows from an attempt that did not go well, and what is on record of it: all of it pure."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any

import pytest

from assigntask.errors import HostError
from assigntask.events import deliveries
from assigntask.hooks.attempts import Attempt, Seen
from assigntask.hooks.errors import CallFailed
from assigntask.hooks.outcomes import (
    PATIENCE,
    Again,
    Dead,
    Disable,
    Outcome,
    Tried,
    after_failure,
    retry_after,
    sending,
    wait,
)
from assigntask_sdk.errors import Conflict, Superseded, TryLater

NOW = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
LONG = NOW - PATIENCE
SECOND = dt.timedelta(seconds=1)
HOUR = dt.timedelta(hours=1)


def failed(code: Any = "hook_raised") -> CallFailed:
    error = CallFailed(code, "a", "h", "no")
    if code == "breaker_open":
        error.facts["until"] = (NOW + 30 * SECOND).isoformat()
    return error


def tried(attempts: int = 1, **facts: Any) -> Tried:
    return Tried("d", attempts, facts.pop("happened_at", NOW), NOW, **facts)


def later(attempts: int, *, failing: bool = True) -> Again:
    pause = wait("d", attempts)
    assert pause is not None
    return Again(NOW + pause, counts=True, failing=failing)


def status(number: int, after: dt.timedelta | None = None) -> Seen:
    return Seen("unknown" if number >= 500 else "refused", number, after)


BUSY = TryLater(after=90)
OUTCOMES: dict[str, tuple[Exception, Tried, Outcome]] = {
    "raised": (failed(), tried(), later(1)),
    "the ninth time": (failed(), tried(9), later(9)),
    "the tenth time": (failed(), tried(10), Dead(failing=True)),
    "conflict": (Conflict("first"), tried(), later(1, failing=False)),
    "conflict to the end": (Conflict("first"), tried(10), Dead()),
    "superseded": (Superseded("by another"), tried(), later(1, failing=False)),
    "later": (TryLater(after=90), tried(), Again(NOW + 90 * SECOND, counts=True)),
    "much later": (TryLater(after=1e9), tried(), Again(NOW + 24 * HOUR, counts=True)),
    "before": (TryLater(after=-5), tried(), Again(NOW + SECOND, counts=True)),
    "at no time": (TryLater(after=float("nan")), tried(), Again(NOW + SECOND, counts=True)),
    "later, in words": (TryLater(after="soon"), tried(2), later(2, failing=False)),  # type: ignore[arg-type]
    "later, in a list": (TryLater(after=[]), tried(2), later(2, failing=False)),  # type: ignore[arg-type]
    "later, beyond floats": (TryLater(after=10**400), tried(2), later(2, failing=False)),
    "later, endlessly": (TryLater(after=float("inf")), tried(), Again(NOW + 24 * HOUR, counts=True)),
    "later, who knows when": (TryLater(), tried(2), later(2, failing=False)),
    "busy": (BUSY, tried(seen=status(503, 40 * SECOND)), Again(NOW + 40 * SECOND, counts=True, failing=True)),
    "busy to the end": (BUSY, tried(10, seen=status(429, SECOND)), Dead(failing=True)),
    "redirected": (failed(), tried(seen=status(307)), later(1)),
    "gone": (failed(), tried(seen=status(410)), Disable("gone")),
    "gone when leaving": (failed(), tried(seen=status(410), active=False), Dead(failing=True)),
    "failing for long": (failed(), tried(3, failing_since=LONG), Disable("failing")),
    "failing not so long": (failed(), tried(3, failing_since=LONG + SECOND), later(3)),
    "failing for long when leaving": (failed(), tried(3, failing_since=LONG, active=False), later(3)),
    "not connected for long": (failed("app_not_connected"), tried(3, failing_since=LONG), Disable("failing")),
    "saying later for long": (TryLater(), tried(3, failing_since=LONG), later(3, failing=False)),
    "the host's fault for long": (failed("host_error"), tried(3, failing_since=LONG), later(3, failing=False)),
    "the host's own error": (ValueError("no"), tried(2, failing_since=LONG), later(2, failing=False)),
    "its breaker is open": (failed("breaker_open"), tried(10), Again(NOW + 30 * SECOND, counts=False)),
    "held up": (failed("hook_held_up"), tried(10), Again(NOW + 5 * SECOND, counts=False)),
    "switched off meanwhile": (HostError("installation_inactive", "no"), tried(), Again(NOW + 5 * SECOND, False)),
    "no address": (failed("host_without_address"), tried(), Again(NOW + 5 * SECOND, counts=False)),
    "away": (failed("app_offline"), tried(50), Again(NOW + 5 * SECOND, counts=False)),
    "away for an hour": (failed("app_offline"), tried(happened_at=NOW - HOUR), Again(NOW + HOUR / 10, counts=False)),
    "away for a month": (
        failed("app_offline"),
        tried(happened_at=NOW - 700 * HOUR, failing_since=LONG),
        Again(NOW + dt.timedelta(minutes=10), counts=False),
    ),
}


@pytest.mark.parametrize("name", OUTCOMES)
def test_what_follows_from_a_failure(name: str) -> None:
    error, facts, expected = OUTCOMES[name]
    assert after_failure(error, facts) == expected


def test_attempts_are_spread_by_a_tenth_and_the_same_each_time_they_are_planned() -> None:
    for attempts in range(1, 10):
        planned = deliveries.schedule(attempts)
        assert planned is not None
        waits = [wait(f"delivery {number}", attempts) for number in range(100)]
        shares = [each / planned for each in waits if each is not None]
        assert len(shares) == 100
        assert 0.9 <= min(shares) < 0.95 and 1.05 < max(shares) <= 1.1
        assert waits == [wait(f"delivery {number}", attempts) for number in range(100)]
    assert wait("d", 10) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        (" 7 ", 7),
        ("0", 1),
        ("99999999999999999999999999999999", 86400),
        ("Mon, 02 Mar 2026 09:05:00 GMT", 300),
        ("Mon, 02 Mar 2026 08:00:00 GMT", 1),
        ("Fri, 31 Dec 2038 23:59:59 GMT", 86400),
        ("Mon, 02 Mar 2026 10:05:00 +0100", 300),
        ("Mon, 02 Mar 2026 09:05:00", 300),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("", None),
        (None, None),
        ("Mon, 99 Mar 2026 09:05:00 GMT", None),
        ("\N{ARABIC-INDIC DIGIT FIVE}", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_bounded(text: str | None, seconds: int | None) -> None:
    found = retry_after(text, NOW)
    assert (None if found is None else found.total_seconds()) == seconds


def attempt(seen: Seen | None = None, *, released: bool = True) -> Attempt:
    return Attempt("d", 1, NOW, released, seen)


SENDINGS: dict[str, tuple[BaseException | None, Attempt, bool, str | None]] = {
    "answered here": (None, attempt(), False, "sent"),
    "answered there": (None, attempt(Seen("sent", 200)), True, "sent"),
    "nothing was released": (failed("app_offline"), attempt(released=False), True, None),
    "raised here": (failed(), attempt(), False, "sent"),
    "not now": (Conflict("no"), attempt(), False, "sent"),
    "too late here": (failed("hook_timeout"), attempt(), False, "unknown"),
    "blocked": (failed("hook_blocked"), attempt(), False, "unknown"),
    "held up": (failed("hook_held_up"), attempt(), False, "unknown"),
    "left alone in between": (failed("breaker_open"), attempt(), False, "refused"),
    "it went away in between": (failed("app_offline"), attempt(), True, "refused"),
    "larger than is carried": (failed("host_error"), attempt(), True, "refused"),
    "too late there": (failed("hook_timeout"), attempt(Seen("unknown")), True, "unknown"),
    "refused there": (failed(), attempt(Seen("refused", 404)), True, "refused"),
    "the host stops, here": (asyncio.CancelledError(), attempt(), False, "unknown"),
    "the host stops, there": (asyncio.CancelledError(), attempt(Seen("unknown")), True, "unknown"),
}


@pytest.mark.parametrize("name", SENDINGS)
def test_whether_the_app_has_it(name: str) -> None:
    error, made, remote, expected = SENDINGS[name]
    assert sending(error, made, remote=remote) == expected
