"""Figures as blocks. Nothing is counted here, so nothing can be shown that `figures` does not have. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from assigntask_sdk import Block, Chart, Inline, Series, Table, Text, Who

from .figures import Count, Figures, summed
from .groups import NO_DEPARTMENT, SMALLER
from .weeks import Span, name_of

MOST_PEOPLE = 99  # rows of a table: 100, and one of them may be for the others
MOST_NAMES = 10
LONGEST_NAME = 40  # characters: a name stands in the heads of several tables

UTC = "Weeks begin on Monday at 00:00 UTC."
TWICE = (
    "A task on which several departments work counts once for each of them. "
    "The total counts it once, so it can be less than the sum of the departments."
)
TOO_FEW = "Not by department: the departments are too small to be shown without showing single people's work."
WITHHELD = "People who are not shared with this app are left out."


def panel(figures: Figures) -> list[Block]:
    """A chart, a table with a column for each department, and what one has to know about them."""
    columns = list(zip(_labels(figures), figures.by_group, strict=True))
    rows: list[list[Inline]] = [
        [week, _pair(total), *(_pair(counts[index]) for _, counts in columns)]
        for index, (week, total) in enumerate(zip(_weeks(figures.span), figures.total, strict=True))
    ]
    head = ["Week", "All tasks", *(label for label, _ in columns)]
    table = Table(head, rows, "Tasks created / done per week" + (" and department" if columns else ""))
    return [_chart(figures), table, Text([" ".join(_notes(figures))])]


def report(figures: Figures, *, asked: Span, with_people: bool) -> list[Table | Chart]:
    """`asked`: the days that were asked for, where the figures have fewer. At most seven blocks."""
    blocks: list[Table | Chart] = [_chart(figures), _per_week(figures)]
    if figures.groups:
        blocks.append(_per_group(figures))
        blocks.append(_per_week_and_group(figures, "Created", lambda count: count.created))
        blocks.append(_per_week_and_group(figures, "Done", lambda count: count.done))
    if with_people:
        blocks.append(_per_person(figures))
    blocks.append(_about([_days(figures.span, asked), *_notes(figures), *([WITHHELD] if with_people else [])]))
    return blocks


def without_days(asked: Span) -> list[Table | Chart]:
    words = f"There is no day from {asked.since} to {asked.until}: give a last day that is not before the first."
    return [_about([words])]


def _about(notes: Sequence[str]) -> Table:
    return Table(["About these figures"], [[note] for note in notes])


def _chart(figures: Figures) -> Chart:
    weeks = _weeks(figures.span)
    created = [(week, float(count.created)) for week, count in zip(weeks, figures.total, strict=True)]
    done = [(week, float(count.done)) for week, count in zip(weeks, figures.total, strict=True)]
    total = summed(figures.total)
    alt = f"From {weeks[0]} to {weeks[-1]}: {total.created} tasks created, {total.done} done."
    return Chart("bar", [Series("Created", created), Series("Done", done)], alt, "Tasks created and done per week")


def _per_week(figures: Figures) -> Table:
    rows: list[list[Inline]] = [
        [name_of(monday), monday.isoformat(), str(count.created), str(count.done)]
        for monday, count in zip(figures.span.mondays, figures.total, strict=True)
    ]
    total = summed(figures.total)
    rows.append(["Total", "", str(total.created), str(total.done)])
    return Table(["Week", "From", "Created", "Done"], rows, "Per week")


def _per_group(figures: Figures) -> Table:
    sums = [(label, summed(counts)) for label, counts in zip(_labels(figures), figures.by_group, strict=True)]
    rows: list[list[Inline]] = [
        [label, str(count.created), str(count.done)] for label, count in [*sums, ("Total", summed(figures.total))]
    ]
    return Table(["Department", "Created", "Done"], rows, "Per department")


def _per_week_and_group(figures: Figures, what: str, number: Callable[[Count], int]) -> Table:
    rows: list[list[Inline]] = [
        [week, *(str(number(counts[index])) for counts in figures.by_group), str(number(total))]
        for index, (week, total) in enumerate(zip(_weeks(figures.span), figures.total, strict=True))
    ]
    return Table(["Week", *_labels(figures), "Total"], rows, f"{what} per week and department")


def _per_person(figures: Figures) -> Table:
    """The host writes the names: this app never has them."""
    rows: list[list[Inline]] = [
        [Who(person), str(count.created), str(count.done)] for person, count in figures.people[:MOST_PEOPLE]
    ]
    others = figures.people[MOST_PEOPLE:]
    if others:
        count = summed(tuple(count for _, count in others))
        rows.append([f"{len(others)} others", str(count.created), str(count.done)])
    return Table(["Assigned to", "Created", "Done"], rows, "Per person")


def _notes(figures: Figures) -> list[str]:
    if not figures.groups:
        return [UTC, TOO_FEW]
    notes = [UTC, TWICE]
    if figures.joined:
        notes.append(f"{SMALLER}: {_names(figures.joined)}. They are too small to be shown one by one.")
    notes.append(f"{NO_DEPARTMENT}: tasks that nobody of a department is assigned to.")
    return notes


def _days(span: Span, asked: Span) -> str:
    cut = f"; the days from {asked.since} on were asked for, and a report has at most {len(span.mondays)} weeks"
    return f"Days from {span.since} to {span.until}, both included" + (cut if span != asked else "") + "."


def _names(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(map(_short, names[:MOST_NAMES])) + (f" and {more} more" if more > 0 else "")


def _labels(figures: Figures) -> list[str]:
    return [_short(label) for label in figures.groups]


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"


def _pair(count: Count) -> str:
    return f"{count.created} / {count.done}"


def _weeks(span: Span) -> list[str]:
    return [name_of(monday) for monday in span.mondays]
