"""Writes down each record that it is given before it does anything else.

A line is in the file (the kernel's copy of it, which outlives a killed process) when `os.write` returns, so the
file stands for what has reached the app.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from assigntask_sdk import Badge, Ctx, Put, hook
from assigntask_sdk.errors import AppError
from assigntask_sdk.hooks import (
    Badges,
    CommentAdded,
    Installed,
    PersonForgotten,
    PersonWithdrawn,
    TaskBadges,
    TaskChanged,
    Uninstalling,
)
from assigntask_sdk.records import Record

Seen = tuple[str, str, int, list[str]]
"""Kind, id, version and details of a record."""

NO_DETAIL = {"id", "version", "withheld"}


@cache
def _file() -> int:
    return os.open(os.environ["KILL_WITNESS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def received(ctx: Ctx, hook_name: str, given: Any, *, delivery: str | None = None, told: Sequence[str] = ()) -> None:
    """`told`: details that a person's record tells by its place alone."""
    records = [(*record, [*details, *told]) for *record, details in seen(given)]
    line = {
        "is": "received",
        "installation": ctx.settings["installation"],
        "hook": hook_name,
        "delivery": delivery,
        "records": records,
    }
    os.write(_file(), b"\n" + json.dumps(line).encode())


def seen(given: Any) -> Iterator[Seen]:
    """Every record in what was given, also those inside other records. Somebody withheld is nobody."""
    if isinstance(given, Record):
        fields = {name: getattr(given, name) for name in given}
        if "id" in fields:
            details = [f"{given.kind}.{name}" for name in fields if name not in NO_DETAIL]
            yield given.kind, fields["id"], fields["version"], details
        given = fields
    if isinstance(given, Mapping):
        given = list(given.values())
    if isinstance(given, list | tuple):
        for one in given:
            yield from seen(one)


@hook.installed
async def installed(ctx: Ctx, ask: Installed) -> None:
    received(ctx, "installed", ask.contacts, delivery=ask.id)
    if ask.by is not None:
        received(ctx, "installed", ask.by, told=["viewer.change"])


@hook.uninstalling
async def uninstalling(ctx: Ctx, ask: Uninstalling) -> None:
    received(ctx, "uninstalling", (), delivery=ask.id)


@hook.person_forgotten
async def forgotten(ctx: Ctx, ask: PersonForgotten) -> None:
    received(ctx, "person_forgotten", (), delivery=ask.id)


@hook.person_withdrawn
async def withdrawn(ctx: Ctx, ask: PersonWithdrawn) -> None:
    received(ctx, "person_withdrawn", (), delivery=ask.id)


@hook.task_changed
async def changed(ctx: Ctx, ask: TaskChanged) -> None:
    received(ctx, "task_changed", ask.task, delivery=ask.id)
    if ask.by is not None:
        received(ctx, "task_changed", ask.by, told=["viewer.change"])
    try:  # everything that the grant opens, beside what the hook is given
        received(ctx, "ctx", await ctx.tasks.get(ask.task.id))
        if ask.by is not None:
            received(ctx, "ctx", await ctx.people.get(ask.by.id))
        await ctx.storage.commit(Put(f"seen/{ask.task.id}", ask.task.version))
    except AppError:
        return  # uninstalled, or somebody withdrew, at this very moment


@hook.comment_added
async def commented(ctx: Ctx, ask: CommentAdded) -> None:
    received(ctx, "comment_added", ask.comment, delivery=ask.id)
    try:
        async for person in ctx.people.list():
            received(ctx, "ctx", person)
    except AppError:
        return


@hook.task_badges
async def badges(ctx: Ctx, ask: TaskBadges) -> Badges:
    received(ctx, "task_badges", ask.tasks)
    return {task.id: [Badge(str(len(task.summary)))] for task in ask.tasks}
