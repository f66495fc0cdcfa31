"""Reading tasks through `ctx`, page by page, into a tally: only the fields that are counted are asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator

from assigntask_sdk import Ctx, Project, Task

from .figures import Fact, Tally
from .weeks import Span, day_of

COUNTED = ("created", "done", "departments")


async def whole_tally(ctx: Ctx, span: Span, *, with_people: bool) -> Tally:
    """All tasks in reach, archived too: also those outside of the span, so that all reports see all departments."""
    fields = (*COUNTED, "assignees") if with_people else COUNTED
    tally = Tally(span)
    await _add(tally, ctx.tasks.list(fields=fields), with_people=with_people)
    await _add(tally, ctx.tasks.list(fields=fields, archived=True), with_people=with_people)
    return tally


async def project_tally(ctx: Ctx, project: Project, span: Span) -> Tally:
    """The project's tasks that changed since the span began: whatever was created or done in it is among them."""
    tally = Tally(span)
    since = span.starts_at
    await _add(tally, ctx.tasks.list(fields=COUNTED, project=project.id, updated_since=since))
    await _add(tally, ctx.tasks.list(fields=COUNTED, project=project.id, updated_since=since, archived=True))
    return tally


async def _add(tally: Tally, tasks: AsyncIterator[Task], *, with_people: bool = False) -> None:
    async for task in tasks:
        tally.add(fact_of(task, with_people=with_people))


def fact_of(task: Task, *, with_people: bool) -> Fact:
    """Raises NotShared where a field was not released: figures with a part missing would be wrong."""
    return Fact(
        created=day_of(task.created),
        done=day_of(task.done) if task.done is not None else None,
        departments={count.department: count.members for count in task.departments},
        people=frozenset(person.id for person in task.assignees if not person.withheld) if with_people else frozenset(),
    )
