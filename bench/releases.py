"""First-time releases as fast as they go."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import sqlalchemy as sa
from bench.apps import SCOPES
from sqlalchemy.engine import Connection

from assigntask.app import Platform
from assigntask.db import tables as t
from assigntask.gate.gate import Slot
from assigntask.grants.grant import Actor, Grant
from assigntask.ledger.channel import Channel
from assigntask.tasks import tasks as rows
from assigntask.tasks.facts import TaskFacts
from assigntask_sdk.details import details_of

EVERYTHING = details_of(SCOPES["reader"])
NO_PEOPLE = details_of(["tasks:read"])
VERSIONS_EACH = 10**9
"""Each process counts versions from a place of its own, so that no two make the same entry."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is released to whom, by id."""

    organisation_id: str
    installation_id: str
    id: str


@dataclass(frozen=True, slots=True)
class Releases:
    platform: Platform
    grant: Grant
    task: Task
    facts: TaskFacts
    needs: frozenset[str]
    versions: Iterator[int]

    @classmethod
    async def open(cls, platform: Platform, task: Task, *, people: bool, number: int = 0) -> Self:
        grant = await platform.grants.current(task.organisation_id, task.installation_id, Actor.installation())
        facts = await platform.db.read(rows.get, task.organisation_id, task.id)
        if facts is None:
            raise LookupError("the task to release is not there")
        needs = EVERYTHING if people else NO_PEOPLE
        return cls(platform, grant, task, facts, needs, itertools.count(2 + number * VERSIONS_EACH))

    async def one(self) -> None:
        """The task as if it had just been changed: what is released was never recorded."""
        slots = {"task": Slot(replace(self.facts, version=next(self.versions)))}
        released = await self.platform.gate.release(self.grant, self.needs, slots, channel=Channel.API)
        if released.entry_id is None:
            raise AssertionError("a first-time release was taken for a repeat")

    async def rate(self, writers: int, seconds: float) -> float:
        """Releases per second, by so many tasks at once."""
        begun = time.perf_counter()
        until = begun + seconds
        counts = await asyncio.gather(*(self._until(until) for _ in range(writers)))
        return sum(counts) / (time.perf_counter() - begun)

    async def _until(self, until: float) -> int:
        count = 0
        while time.perf_counter() < until:
            await self.one()
            count += 1
        return count

    async def size(self) -> int:
        """Bytes of all the rows of one entry."""
        await self.one()
        return await self.platform.db.read(_size_of_newest, self.task.organisation_id)


def _size_of_newest(conn: Connection, organisation_id: str) -> int:
    def found(table: sa.Table, *wanted: sa.ColumnElement[bool]) -> Sequence[sa.Row[tuple[object, ...]]]:
        return conn.execute(sa.select(table).where(table.c.organisation_id == organisation_id, *wanted)).all()

    entry = t.ledger_entry.c
    newest = conn.execute(
        sa.select(entry.id).where(entry.organisation_id == organisation_id).order_by(entry.row.desc()).limit(1)
    ).scalar_one()
    rows = [
        *found(t.ledger_entry, entry.id == newest),
        *found(t.ledger_subject, t.ledger_subject.c.entry_id == newest),
        *found(t.ledger_value, t.ledger_value.c.entry_id == newest),
    ]
    return sum(_bytes(value) for row in rows for value in row)


def _bytes(value: object) -> int:
    return 0 if value is None else len(value) if isinstance(value, bytes) else len(str(value).encode())
