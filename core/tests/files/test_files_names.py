"""What a file may be called."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assigntask.files.names import MAX_NAME, cleaned
from assigntask_sdk.errors import Invalid


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("plan.pdf", "plan.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\ada\\plan.pdf", "plan.pdf"),
        ("a\u202egpj.exe", "agpj.exe"),  # would be shown as aexe.jpg
        ("plan\r\nSet-Cookie: x.pdf", "planSet-Cookie: x.pdf"),
        ("  a \u00a0 b.txt ", "a b.txt"),
        ("e\u0301t\u0301e.png", "ét\u0301e.png"),
        ("x" * 300 + ".pdf", "x" * (MAX_NAME - 4) + ".pdf"),
        ("." + "y" * 300, "y" * MAX_NAME),
    ],
)
def test_a_name_holds_no_path_and_nothing_invisible(name: str, expected: str) -> None:
    assert cleaned(name) == expected


@pytest.mark.parametrize("name", ["", " . ", "..", "a/", "\u200b", "\0", 7])
def test_a_name_of_which_nothing_is_left_is_refused(name: str) -> None:
    with pytest.raises(Invalid, match="name"):
        cleaned(name)


@given(st.text(alphabet=st.characters(codec=None)))
def test_whatever_is_given_comes_out_short_visible_and_the_same_again(name: str) -> None:
    try:
        clean = cleaned(name)
    except Invalid:
        return
    assert 0 < len(clean) <= MAX_NAME
    assert not set(clean) & set("/\\\n\r\0")
    assert not {unicodedata.category(each) for each in clean} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert cleaned(clean) == clean
