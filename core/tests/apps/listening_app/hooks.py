"""Writes down what it hears, in the order in which it hears it. A task's summary says what else it is to do."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from assigntask_sdk import Conflict, Ctx, More, Put, TryLater, hook
from assigntask_sdk.hooks import (
    CommentAdded,
    Installed,
    PersonForgotten,
    PersonWithdrawn,
    TaskChanged,
    Uninstalling,
    Upgraded,
)

reached, go_on = threading.Event(), threading.Event()


async def note(ctx: Ctx, kind: str, ask: Any, said: str = "") -> int:
    """How many were noted before."""
    count = 0
    async for _ in ctx.storage.scan("heard/"):
        count += 1
    await ctx.storage.commit(Put(f"heard/{count:06}", [kind, ask.id, said]))
    return count


@hook.installed
async def installed(ctx: Ctx, ask: Installed) -> None:
    installer = ask.contacts.get("installer")
    await note(ctx, "installed", ask, "" if installer is None else installer.email or "")


@hook.upgraded
async def upgraded(ctx: Ctx, ask: Upgraded) -> More | None:
    heard = [entry.value async for _, entry in ctx.storage.scan("heard/")]
    await note(ctx, "upgraded", ask, ask.from_version)
    return More() if sum(isinstance(one, list) and one[0] == "upgraded" for one in heard) < 2 else None


@hook.uninstalling
async def uninstalling(ctx: Ctx, ask: Uninstalling) -> None:
    await note(ctx, "uninstalling", ask, ask.wiped_at.isoformat())


@hook.person_forgotten
async def person_forgotten(ctx: Ctx, ask: PersonForgotten) -> None:
    await note(ctx, "person_forgotten", ask, ask.person.id)


@hook.person_withdrawn
async def person_withdrawn(ctx: Ctx, ask: PersonWithdrawn) -> None:
    await note(ctx, "person_withdrawn", ask, ask.person.id)


@hook.task_changed
async def changed(ctx: Ctx, ask: TaskChanged) -> None:
    summary = ask.task.summary
    if summary == "break":
        raise RuntimeError("broken")
    if summary == "later":
        raise TryLater(after=7)
    if summary == "wait":
        reached.set()
        await asyncio.to_thread(go_on.wait, 10)
    if summary == "conflict":
        raise Conflict("somebody else was first")
    who = "nobody" if ask.by is None else ask.by.id
    await note(ctx, "task_changed", ask, f"{summary} | {','.join(sorted(ask.changed))} | {who}")


@hook.comment_added
async def commented(ctx: Ctx, ask: CommentAdded) -> None:
    await note(ctx, "comment_added", ask, ask.comment.text)
