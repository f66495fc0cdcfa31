"""A platform in memory for a test, and another one that goes on from where the first one is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.app import Clock, Platform
from assigntask.db import tables as t
from assigntask.installations.directory import Directory
from assigntask.ledger.subjects import SubjectKeys
from assigntask.settings import Settings
from assigntask_sdk.apps import InstalledApp

from .witness import WatchedRegistry, Witness

_Rows = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Opening:
    """What a platform is opened with. `settings` hold its keys."""

    settings: Settings
    apps: Sequence[InstalledApp]
    clock: Clock

    @asynccontextmanager
    async def opened(self, witness: Witness) -> AsyncIterator[Platform]:
        async with Platform.open(
            self.settings,
            clock=self.clock,
            directory=Directory(lambda: list(self.apps)),
            registry=lambda find: WatchedRegistry(find, witness),
        ) as platform:
            yield platform


@dataclass(frozen=True, slots=True)
class Copy:
    """All that a platform in memory held at one moment."""

    opening: Opening
    rows: _Rows
    subject_keys: Mapping[str, bytes | None]

    @classmethod
    async def of(cls, opening: Opening, platform: Platform) -> Copy:
        return cls(opening, await platform.db.read(_rows), platform.subject_keys.wrapped())

    @asynccontextmanager
    async def opened(self, witness: Witness) -> AsyncIterator[Platform]:
        """Another platform that begins there, with the same keys, and knows nothing of the first one."""
        async with self.opening.opened(witness) as platform:
            await platform.db.write(_fill, self.rows)
            _take(platform.subject_keys, self.subject_keys)
            yield platform


def _rows(conn: Connection) -> _Rows:
    return {table.name: [dict(row._mapping) for row in conn.execute(sa.select(table))] for table in _tables()}


def _fill(conn: Connection, rows: _Rows) -> None:
    conn.execute(sa.text("PRAGMA defer_foreign_keys = ON"))
    for table in _tables():
        if rows[table.name]:
            conn.execute(sa.insert(table), [dict(row) for row in rows[table.name]])


def _take(keys: SubjectKeys, wrapped: Mapping[str, bytes | None]) -> None:
    for subject_id, each in wrapped.items():
        keys.take(subject_id, each)


def _tables() -> Sequence[sa.Table]:
    return t.metadata.sorted_tables
