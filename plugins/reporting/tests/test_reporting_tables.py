"""What readers get to see."""

import datetime as dt

import pytest

from assigntask_reporting import tables
from assigntask_reporting.figures import Fact, Figures, Tally, figures
from assigntask_reporting.groups import for_report
from assigntask_reporting.hooks import smallest_group, weeks_on_board
from assigntask_reporting.reading import fact_of
from assigntask_reporting.weeks import Span, latest
from assigntask_sdk import Chart, NotShared, Person, PersonId, Table, Task, Text, Who
from assigntask_sdk.blocks import cut
from assigntask_sdk.records import DepartmentCount

MONDAY = dt.date(2026, 7, 27)
SPAN = Span(MONDAY, MONDAY + dt.timedelta(days=13))
SIZES = {"Office": 3, "Shop": 6, "Works": 20}


def found(*facts: Fact, span: Span = SPAN) -> Figures:
    tally = Tally(span)
    for fact in facts:
        tally.add(fact)
    return figures(tally, for_report(tally.sizes, 5))


def sample(people: int = 0) -> Figures:
    return found(
        Fact(MONDAY, MONDAY, SIZES, frozenset(PersonId(f"p{number:03}") for number in range(people))),
        Fact(MONDAY + dt.timedelta(days=7), None, {"Works": 20}),
        Fact(MONDAY, None, {}),
    )


def titled(blocks: list[Table | Chart], title: str) -> Table:
    [table] = [block for block in blocks if isinstance(block, Table) and block.title == title]
    return table


def notes(blocks: list[Table | Chart]) -> str:
    last = blocks[-1]
    assert isinstance(last, Table)
    return " ".join(str(cell) for row in last.rows for cell in row)


def test_the_panel_has_a_row_for_each_week_and_a_column_for_each_group() -> None:
    chart, table, text = tables.panel(sample())
    assert isinstance(chart, Chart)
    assert [series.name for series in chart.series] == ["Created", "Done"]
    assert chart.series[0].points == [("2026-W31", 2.0), ("2026-W32", 1.0)]
    assert isinstance(table, Table)
    assert table.head == ["Week", "All tasks", "Works", "Smaller departments", "No department"]
    assert table.rows == [
        ["2026-W31", "2 / 1", "1 / 1", "1 / 1", "1 / 0"],
        ["2026-W32", "1 / 0", "1 / 0", "0 / 0", "0 / 0"],
    ]
    assert isinstance(text, Text)
    assert "Smaller departments: Office, Shop." in str(text.parts[0])
    assert "Office" not in str((chart, table))


def test_the_report_says_per_week_per_department_and_both() -> None:
    blocks = tables.report(sample(), asked=SPAN, with_people=False)
    assert titled(blocks, "Per week").rows == [
        ["2026-W31", "2026-07-27", "2", "1"],
        ["2026-W32", "2026-08-03", "1", "0"],
        ["Total", "", "3", "1"],
    ]
    assert titled(blocks, "Per department").rows == [
        ["Works", "2", "1"],
        ["Smaller departments", "1", "1"],
        ["No department", "1", "0"],
        ["Total", "3", "1"],
    ]
    created = titled(blocks, "Created per week and department")
    assert created.head == ["Week", "Works", "Smaller departments", "No department", "Total"]
    assert created.rows == [["2026-W31", "1", "1", "1", "2"], ["2026-W32", "1", "0", "0", "1"]]
    assert titled(blocks, "Done per week and department").rows[0] == ["2026-W31", "1", "1", "0", "1"]
    assert "Days from 2026-07-27 to 2026-08-09, both included." in notes(blocks)
    assert tables.TWICE in notes(blocks)


