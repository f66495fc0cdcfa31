"""What may be shown by department."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assigntask_reporting.groups import NO_DEPARTMENT, SMALLER, Groups, for_board, for_report

all_sizes = st.dictionaries(st.text("abcdefghij", min_size=1, max_size=2), st.integers(0, 12), max_size=12)
thresholds = st.integers(5, 9)


def test_departments_that_are_large_enough_are_shown_by_themselves() -> None:
    assert for_report({"Shop": 5, "Works": 9}, 5) == Groups(("Shop", "Works"), ())


def test_small_departments_are_joined_where_they_have_enough_people_together() -> None:
    assert for_report({"Office": 3, "Press": 2, "Shop": 5}, 5) == Groups(("Shop",), ("Office", "Press"))


def test_a_small_department_alone_takes_the_next_larger_one_along() -> None:
    assert for_report({"Office": 3, "Shop": 6, "Works": 20}, 5) == Groups(("Works",), ("Office", "Shop"))


def test_a_department_that_everybody_left_is_not_shown() -> None:
    assert for_report({"Archive": 0, "Works": 7}, 5) == Groups((), ("Archive", "Works"))


def test_nothing_is_shown_by_department_where_all_together_are_too_few() -> None:
    assert for_report({"Office": 3, "Press": 1}, 5) is None


def test_the_smallest_departments_share_a_column_where_there_are_too_many() -> None:
    found = for_report({f"Team {number:02}": 10 + number for number in range(40)}, 5, most=30)
    assert found is not None
    assert found.joined == tuple(f"Team {number:02}" for number in range(11))
    assert len(found.single) == 29


@settings(deadline=None)
@given(sizes=all_sizes, threshold=thresholds)
def test_no_group_has_fewer_people_than_the_threshold(sizes: dict[str, int], threshold: int) -> None:
    found = for_report(sizes, threshold)
    if found is None:
        assert len(sizes) > 0
        assert sum(sizes.values()) < threshold
        return
    assert sorted((*found.single, *found.joined)) == sorted(sizes)
    assert all(sizes[name] >= threshold for name in found.single)
    if found.joined:
        assert len(found.joined) > 1
        assert sum(sizes[name] for name in found.joined) >= threshold


@settings(deadline=None)
@given(sizes=all_sizes, threshold=thresholds, data=st.data())
def test_a_board_never_shows_by_itself_what_the_report_joined(
    sizes: dict[str, int], threshold: int, data: st.DataObject
) -> None:
    report = for_report(sizes, threshold)
    seen = data.draw(st.sets(st.sampled_from(sorted(sizes)))) if sizes else set()
    joined = report.joined if report is not None else ()
    board = for_board({name: sizes[name] for name in seen}, threshold, joined)
    if board is None:
        return
    assert not set(board.single) & set(joined)
    assert all(sizes[name] >= threshold for name in board.single)
    if report is not None:
        assert board.joined in ((), joined)
    assert not board.joined or sum(sizes[name] for name in seen if name in board.joined) >= threshold


def test_a_board_with_one_joined_department_does_not_tell_which() -> None:
    report = for_report({"Office": 3, "Shop": 6, "Works": 20}, 5)
    assert report is not None
    assert for_board({"Shop": 6, "Works": 20}, 5, report.joined) == report


def test_a_board_where_only_a_small_department_works_shows_none() -> None:
    assert for_board({"Office": 3, "Works": 20}, 5, ["Office", "Shop"]) is None


def test_a_board_before_the_first_report_joins_like_a_report() -> None:
    sizes = {"Office": 3, "Shop": 6, "Works": 20}
    assert for_board(sizes, 5, None) == for_report(sizes, 5)


def test_a_task_of_several_joined_departments_counts_once_for_their_group() -> None:
    groups = Groups(("Shop", "Works"), ("Office", "Press"))
    assert groups.labels == ("Shop", "Works", SMALLER, NO_DEPARTMENT)
    assert groups.of({"Office", "Press", "Works"}) == {1, 2}
    assert groups.of(()) == {3}
    with pytest.raises(KeyError):
        groups.of({"Unheard of"})
