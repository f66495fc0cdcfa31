from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, Integer, MetaData, String, Table, insert, select
from sqlalchemy.engine import Connection
from sqlalchemy.exc import StatementError

from assigntask.db import Database, Json, UtcDateTime
from assigntask.db.types import TEXT_WIDTH, utc_from_text, utc_to_text

SAMPLE = Table(
    "sample_of_types",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("name", String(200)),
    Column("at", UtcDateTime),
    Column("document", Json),
)
aware = st.datetimes(timezones=st.just(UTC))


def fill(conn: Connection, rows: list[dict[str, Any]]) -> None:
    SAMPLE.create(conn, checkfirst=True)
    if rows:
        conn.execute(insert(SAMPLE), rows)


@given(aware, aware)
def test_stored_text_has_one_width_and_sorts_like_time(one: datetime, other: datetime) -> None:
    texts = utc_to_text(one), utc_to_text(other)
    assert [len(text) for text in texts] == [TEXT_WIDTH, TEXT_WIDTH]
    assert (texts[0] < texts[1]) == (one < other)
    assert utc_from_text(texts[0]) == one


@pytest.mark.parametrize("text", ["2025-01-31T12:34:56Z", "2025-01-31T12:34:56.789012+00:00", "", "x" * 26 + "Z"])
def test_text_that_was_not_stored_by_us_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        utc_from_text(text)


async def test_a_time_comes_back_in_utc_to_the_microsecond_whatever_its_zone(database: Database) -> None:
    there = datetime(2025, 3, 30, 2, 30, 0, 123456, tzinfo=timezone(timedelta(hours=5, minutes=45)))
    await database.write(fill, [{"id": 1, "at": there}, {"id": 2, "at": None}])
    back = await database.read(lambda conn: conn.execute(select(SAMPLE.c.at).order_by(SAMPLE.c.id)).scalars().all())
    assert back == [there, None]
    assert back[0] is not None
    assert back[0].tzinfo is UTC
    assert back[0].isoformat() == "2025-03-29T20:45:00.123456+00:00"


async def test_a_time_without_zone_is_refused_and_nothing_is_stored(database: Database) -> None:
    await database.write(fill, [])
    with pytest.raises(StatementError, match="no time zone"):
        await database.write(fill, [{"id": 1, "at": datetime(2025, 1, 1)}])  # noqa: DTZ001 - the point
    assert await database.read(lambda conn: conn.execute(select(SAMPLE.c.id)).all()) == []


async def test_times_compare_and_sort_inside_the_database(database: Database) -> None:
    start = datetime(2025, 1, 1, tzinfo=UTC)
    await database.write(fill, [{"id": n, "at": start + timedelta(microseconds=n * 700_001)} for n in range(9)])
    later = select(SAMPLE.c.id).where(SAMPLE.c.at > start + timedelta(seconds=3)).order_by(SAMPLE.c.at.desc())
    assert await database.read(lambda conn: conn.execute(later).scalars().all()) == [8, 7, 6, 5]


@pytest.mark.parametrize("document", [{"a": [1, 2.5, None, True, "é\n\u2028"]}, [], "text", 7, False, {"": {}}])
async def test_a_document_comes_back_as_it_was(database: Database, document: object) -> None:
    await database.write(fill, [{"id": 1, "document": document}])
    back = await database.read(lambda conn: conn.execute(select(SAMPLE.c.document)).scalar_one())
    assert back == document
    assert type(back) is type(document)


async def test_no_document_is_null(database: Database) -> None:
    await database.write(fill, [{"id": 1, "document": None}])
    query = select(SAMPLE.c.id).where(SAMPLE.c.document.is_(None))
    assert await database.read(lambda conn: conn.execute(query).scalars().all()) == [1]


async def test_a_document_can_be_searched_by_key(database: Database) -> None:
    await database.write(fill, [{"id": n, "document": {"colour": colour}} for n, colour in enumerate(["red", "blue"])])
    query = select(SAMPLE.c.id).where(SAMPLE.c.document["colour"].as_string() == "blue")
    assert await database.read(lambda conn: conn.execute(query).scalars().all()) == [1]


async def test_a_document_with_a_number_that_json_lacks_is_refused(database: Database) -> None:
    await database.write(fill, [])
    with pytest.raises((StatementError, ValueError), match="JSON"):
        await database.write(fill, [{"id": 1, "document": float("nan")}])


async def test_errors_do_not_repeat_what_people_wrote(database: Database) -> None:
    await database.write(fill, [{"id": 1, "name": "ada@example.org"}])
    with pytest.raises(Exception, match=r"UNIQUE|duplicate") as caught:
        await database.write(fill, [{"id": 1, "name": "ada@example.org"}])
    assert "ada@" not in str(caught.value)
