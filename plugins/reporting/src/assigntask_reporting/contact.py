"""Whom to write to when figures turn out to have been wrong: the person who installed the app.

Kept in the installation's store rather than in the person's own: when a person withdraws, the id that the app knew
opens no store any more, and the address has to go at that very moment.
"""

from __future__ import annotations

from assigntask_sdk import Ctx, Delete, Person, Put

KEY = "contact"


async def keep(ctx: Ctx, installer: Person | None) -> None:
    """Without an address there is nothing to keep: the person objected, or has none."""
    email = getattr(installer, "email", None)
    if installer is not None and not installer.withheld and email is not None:
        await ctx.storage.commit(Put(KEY, {"person": installer.id, "email": email}))


async def erase(ctx: Ctx, person: Person) -> None:
    """Erases the address where it is this person's. `person` has nothing but the id that the app knew."""
    kept = await ctx.storage.get(KEY)
    if kept is not None and isinstance(kept.value, dict) and kept.value.get("person") == person.id:
        await ctx.storage.commit(Delete(KEY, if_version=kept.version))
