"""Days and ISO 8601 weeks (Monday to Sunday). Days are UTC days, so that no week has 167 or 169 hours. Pure."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

LONGEST = 53  # weeks: a year is always covered, and the tables stay within the limits of a page
_FIRST_MONDAY = dt.date.min.toordinal()  # 0001-01-01 is a Monday


@dataclass(frozen=True, slots=True)
class Span:
    """The days from `since` to `until`, both inclusive; none where `until` lies before `since`."""

    since: dt.date
    until: dt.date

    @property
    def mondays(self) -> tuple[dt.date, ...]:
        """One for each week that the span touches, oldest first."""
        if self.until < self.since:
            return ()
        first, last = monday_of(self.since).toordinal(), monday_of(self.until).toordinal()
        return tuple(dt.date.fromordinal(day) for day in range(first, last + 1, 7))

    @property
    def starts_at(self) -> dt.datetime:
        """The first moment of the span, aware, UTC."""
        return dt.datetime.combine(self.since, dt.time(), dt.UTC)

    def week_of(self, day: dt.date) -> int | None:
        """The index into `mondays` of the week that holds the day, None where the day lies outside of the span."""
        if not self.since <= day <= self.until:
            return None
        return (monday_of(day) - monday_of(self.since)).days // 7


def monday_of(day: dt.date) -> dt.date:
    return dt.date.fromordinal(day.toordinal() - day.weekday())


def day_of(moment: dt.datetime) -> dt.date:
    """The UTC day of an aware moment."""
    return moment.astimezone(dt.UTC).date()


def name_of(monday: dt.date) -> str:
    """As ISO 8601 writes a week, for example "2026-W01", with the ISO year: it may begin in December."""
    year, week, _ = monday.isocalendar()
    return f"{year:04}-W{week:02}"


def last_weeks(today: dt.date, count: int) -> Span:
    """`count` whole weeks, the last of which holds `today`.

    The week of `today` is whole because it may already be tomorrow in UTC where it is still today for a viewer.
    """
    monday = monday_of(today).toordinal()
    return Span(
        dt.date.fromordinal(max(monday - 7 * (count - 1), _FIRST_MONDAY)),
        dt.date.fromordinal(min(monday + 6, dt.date.max.toordinal())),
    )


def latest(span: Span, weeks: int = LONGEST) -> Span:
    """The span, or its last weeks where it touches more of them: then it begins with a Monday."""
    earliest = dt.date.fromordinal(max(monday_of(span.until).toordinal() - 7 * (weeks - 1), _FIRST_MONDAY))
    return Span(max(span.since, earliest), span.until)
