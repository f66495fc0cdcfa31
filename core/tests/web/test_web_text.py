"""Text that others wrote, and days and moments."""

from __future__ import annotations

import datetime as dt

import pytest

from assigntask.web.almanac import Almanac
from assigntask.web.text import clean, said, target

AUCKLAND = Almanac.of(dt.datetime(2025, 12, 31, 20, tzinfo=dt.UTC), "Pacific/Auckland")


def test_text_is_cut_to_its_length_and_keeps_its_lines() -> None:
    assert clean("abcdef", 6) == "abcdef"
    assert clean("abcdefg", 6) == "abcde…"
    assert clean("abcd efg", 6) == "abcd…"
    assert clean("a\nb\tc\r\u0000\u0085\u202ed") == "a\nb\tc\rd"
    assert clean("שלום \u200fعالم") == "שלום \u200fعالم"


def test_text_is_escaped_and_isolated() -> None:
    assert said("<b>&\"'") == "<bdi>&lt;b&gt;&amp;&#34;&#39;</bdi>"


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://example.org/a?b#c", "example.org"),
        ("HTTP://Example.org:8080", "example.org"),
        ("https://[2001:db8::1]/x", "2001:db8::1"),
        ("https://bücher.example/ü", "bücher.example"),
        ("mailto:bo@example.org", "bo@example.org"),
    ],
)
def test_plain_pages_and_mailboxes_are_targets(url: str, place: str) -> None:
    found = target(url)
    assert found is not None
    assert (found.url, found.place) == (url, place)


@pytest.mark.parametrize(
    "url",
    ["javascript:x", "https://", "https://a b/", "https://u@h/", "mailto:a@b?bcc=c@d", "https://h/\\x", "ftp://h/"],
)
def test_nothing_else_is_a_target(url: str) -> None:
    assert target(url) is None


def test_days_and_moments_are_those_of_the_zone() -> None:
    assert AUCKLAND.today == dt.date(2026, 1, 1)
    assert AUCKLAND.day(dt.date(2026, 5, 3)) == "3 May"
    assert AUCKLAND.day(dt.date(2025, 5, 3)) == "3 May 2025"
    assert AUCKLAND.moment(dt.datetime(2026, 5, 3, 23, 5, tzinfo=dt.UTC)) == "4 May, 11:05"


def test_moments_at_the_ends_of_the_calendar_are_written_as_they_are() -> None:
    assert AUCKLAND.moment(dt.datetime.max.replace(tzinfo=dt.UTC)).startswith("9999-12-31T23:59:59")
