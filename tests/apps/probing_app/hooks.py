"""Tries, within each hook, everything that a `ctx` has, and keeps what came of it in its storage."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import asdict, is_dataclass
from typing import Any

from assigntask_sdk import Badge, Ctx, Delete, More, Put, Table, Text, hook
from assigntask_sdk.errors import AppError
from assigntask_sdk.hooks import (
    AttachmentAdded,
    AttachmentRemoved,
    Badges,
    BoardPanel,
    CommentAdded,
    Guard,
    Installed,
    JobAsk,
    Panel,
    PersonChanged,
    PersonForgotten,
    PersonWithdrawn,
    ProjectChanged,
    Report,
    Tables,
    TaskBadges,
    TaskChanged,
    TaskPanel,
    TaskSaving,
    Uninstalling,
    Upgraded,
)
from assigntask_sdk.records import Record

Try = Callable[[Ctx], Awaitable[Any]]
FULL = 4
NOWHERE: Any = "0197a5a0-0000-7000-8000-000000000000"


def plain(value: Any) -> Any:
    """As JSON has it, fields of records in order."""
    if isinstance(value, Record):
        return {name: plain(getattr(value, name)) for name in sorted(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    return value if isinstance(value, str | int | float | bool | None) else str(value)


async def every(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]


async def people(ctx: Ctx, **options: Any) -> list[Any]:
    """By name: the host lists them in the order of their ids, which are random."""
    found = await every(ctx.people.list(**options))
    return sorted(found, key=lambda person: str(getattr(person, "name", "")))


async def people_with(ctx: Ctx, field: str) -> list[bool]:
    """Of how many it was told: nobody has a name here by which to put them in order."""
    return sorted([field in person async for person in ctx.people.list(fields=[field])])


async def two_pieces() -> AsyncIterator[bytes]:
    for piece in (b"one,two\n", b"3,4\n"):
        yield piece


async def tried(ctx: Ctx, name: str, tries: Mapping[str, Try]) -> None:
    """What each gave, or the error; under the name of the hook and a number that goes up, to FULL."""
    count = len(await every(ctx.storage.scan(f"{name}/")))
    if count == FULL:
        return
    came: dict[str, Any] = {}
    for what, attempt in tries.items():
        try:
            came[what] = plain(await attempt(ctx))
        except AppError as error:
            came[what] = error.to_json()
    await ctx.storage.commit(Put(f"{name}/{count:03}", json.loads(json.dumps(came))))


READS: Mapping[str, Try] = {
    "organisation": lambda ctx: ctx.organisation.get(),
    "departments": lambda ctx: ctx.departments.list(),
    "projects": lambda ctx: ctx.projects.list(),
    "types": lambda ctx: ctx.task_types.list(),
    "people": people,
    "names": lambda ctx: people(ctx, fields=["name"]),
    "addresses": lambda ctx: people_with(ctx, "email"),
    "tasks": lambda ctx: every(ctx.tasks.list()),
    "done": lambda ctx: every(ctx.tasks.list(done=True, fields=["summary"])),
    "nowhere": lambda ctx: ctx.tasks.get(NOWHERE),
    "nobody": lambda ctx: ctx.people.get(NOWHERE),
    "many": lambda ctx: ctx.tasks.get_many([NOWHERE]),
    "wrong field": lambda ctx: every(ctx.tasks.list(fields=["colour"])),
    "problems": lambda ctx: ctx.problems.list(),
    "jobs": lambda ctx: ctx.jobs.list(),
}


async def written(ctx: Ctx) -> Any:
    store = ctx.storage
    await store.commit(Put("kept", {"a": [1, 2.5, None, "ü🙂"]}), Put("bytes", b"\x00\xff"))
    await store.commit(Put("gone", 1))
    await store.commit(Delete("gone"))
    found = await store.get_many(["kept", "bytes", "gone"])
    return {key: [entry.value, entry.version > 0] for key, entry in sorted(found.items())}


async def overtaken(ctx: Ctx) -> None:
    await ctx.storage.commit(Put("kept", 1, if_version=0))


async def of_task(ctx: Ctx, task: Any) -> Any:
    await ctx.storage.task(task).commit(Put("mark", "on the task"))
    return await ctx.storage.task(task).get("mark")


async def of_person(ctx: Ctx, person: Any) -> Any:
    await ctx.storage.person(person).commit(Put("mark", "on the person"))
    entry = await ctx.storage.person(person).get("mark")
    return None if entry is None else entry.value


async def problems(ctx: Ctx) -> Any:
    await ctx.problems.report("odd", "Something is odd", severity="info")
    await ctx.problems.report("gone", "Nothing")
    await ctx.problems.clear("gone")
    return await ctx.problems.list()


async def as_somebody(ctx: Ctx, person: Any) -> Any:
    return await every(ctx.as_person(person).tasks.list(fields=["summary"]))


async def work(ctx: Ctx, task: Any, project: Any) -> Any:
    """Everything that changes tasks, once: the keys are the same each time."""
    made = await ctx.tasks.create("By the app", project=project, key="one", labels=["made"])
    version = await ctx.tasks.edit(made, description="Changed")
    comment = await ctx.tasks.comment(task, "Seen by the app", key=f"seen {task}")
    link = await ctx.attachments.add(task, "Report", "https://reports.example/1", key=f"link {task}")
    file = await ctx.attachments.add_file(made, "figures.csv", two_pieces(), key="file")
    content = b"".join(await every(ctx.attachments.content(file)))
    checklist = await ctx.checklists.add(made, "Steps", ["one"], key="steps")
    item = await ctx.checklists.add_item(checklist, "two", key="two")
    await ctx.checklists.set_done(item, True)
    await ctx.refresh(task)
    return [made, version, comment, link, content, await ctx.tasks.get(made), await ctx.attachments.list(made)]


async def events(ctx: Ctx) -> Any:
    page = await ctx.events.list(limit=3)
    return [[type(item).__name__ for item in page.items], (await ctx.events.list(after=page.next or "")).next is None]


@hook.installed
async def installed(ctx: Ctx, ask: Installed) -> None:
    await tried(ctx, "installed", {**READS, "write": written, "overtaken": overtaken, "problems": problems})
    await ctx.storage.commit(Put("installer", plain(ask.contacts)))


@hook.upgraded
async def upgraded(ctx: Ctx, ask: Upgraded) -> More | None:
    before = await ctx.storage.get("upgraded")
    await ctx.storage.commit(Put("upgraded", ask.from_version))
    return More() if before is None else None


@hook.uninstalling
async def uninstalling(ctx: Ctx, ask: Uninstalling) -> None:
    await tried(ctx, "uninstalling", {"tasks": READS["tasks"], "write": written, "problems": problems})


@hook.person_forgotten
async def forgotten(ctx: Ctx, ask: PersonForgotten) -> None:
    await tried(ctx, "person_forgotten", {"person": lambda ctx: ctx.people.get(ask.person.id)})


@hook.person_withdrawn
async def withdrawn(ctx: Ctx, ask: PersonWithdrawn) -> None:
    tries: Mapping[str, Try] = {
        "person": lambda ctx: ctx.people.get(ask.person.id),
        "store": lambda ctx: of_person(ctx, ask.person.id),
        "as": lambda ctx: as_somebody(ctx, ask.person.id),
    }
    await tried(ctx, "person_withdrawn", tries)


@hook.job
async def job(ctx: Ctx, ask: JobAsk) -> More | None:
    known = await ctx.jobs.get(ask.id)
    done = (known.done or 0) + 1
    await ctx.jobs.progress(ask.id, done, ask.args["to"], f"{done} counted")
    await tried(ctx, "job", READS)
    return More() if done < ask.args["to"] else None


@hook.task_changed
async def changed(ctx: Ctx, ask: TaskChanged) -> None:
    task = await ctx.tasks.get(ask.task.id)
    tries: dict[str, Try] = {
        **READS,
        "task": lambda ctx: ctx.tasks.get(ask.task.id, fields=["due", "assignees", "person.name"]),
        "comments": lambda ctx: ctx.comments.list(ask.task.id),
        "attachments": lambda ctx: ctx.attachments.list(ask.task.id),
        "work": lambda ctx: work(ctx, ask.task.id, task.project),
        "old": lambda ctx: ctx.tasks.edit(ask.task.id, if_version=0, summary="lost"),
        "invalid": lambda ctx: ctx.tasks.edit(ask.task.id, status="no such status"),
        "store": lambda ctx: of_task(ctx, ask.task.id),
        "job": lambda ctx: ctx.jobs.start("count", {"to": 2}, key="changed"),
        "events": events,
    }
    if ask.by is not None and not ask.by.withheld:
        tries["as"] = lambda ctx: as_somebody(ctx, ask.by.id)  # type: ignore[union-attr]
        tries["person"] = lambda ctx: of_person(ctx, ask.by.id)  # type: ignore[union-attr]
    await tried(ctx, "task_changed", tries)


@hook.comment_added
async def commented(ctx: Ctx, ask: CommentAdded) -> None:
    await tried(ctx, "comment_added", {"write": written, "events": events})


@hook.attachment_added
async def attached(ctx: Ctx, ask: AttachmentAdded) -> None:
    task = ask.task.id if ask.task is not None else NOWHERE
    await tried(ctx, "attachment_added", {"attachments": lambda ctx: ctx.attachments.list(task)})


@hook.attachment_removed
async def detached(ctx: Ctx, ask: AttachmentRemoved) -> None:
    await tried(ctx, "attachment_removed", {"gone": lambda ctx: ctx.attachments.remove(ask.attachment.id)})


@hook.project_changed
async def project(ctx: Ctx, ask: ProjectChanged) -> None:
    await tried(ctx, "project_changed", {"projects": READS["projects"]})


@hook.person_changed
async def person(ctx: Ctx, ask: PersonChanged) -> None:
    await tried(ctx, "person_changed", {"person": lambda ctx: ctx.people.get(ask.person.id, fields=["name"])})


@hook.task_saving
async def saving(ctx: Ctx, ask: TaskSaving) -> Guard:
    await tried(ctx, "task_saving", {"people": READS["names"], "write": written})
    return None


@hook.task_badges
async def badges(ctx: Ctx, ask: TaskBadges) -> Badges:
    await tried(ctx, "task_badges", {"done": READS["done"], "types": READS["types"]})
    return {
        task.id: [Badge("late" if task.due is not None and task.due.day < ask.today else "fine")] for task in ask.tasks
    }


@hook.board_panel
async def board(ctx: Ctx, ask: BoardPanel) -> Panel:
    await tried(ctx, "board_panel", READS)
    return [Text([f"{ask.project.name}, {ctx.viewer}, {ctx.settings['depth']}"])]


@hook.task_panel
async def panel(ctx: Ctx, ask: TaskPanel) -> Panel:
    await tried(ctx, "task_panel", {"task": lambda ctx: ctx.tasks.get(ask.task.id), "write": written})
    return [Text([ask.task.summary, *(link.name for link in ask.attachments)])]


@hook.report
async def report(ctx: Ctx, ask: Report) -> Tables:
    await tried(ctx, "report", READS)
    return [Table(["since", "until"], [[ask.since.isoformat(), ask.until.isoformat()]])]
