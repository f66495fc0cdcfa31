"""Mentions between the text that people write and the text that is stored."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assigntask.db.ids import new_id
from assigntask.tasks import mentions

ADA, BOB = "01a209c3-d834-743d-8d26-fb0d7c448a0d", "01a209c3-d834-743d-8d26-fb0ea4cd88ba"
PEOPLE = {"ada": ADA, "bob.b": BOB}


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("@ada", f"<@{ADA}>"),
        ("(@Ada)", f"(<@{ADA}>)"),
        ("@ada, @bob.b.", f"<@{ADA}>, <@{BOB}>."),
        ("@ada.Then", f"<@{ADA}>.Then"),
        ("@bob.b-side", f"<@{BOB}>-side"),
        ("ada@example.org", "ada@example.org"),
        ("@adam", "@adam"),
        ("@@ada", "@@ada"),
        ("https://example.org/@ada", "https://example.org/@ada"),
        (f"<@{ADA}>", f"<@{ADA}>"),
        ("@", "@"),
    ],
)
def test_a_user_name_becomes_a_reference_where_it_is_one(written: str, stored: str) -> None:
    assert mentions.to_references(written, PEOPLE) == stored


def test_references_become_names_again() -> None:
    text = f"<@{ADA}> and <@{BOB}> and <@{new_id()}>"
    names = {ADA: "ada", BOB: "bob.b"}
    assert mentions.to_names(text, names.get) == "@ada and @bob.b and @someone"
    assert mentions.people_in(text + text)[:2] == (ADA, BOB)
    assert len(mentions.people_in(text + text)) == 3


@given(st.text(alphabet="@.-_ adbob<>/", max_size=60))
def test_what_is_stored_reads_as_it_was_written(text: str) -> None:
    stored = mentions.to_references(text, PEOPLE)
    assert mentions.to_names(stored, {ADA: "ada", BOB: "bob.b"}.get) == text
    assert mentions.to_references(stored, PEOPLE) == stored
    known = {name: person_id for name, person_id in PEOPLE.items() if name in mentions.candidates(text)}
    assert mentions.to_references(text, known) == stored
