"""What a record writes against what pydantic would."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from assigntask_sdk.records import RECORDS, Due, Person, Record
from assigntask_sdk.writers import moment, writer_of

ZONES = st.sampled_from([dt.UTC, dt.timezone(dt.timedelta(hours=2)), dt.UTC, dt.timezone(dt.timedelta(0))])
MOMENTS = st.datetimes(timezones=ZONES)
DUES = st.builds(Due, st.dates(), st.none() | MOMENTS)
PEOPLE = st.sampled_from(
    [Person({"withheld": True}), Person({"id": "p", "version": 1, "withheld": False, "name": "A"})]
)


def values(hint: Any) -> st.SearchStrategy[Any]:
    st.register_type_strategy(dt.datetime, MOMENTS)
    st.register_type_strategy(Due, DUES)
    st.register_type_strategy(Person, PEOPLE)
    return st.from_type(hint)


@pytest.mark.parametrize("kind", RECORDS.values(), ids=lambda kind: kind.kind)
@given(data=st.data())
def test_every_record_is_written_as_pydantic_would_and_read_back(kind: type[Record], data: st.DataObject) -> None:
    chosen = data.draw(st.sets(st.sampled_from(sorted(kind.fields()))))
    record = kind({name: data.draw(values(kind.fields()[name])) for name in sorted(chosen)})
    written = record.to_json()
    assert written == {
        name: TypeAdapter(kind.fields()[name]).dump_python(value, mode="json")
        for name, value in record.__dict__.items()
    }
    assert kind.from_json(written) == record


@given(MOMENTS)
def test_moments_are_written_alike_in_every_zone(value: dt.datetime) -> None:
    assert moment(value) == TypeAdapter(dt.datetime).dump_python(value, mode="json")


def test_a_type_that_no_record_holds_is_refused() -> None:
    with pytest.raises(TypeError, match="bytes"):
        writer_of(bytes, record=Record)
