"""Weeks are ISO weeks of UTC days."""

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assigntask_reporting.weeks import LONGEST, Span, day_of, last_weeks, latest, monday_of, name_of

days = st.dates(dt.date(2000, 1, 1), dt.date(2040, 12, 31))


def test_a_week_belongs_to_the_iso_year_that_has_most_of_its_days() -> None:
    span = Span(dt.date(2025, 12, 22), dt.date(2026, 1, 11))
    assert [name_of(monday) for monday in span.mondays] == ["2025-W52", "2026-W01", "2026-W02"]
    assert span.week_of(dt.date(2025, 12, 28)) == 0
    assert span.week_of(dt.date(2025, 12, 29)) == 1
    assert span.week_of(dt.date(2026, 1, 4)) == 1


def test_a_long_year_has_a_week_53() -> None:
    assert name_of(monday_of(dt.date(2027, 1, 3))) == "2026-W53"


def test_days_outside_of_the_span_are_in_no_week_even_in_a_week_that_it_touches() -> None:
    span = Span(dt.date(2026, 7, 29), dt.date(2026, 7, 30))
    assert len(span.mondays) == 1
    assert [span.week_of(dt.date(2026, 7, day)) for day in (28, 29, 30, 31)] == [None, 0, 0, None]


@pytest.mark.parametrize("today", [dt.date(2026, 7, 27), dt.date(2026, 7, 29), dt.date(2026, 8, 2)])
def test_the_last_weeks_end_with_the_whole_week_of_today(today: dt.date) -> None:
    assert last_weeks(today, 8) == Span(dt.date(2026, 6, 8), dt.date(2026, 8, 2))


@settings(deadline=None)
@given(since=days, until=days)
def test_every_day_of_a_span_is_in_the_week_that_begins_on_its_monday(since: dt.date, until: dt.date) -> None:
    span = Span(since, until)
    for day in (since, until):
        week = span.week_of(day)
        assert (week is None) == (until < since)
        if week is not None:
            assert span.mondays[week] == monday_of(day)
            assert span.mondays[week].weekday() == 0


@settings(deadline=None)
@given(since=days, until=days)
def test_the_latest_weeks_end_with_the_same_day_and_are_never_too_many(since: dt.date, until: dt.date) -> None:
    span = Span(since, until)
    kept = latest(span)
    assert kept.until == until
    assert len(kept.mondays) == min(len(span.mondays), LONGEST)
    assert kept == span or kept.since.weekday() == 0


@settings(deadline=None)
@given(today=st.dates(), count=st.integers(4, 52))
def test_the_last_weeks_are_counted_up_to_the_ends_of_the_calendar(today: dt.date, count: int) -> None:
    span = last_weeks(today, count)
    assert span.since <= today <= span.until
    assert len(span.mondays) == min(count, (monday_of(today).toordinal() - 1) // 7 + 1)


def test_a_day_is_the_day_in_utc_also_when_clocks_change() -> None:
    west = dt.timezone(dt.timedelta(hours=-7))
    assert day_of(dt.datetime(2026, 3, 29, 23, 30, tzinfo=west)) == dt.date(2026, 3, 30)
    assert day_of(dt.datetime(2026, 3, 29, 0, 30, tzinfo=dt.UTC)) == dt.date(2026, 3, 29)
    assert Span(dt.date(2026, 3, 29), dt.date(2026, 3, 29)).starts_at == dt.datetime(2026, 3, 29, tzinfo=dt.UTC)
