"""Figures: right, and telling nothing about small departments."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from assigntask_reporting import tables
from assigntask_reporting.figures import Count, Fact, Figures, Tally, figures, summed
from assigntask_reporting.groups import NO_DEPARTMENT, for_report
from assigntask_reporting.weeks import Span, monday_of
from assigntask_sdk import PersonId

SPAN = Span(dt.date(2025, 12, 17), dt.date(2026, 1, 14))  # five weeks across the turn of a year
BEFORE = dt.date(2024, 1, 1)
WORDS = ("Archive", "Foundry", "Office", "Press", "Shop", "Works")

sizes_of_departments = st.dictionaries(st.sampled_from(WORDS), st.integers(0, 12), min_size=1)


def counted(facts: Sequence[Fact], sizes: dict[str, int], span: Span = SPAN) -> Figures:
    tally = Tally(span)
    tally.add(Fact(BEFORE, None, sizes))  # an old task, by which every department is known
    for fact in facts:
        tally.add(fact)
    return figures(tally, for_report(tally.sizes, 5))


def facts_with(sizes: dict[str, int]) -> st.SearchStrategy[list[Fact]]:
    days = st.dates(dt.date(2025, 12, 10), dt.date(2026, 1, 21))
    departments = st.sets(st.sampled_from(sorted(sizes)), max_size=3).map(lambda names: _with_sizes(names, sizes))
    people = st.frozensets(st.sampled_from([PersonId("p1"), PersonId("p2"), PersonId("p3")]))
    return st.lists(st.builds(Fact, days, st.none() | days, departments, people), max_size=20)


def _with_sizes(names: set[str], sizes: dict[str, int]) -> dict[str, int]:
    return {name: sizes[name] for name in sorted(names)}


def shown(found: Figures) -> list[object]:
    return [*tables.report(found, asked=SPAN, with_people=False), *tables.panel(found)]


@settings(deadline=None)
@given(sizes=sizes_of_departments, data=st.data())
def test_nothing_shown_depends_on_which_of_the_joined_departments_did_the_work(
    sizes: dict[str, int], data: st.DataObject
) -> None:
    """Whatever is computed from the shown numbers, it comes out the same for other numbers of a hidden department."""
    facts = data.draw(facts_with(sizes))
    groups = for_report(sizes, 5)
    hidden = sorted(sizes) if groups is None else list(groups.joined)

    def moved(fact: Fact) -> Fact:
        touched = set(fact.departments) & set(hidden)
        if not hidden or (groups is not None and not touched):
            return fact
        instead = data.draw(st.sets(st.sampled_from(hidden), min_size=1))
        return replace(fact, departments=_with_sizes(set(fact.departments) - set(hidden) | instead, sizes))

    assert shown(counted([moved(fact) for fact in facts], sizes)) == shown(counted(facts, sizes))


@settings(deadline=None)
@given(sizes=sizes_of_departments, data=st.data())
def test_the_work_of_a_department_that_is_shown_by_itself_does_show(sizes: dict[str, int], data: st.DataObject) -> None:
    facts = data.draw(facts_with(sizes))
    groups = for_report(sizes, 5)
    for name in groups.single if groups is not None else ():
        one_more = Fact(SPAN.since, None, {name: sizes[name]})
        assert shown(counted([*facts, one_more], sizes)) != shown(counted(facts, sizes))


@settings(deadline=None)
@given(sizes=sizes_of_departments, data=st.data())
def test_every_count_is_the_number_of_tasks_that_it_says(sizes: dict[str, int], data: st.DataObject) -> None:
    facts = data.draw(facts_with(sizes))
    found = counted(facts, sizes)

    def tasks(monday: dt.date, of: Callable[[Fact], bool]) -> Count:
        def here(day: dt.date | None) -> bool:
            return day is not None and SPAN.since <= day <= SPAN.until and monday_of(day) == monday

        return Count(
            sum(here(fact.created) for fact in facts if of(fact)), sum(here(fact.done) for fact in facts if of(fact))
        )

    assert found.total == tuple(tasks(monday, lambda _: True) for monday in SPAN.mondays)
    for label, counts in zip(found.groups, found.by_group, strict=True):
        names = {label} if label in sizes else set(found.joined)
        belongs: Callable[[Fact], bool] = lambda fact, names=names: bool(names & set(fact.departments))  # type: ignore[misc]  # noqa: E731
        if label == NO_DEPARTMENT:
            belongs = lambda fact: not fact.departments  # noqa: E731
        assert counts == tuple(tasks(monday, belongs) for monday in SPAN.mondays)


@settings(deadline=None)
@given(sizes=sizes_of_departments, data=st.data())
def test_the_departments_cover_the_total_and_none_exceeds_it(sizes: dict[str, int], data: st.DataObject) -> None:
    found = counted(data.draw(facts_with(sizes)), sizes)
    for week, total in enumerate(found.total):
        groups = [counts[week] for counts in found.by_group]
        if groups:
            assert max(count.created for count in groups) <= total.created <= sum(count.created for count in groups)
            assert max(count.done for count in groups) <= total.done <= sum(count.done for count in groups)


def test_a_task_of_two_departments_counts_for_both_and_once_in_the_total() -> None:
    sizes = {"Shop": 5, "Works": 6}
    found = counted([Fact(SPAN.since, SPAN.until, sizes)], sizes)
    assert summed(found.total) == Count(1, 1)
    assert [summed(counts) for counts in found.by_group] == [Count(1, 1), Count(1, 1), Count()]


def test_a_department_that_shrank_while_tasks_were_read_counts_with_the_smaller_number() -> None:
    tally = Tally(SPAN)
    tally.add(Fact(SPAN.since, None, {"Shop": 5, "Works": 8}))
    tally.add(Fact(SPAN.since, None, {"Shop": 4}))
    tally.add(Fact(SPAN.since, None, {"Shop": 5}))
    assert tally.sizes == {"Shop": 4, "Works": 8}


def test_a_person_counts_for_tasks_in_the_span_and_the_busiest_is_first() -> None:
    ada, bo = PersonId("a"), PersonId("b")
    found = counted(
        [
            Fact(SPAN.since, SPAN.since, {}, frozenset({bo})),
            Fact(SPAN.since, None, {}, frozenset({ada, bo})),
            Fact(BEFORE, None, {}, frozenset({ada})),
        ],
        {"Works": 9},
    )
    assert found.people == ((bo, Count(2, 1)), (ada, Count(1, 0)))
