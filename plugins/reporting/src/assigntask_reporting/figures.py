"""Counting: tasks are added one by one, and the figures are made once it is known what may be shown. Pure.

Memory grows with weeks, departments and people, not with tasks.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from assigntask_sdk import PersonId

from .groups import Groups
from .weeks import Span


@dataclass(frozen=True, slots=True)
class Fact:
    """What is counted of one task: UTC days, department to the number of people in it, and who is assigned."""

    created: dt.date
    done: dt.date | None
    departments: Mapping[str, int]
    people: frozenset[PersonId] = frozenset()


@dataclass(frozen=True, slots=True)
class Count:
    created: int = 0
    done: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(self.created + other.created, self.done + other.done)


@dataclass(slots=True)
class Tally:
    """What was read so far. `sizes` has every department seen, also on tasks outside of the span."""

    span: Span
    sizes: dict[str, int] = field(default_factory=dict)
    created: Counter[tuple[int, frozenset[str]]] = field(default_factory=Counter)
    done: Counter[tuple[int, frozenset[str]]] = field(default_factory=Counter)
    people: dict[PersonId, Count] = field(default_factory=dict)

    def add(self, fact: Fact) -> None:
        for name, members in fact.departments.items():
            # People may move while tasks are read: the smaller number protects.
            self.sizes[name] = min(members, self.sizes.get(name, members))
        created = self.span.week_of(fact.created)
        done = self.span.week_of(fact.done) if fact.done is not None else None
        if created is None and done is None:
            return
        departments = frozenset(fact.departments)
        if created is not None:
            self.created[created, departments] += 1
        if done is not None:
            self.done[done, departments] += 1
        count = Count(int(created is not None), int(done is not None))
        for person in fact.people:
            self.people[person] = self.people.get(person, Count()) + count


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts per week, oldest week first. The total counts each task once.

    `groups` are the labels and `by_group[group][week]` the counts; a task counts once for each of its groups.
    Without groups nothing may be shown by department. `joined` names the departments in the group that stands for
    several. `people` has those with the most tasks first.
    """

    span: Span
    total: tuple[Count, ...]
    groups: tuple[str, ...] = ()
    by_group: tuple[tuple[Count, ...], ...] = ()
    joined: tuple[str, ...] = ()
    people: tuple[tuple[PersonId, Count], ...] = ()


def figures(tally: Tally, groups: Groups | None) -> Figures:
    """`groups` was decided from `tally.sizes`; None: not by department."""
    weeks = len(tally.span.mondays)
    total = [Count()] * weeks
    by_group = [[Count()] * weeks for _ in groups.labels] if groups is not None else []
    for counter, one in ((tally.created, Count(created=1)), (tally.done, Count(done=1))):
        for (week, departments), tasks in counter.items():
            count = Count(one.created * tasks, one.done * tasks)
            total[week] += count
            for group in groups.of(departments) if groups is not None else ():
                by_group[group][week] += count
    return Figures(
        span=tally.span,
        total=tuple(total),
        groups=groups.labels if groups is not None else (),
        by_group=tuple(tuple(counts) for counts in by_group),
        joined=groups.joined if groups is not None else (),
        people=tuple(sorted(tally.people.items(), key=_most_first)),
    )


def summed(counts: tuple[Count, ...]) -> Count:
    return sum(counts, Count())


def _most_first(item: tuple[PersonId, Count]) -> tuple[int, str]:
    person, count = item
    return -(count.created + count.done), person
