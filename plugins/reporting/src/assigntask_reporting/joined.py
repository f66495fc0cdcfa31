"""Remembers which departments reports join, so that boards join the same. Names of departments, nobody's data."""

from __future__ import annotations

from assigntask_sdk import Ctx, Put

from .groups import Groups

KEY = "joined"


async def recall(ctx: Ctx) -> frozenset[str] | None:
    """None where there was no report yet."""
    kept = await ctx.storage.get(KEY)
    if kept is None or not isinstance(kept.value, list):
        return None
    return frozenset(str(name) for name in kept.value)


async def remember(ctx: Ctx, groups: Groups | None) -> None:
    """Writes only what changed. Where nothing is shown by department there is nothing that a board could give away."""
    joined = groups.joined if groups is not None else ()
    if await recall(ctx) != frozenset(joined):
        await ctx.storage.commit(Put(KEY, list(joined)))
