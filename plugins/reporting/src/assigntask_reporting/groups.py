"""Which departments may be shown by themselves: decided before anything is counted by department. Pure.

A department with fewer people than the threshold (5, or more by a setting) is never shown by itself. Leaving
its row out would not be enough: where a total and all other rows are shown, the row that is missing is the
difference. So instead of hiding numbers, departments are **joined** before counting, and a table is made from
the joined groups alone:

1. All departments under the threshold become one group, "Smaller departments".
2. Where these have too few people together (also: where there is only one), the next larger department joins
   them, and so on. The totals stay complete, which is worth more to a reader than one more row.
3. Where all departments together are too few, nothing is shown by department.

A task counts once for a group, however many of its departments work on it. So no number depends on which of the
joined departments had a task, and no sum or difference of shown numbers can tell it. `Groups.of` is the
only way from departments to groups, and `figures` counts nothing finer.

This holds within one table. Between tables it holds where they join the same departments. A report reads all
tasks, whatever its days are, so every report joins alike, and its decision is remembered for the boards: a board
joins what the report joined, and where that gives a group with too few people, it shows none by department. What it
can't protect against is comparing figures from before and after people changed departments.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

MOST = 30  # groups in one table: a column each
SMALLER = "Smaller departments"
NO_DEPARTMENT = "No department"


@dataclass(frozen=True, slots=True)
class Groups:
    """The departments that are shown by themselves, and those that are joined into one group. Sorted by name."""

    single: tuple[str, ...]
    joined: tuple[str, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """What the groups are called, in the order of their indexes; the last one has no department."""
        return (*self.single, *((SMALLER,) if self.joined else ()), NO_DEPARTMENT)

    def of(self, departments: Iterable[str]) -> frozenset[int]:
        """The indexes into `labels` of the groups that these departments belong to.

        Raises KeyError for a department that was not there when the groups were decided.
        """
        known = {name: index for index, name in enumerate(self.single)}
        known |= dict.fromkeys(self.joined, len(self.single))
        found = frozenset(known[name] for name in departments)
        return found or frozenset({len(self.labels) - 1})


def for_report(sizes: Mapping[str, int], threshold: int, most: int = MOST) -> Groups | None:
    """`sizes`: the number of people in each department. None: nothing is to be shown by department."""
    ordered = sorted(sizes, key=lambda name: (sizes[name], name))
    count = sum(1 for name in ordered if sizes[name] < threshold)
    while 0 < count < len(ordered) and _people(sizes, ordered[:count]) < threshold:
        count += 1
    if count and _people(sizes, ordered[:count]) < threshold:
        return None
    return _groups(ordered, count, most)


def for_board(
    sizes: Mapping[str, int], threshold: int, joined_before: Collection[str] | None, most: int = MOST
) -> Groups | None:
    """`joined_before`: what the latest report joined; None where there was none yet, so that nothing can be compared.

    Joining a further department here, which reports show by itself, would let one subtract it again: so where the
    group has too few people nothing is shown by department. The group names all that the report joined, also those
    that don't work on this board: a group known to be one department would be that department's figures.
    """
    if joined_before is None:
        return for_report(sizes, threshold, most)
    join = {name for name in sizes if sizes[name] < threshold or name in joined_before}
    if join and _people(sizes, join) < threshold:
        return None
    if join:
        join |= set(joined_before)
    rest = sorted((name for name in sizes if name not in join), key=lambda name: (sizes[name], name))
    return _groups([*join, *rest], len(join), most)


def _groups(ordered: list[str], count: int, most: int) -> Groups:
    """Joins the first `count`, and more of them where there would be too many groups for one table."""
    if len(ordered) - count + min(count, 1) > most:
        count = len(ordered) - most + 1
    return Groups(tuple(sorted(ordered[count:])), tuple(sorted(ordered[:count])))


def _people(sizes: Mapping[str, int], names: Iterable[str]) -> int:
    return sum(sizes[name] for name in names)
