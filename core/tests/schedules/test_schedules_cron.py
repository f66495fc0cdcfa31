"""When schedules are due: by the organisation's clocks, also in the nights in which they are moved."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assigntask.schedules.cron import following, latest, planned


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).astimezone(dt.UTC)


FOLLOWING = [
    # cron, zone, after, what follows
    ("30 6 * * mon", "UTC", "2026-03-02T06:30Z", "2026-03-09T06:30Z"),
    ("30 6 * * mon", "UTC", "2026-03-02T06:29:59.999999Z", "2026-03-02T06:30Z"),
    ("30 6 * * mon", "Europe/Madrid", "2026-03-02T05:29Z", "2026-03-02T05:30Z"),
    ("30 6 * * mon", "Europe/Madrid", "2026-07-06T00:00Z", "2026-07-06T04:30Z"),
    ("0 9 * * *", "Asia/Kathmandu", "2026-03-02T00:00Z", "2026-03-02T03:15Z"),
    ("0 0 29 2 *", "UTC", "2026-03-02T00:00Z", "2028-02-29T00:00Z"),
    ("0 0 1 * mon", "UTC", "2026-03-02T00:00Z", "2026-03-09T00:00Z"),  # the day of the month or of the week
    # Clocks go forward, from 02:00 to 03:00: what they leave out counts as so much later, once.
    ("30 2 * * *", "Europe/Madrid", "2026-03-28T12:00Z", "2026-03-29T03:30+02:00"),
    ("30 2 * * *", "Europe/Madrid", "2026-03-29T03:10+02:00", "2026-03-29T03:30+02:00"),
    ("30 2 * * *", "Europe/Madrid", "2026-03-29T03:30+02:00", "2026-03-30T02:30+02:00"),
    ("*/15 * * * *", "Europe/Madrid", "2026-03-29T01:45+01:00", "2026-03-29T03:00+02:00"),
    # Clocks go back, from 03:00 to 02:00: the first time counts, unless every hour does.
    ("30 2 * * *", "Europe/Madrid", "2026-10-25T00:00Z", "2026-10-25T02:30+02:00"),
    ("30 2 * * *", "Europe/Madrid", "2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"),
    ("45 2 * * *", "Europe/Madrid", "2026-10-25T02:10+01:00", "2026-10-26T02:45+01:00"),
    ("*/15 * * * *", "Europe/Madrid", "2026-10-25T02:45+02:00", "2026-10-25T02:00+01:00"),
    ("*/15 * * * *", "Europe/Madrid", "2026-10-25T02:45+01:00", "2026-10-25T03:00+01:00"),
    ("0 */2 * * *", "America/St_Johns", "2026-03-08T01:00-03:30", "2026-03-08T03:00-02:30"),
]


@pytest.mark.parametrize(("cron", "zone", "after", "then"), FOLLOWING)
def test_what_follows_goes_by_the_clocks_there(cron: str, zone: str, after: str, then: str) -> None:
    assert following(cron, zone, at(after)) == at(then)
    assert latest(cron, zone, at(then)) == at(then)


@pytest.mark.parametrize("zone", ["Europe/Madrid", "Australia/Lord_Howe", "Asia/Kathmandu"])
@pytest.mark.parametrize("year", [dt.datetime(2026, 3, 28, tzinfo=dt.UTC), dt.datetime(2026, 10, 24, tzinfo=dt.UTC)])
def test_a_schedule_for_every_quarter_never_stops_nor_hurries(zone: str, year: dt.datetime) -> None:
    moments = [year]
    while len(moments) < 200:
        moments.append(following("*/15 * * * *", zone, moments[-1]))
    assert {later - earlier for earlier, later in pairwise(moments[1:])} == {dt.timedelta(minutes=15)}


@settings(max_examples=60, deadline=None)
@given(
    cron=st.sampled_from(["*/15 * * * *", "30 2 * * *", "5 */6 * * *", "0 9 * * mon-fri", "59 23 28-31 * *"]),
    zone=st.sampled_from(["UTC", "Europe/Madrid", "Pacific/Apia", "America/St_Johns", "Australia/Lord_Howe"]),
    moment=st.datetimes(dt.datetime(2026, 1, 1), dt.datetime(2027, 1, 1), timezones=st.just(dt.UTC)),  # noqa: DTZ001
)
def test_nothing_lies_between_the_latest_and_what_follows(cron: str, zone: str, moment: dt.datetime) -> None:
    before, after = latest(cron, zone, moment), following(cron, zone, moment)
    assert before <= moment < after
    assert following(cron, zone, before) == after
    assert latest(cron, zone, after - dt.timedelta(microseconds=1)) == before


def test_installations_begin_apart_and_each_always_alike() -> None:
    after = at("2026-03-02T09:01Z")
    seconds = {}
    for number in range(50):
        begins = planned("*/5 * * * *", "UTC", after, f"installation {number}", "often")
        assert begins == planned("*/5 * * * *", "UTC", after, f"installation {number}", "often")
        seconds[number] = (begins - at("2026-03-02T09:05Z")).total_seconds()
    assert all(0 <= later <= 30 for later in seconds.values())  # a tenth of five minutes
    assert len(set(seconds.values())) == 50
    assert max(seconds.values()) - min(seconds.values()) > 15
    weekly = planned("30 6 * * mon", "UTC", after, "installation 1", "weekly") - at("2026-03-09T06:30Z")
    assert dt.timedelta(0) <= weekly <= dt.timedelta(seconds=60)