def test_only_totals_are_shown_where_all_departments_are_too_small() -> None:
    few = found(Fact(MONDAY, None, {"Office": 3}), Fact(MONDAY, None, {}))
    blocks = tables.report(few, asked=SPAN, with_people=False)
    assert [block.title for block in blocks] == ["Tasks created and done per week", "Per week", ""]
    assert tables.TOO_FEW in notes(blocks)
    table = tables.panel(few)[1]
    assert isinstance(table, Table)
    assert table.head == ["Week", "All tasks"]
    assert "Office" not in str((blocks, tables.panel(few)))


def test_people_are_in_the_report_only_where_they_may_be() -> None:
    blocks = tables.report(sample(people=2), asked=SPAN, with_people=True)
    assert titled(blocks, "Per person").rows == [[Who(PersonId("p000")), "1", "1"], [Who(PersonId("p001")), "1", "1"]]
    assert tables.WITHHELD in notes(blocks)
    without = tables.report(sample(people=2), asked=SPAN, with_people=False)
    assert "Who" not in str(without)


def test_people_beyond_the_rows_of_a_table_are_summed() -> None:
    rows = titled(tables.report(sample(people=120), asked=SPAN, with_people=True), "Per person").rows
    assert len(rows) == 100
    assert rows[-1] == ["21 others", "21", "21"]


def test_a_longer_time_is_cut_to_its_last_weeks_and_the_report_says_so() -> None:
    asked = Span(dt.date(2020, 1, 1), dt.date(2026, 8, 9))
    blocks = tables.report(found(span=latest(asked)), asked=asked, with_people=False)
    assert len(titled(blocks, "Per week").rows) == 54
    assert "the days from 2020-01-01 on were asked for, and a report has at most 53 weeks" in notes(blocks)


def test_days_in_the_wrong_order_get_advice() -> None:
    assert "give a last day that is not before the first" in notes(tables.without_days(Span(SPAN.until, SPAN.since)))


def test_the_largest_report_and_panel_are_within_the_limits_of_a_page() -> None:
    span = latest(Span(dt.date(2020, 1, 1), dt.date(2026, 8, 9)))
    tally = Tally(span)
    sizes = {f"{number:03} {'部' * 196}": number for number in range(200)}
    people = frozenset(PersonId(f"{number:043}") for number in range(500))
    for monday in span.mondays:
        tally.add(Fact(monday, monday, sizes, people))
    for counter in (tally.created, tally.done):
        for key in counter:
            counter[key] *= 123_456
    largest = figures(tally, for_report(tally.sizes, 5))
    assert len(largest.groups) == 31
    for blocks in (tables.report(largest, asked=span, with_people=True), tables.panel(largest)):
        assert cut(blocks)[1] == []


def test_a_task_becomes_utc_days_and_sizes_and_people_who_are_shared() -> None:
    ada, withheld = Person({"id": PersonId("a"), "version": 1, "withheld": False}), Person({"withheld": True})
    values = {
        "id": "t",
        "version": 1,
        "created": dt.datetime(2026, 7, 26, 23, 30, tzinfo=dt.timezone(dt.timedelta(hours=-2))),
        "done": None,
        "departments": (DepartmentCount("Works", 1, 20),),
    }
    assert fact_of(Task(values), with_people=False) == Fact(MONDAY, None, {"Works": 20})
    shared = Task({**values, "assignees": (ada, withheld)})
    assert fact_of(shared, with_people=True).people == {PersonId("a")}
    del values["departments"]
    with pytest.raises(NotShared):
        fact_of(Task(values), with_people=False)


@pytest.mark.parametrize(("value", "weeks"), [(8, 8), (-1, 4), (3.9, 4), (12.7, 12), (1e300, 52)])
def test_the_number_of_weeks_stays_between_4_and_52(value: float, weeks: int) -> None:
    assert weeks_on_board({"weeks": value}) == weeks


@pytest.mark.parametrize(("value", "people"), [(5, 5), (0, 5), (4.9, 5), (8, 8)])
def test_the_smallest_group_is_never_less_than_5(value: float, people: int) -> None:
    assert smallest_group({"smallest_group": value}) == people
