"""The breaker's rules, without a database."""

from __future__ import annotations

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from assigntask.hooks import breaker as rules
from assigntask.hooks.breaker import Breaker

NOW = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)


def failing(times: int, breaker: Breaker = Breaker()) -> Breaker:  # noqa: B008 - it is frozen
    for _ in range(times):
        breaker = rules.failed(breaker, NOW, "RuntimeError: no")
    return breaker


def test_five_failures_in_a_row_open_it() -> None:
    assert failing(4).state == "closed"
    assert failing(5).state == "open"
    assert not rules.may_call(failing(5), NOW)


def test_a_success_starts_the_count_anew_and_keeps_the_total() -> None:
    healed = rules.succeeded(failing(4), NOW)
    assert (healed.failures, healed.total, healed.state) == (0, 4, "closed")
    assert failing(4, healed).state == "closed"


def test_a_call_that_blocked_opens_it_at_once() -> None:
    assert rules.failed(Breaker(), NOW, "hook_blocked", at_once=True).state == "open"


def test_after_the_pause_one_call_is_let_through() -> None:
    opened = failing(5)
    later = NOW + rules.PAUSE
    assert not rules.may_call(opened, later - dt.timedelta(microseconds=1))
    assert rules.may_call(opened, later)
    trying = rules.tried(opened, later)
    assert trying.state == "half-open"
    assert not rules.may_call(trying, later)


def test_a_try_whose_process_died_is_followed_by_another() -> None:
    trying = rules.tried(failing(5), NOW + rules.PAUSE)
    assert rules.may_call(trying, NOW + rules.PAUSE + rules.STALE)


def test_the_pause_doubles_with_each_failed_try_up_to_ten_minutes() -> None:
    waits, breaker, now = [], failing(5), NOW
    for _ in range(8):
        at = rules.retry_at(breaker)
        assert at is not None
        waits.append((at - now).total_seconds())
        now = at
        breaker = rules.failed(rules.tried(breaker, now), now, "no")
    assert waits == [30, 60, 120, 240, 480, 600, 600, 600]


def test_a_success_while_trying_closes_it() -> None:
    closed = rules.succeeded(rules.tried(failing(7), NOW + dt.timedelta(hours=1)), NOW)
    assert closed.state == "closed"
    assert rules.may_call(closed, NOW)


def test_a_success_of_what_never_failed_changes_nothing() -> None:
    assert rules.succeeded(Breaker(), NOW) == Breaker()


def test_the_last_error_is_cut() -> None:
    assert len(rules.failed(Breaker(), NOW, "x" * 1000).last_error or "") == 200


@given(st.lists(st.sampled_from(["fail", "block", "succeed", "try", "wait"]), max_size=60))
def test_it_is_never_stuck_and_never_lets_calls_through_while_open(acts: list[str]) -> None:
    breaker, now, failures = Breaker(), NOW, 0
    for act in acts:
        if act == "wait":
            now += dt.timedelta(seconds=45)
        elif act == "try" and rules.may_call(breaker, now):
            breaker = rules.tried(breaker, now)
        elif act == "succeed":
            breaker = rules.succeeded(breaker, now)
        elif act in ("fail", "block"):
            breaker = rules.failed(breaker, now, act, at_once=act == "block")
            failures += 1
        assert breaker.total == failures
        assert (breaker.state == "closed") == (breaker.failures < rules.FAILURES)
        if breaker.state != "closed":
            at = rules.retry_at(breaker)
            assert at is not None
            assert at <= now + rules.LONGEST
            assert rules.may_call(breaker, at)
