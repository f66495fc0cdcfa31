"""What `[schedule]` takes: five fields as cron has them, and nothing that falls due more often than every 5 minutes."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from itertools import pairwise

LEAST_MINUTES = 5
FIELDS = ("minute", "hour", "day of the month", "month", "day of the week")

_EXAMPLE = 'for example "30 6 * * mon" (half past six on Mondays)'
_PART = r"(?:\*|(?P<first>{one})(?:-(?P<last>{one}))?)(?:/[0-9]{{1,2}})?"
_NUMBERS = re.compile(_PART.format(one="[0-9]{1,2}"))
_MONTHS = re.compile(_PART.format(one="[0-9]{1,2}|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"))
_DAYS = re.compile(_PART.format(one="[0-7]|sun|mon|tue|wed|thu|fri|sat"))
_FORMS = (_NUMBERS, _NUMBERS, _NUMBERS, _MONTHS, _DAYS)
_SOME_DAY = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


def why_not(text: str) -> str | None:
    """What to write instead, where this is no schedule that is kept; else None."""
    from croniter import CroniterError, croniter  # type: ignore[import-untyped]  # noqa: PLC0415 - takes 50 ms

    written = text.lower().split()
    if len(written) != len(FIELDS):
        return f"write five fields: {', '.join(FIELDS)}; {_EXAMPLE}"
    for name, form, field in zip(FIELDS, _FORMS, written, strict=True):
        if not all(_is_part(form, part) for part in field.split(",")):
            return f"the {name} can't be {field!r}: write *, numbers, ranges that go up, and steps; {_EXAMPLE}"
    try:
        minutes, hours = (
            _numbers(field, most) for field, most in zip(croniter.expand(text)[0], (60, 24), strict=False)
        )
        croniter(text, _SOME_DAY).get_next(dt.datetime)
    except CroniterError:
        return f"there is no such time: a number is out of range, or no month has that day; {_EXAMPLE}"
    if _least_gap(minutes, hours) < LEAST_MINUTES:
        return f"it falls due sooner than {LEAST_MINUTES} minutes after it did: write it less often"
    return None


def _is_part(form: re.Pattern[str], part: str) -> bool:
    found = form.fullmatch(part)
    if found is None:
        return False
    first, last = found["first"], found["last"]
    if last is None or not (first.isdigit() and last.isdigit()):
        return last is None or first.isdigit() == last.isdigit()  # an order of names is cron's to judge
    return int(first) <= int(last)


def _numbers(field: Sequence[int | str], most: int) -> list[int]:
    return list(range(most)) if list(field) == ["*"] else sorted(int(each) for each in field)


def _least_gap(minutes: Sequence[int], hours: Sequence[int]) -> int:
    """Of two times in one hour, or at the end of one and the beginning of the next; 60 where there are none."""
    gaps = [later - earlier for earlier, later in pairwise(minutes)]
    if any((hour + 1) % 24 in hours for hour in hours):
        gaps.append(60 - minutes[-1] + minutes[0])
    return min(gaps, default=60)
