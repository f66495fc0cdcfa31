"""What a unit of work wants said in this process once it was committed, and not at all where it was not."""

from __future__ import annotations

from contextvars import ContextVar

Announcement = tuple[str, ...]
"""A name, and ids that belong to it."""

ANNOUNCED: ContextVar[set[Announcement] | None] = ContextVar("announced", default=None)


def announce(name: str, *ids: str) -> None:
    """To be called inside a unit of work. Whoever listens to the `Database` hears it after the commit.

    It is a hint: a process that dies in between says nothing, and other processes hear nothing. Equal ones are said
    once. Outside of a unit it is lost.
    """
    announced = ANNOUNCED.get()
    if announced is not None:
        announced.add((name, *ids))
