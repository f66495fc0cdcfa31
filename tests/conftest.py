"""What the tests of the whole host share: apps of the bench, and everything that a database holds."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.app import Platform
from assigntask.db import tables as t
from assigntask_sdk.apps import InstalledApp, find_app

HERE = Path(__file__).parent
FOLDERS = (HERE / "apps", HERE.parent / "core" / "tests" / "apps")

BenchApp = Callable[[str], InstalledApp]
Dump = Callable[[Platform], Awaitable[dict[str, list[tuple[Any, ...]]]]]


@pytest.fixture
def forgetful() -> Iterator[None]:
    """Forgets the apps of the bench afterwards, so that their code starts afresh in each test."""
    path = list(sys.path)
    yield
    sys.path[:] = path
    packages = {app.name for folder in FOLDERS for app in folder.iterdir()}
    for name in [name for name in sys.modules if name.partition(".")[0] in packages]:
        del sys.modules[name]


@pytest.fixture
def bench_app(forgetful: None) -> BenchApp:
    """An app of the bench by the name of its package."""

    def find(package: str) -> InstalledApp:
        return find_app(next(folder / package for folder in FOLDERS if (folder / package).is_dir()))

    return find


def rows_of_everything(conn: Connection) -> dict[str, list[tuple[Any, ...]]]:
    return {
        table.name: sorted(
            (tuple(row) for row in conn.execute(sa.select(table))), key=lambda row: [str(value) for value in row]
        )
        for table in t.metadata.sorted_tables
    }


@pytest.fixture
def dump() -> Dump:
    """All rows of all tables, sorted: equal before and after means that nothing was changed."""

    async def everything(platform: Platform) -> dict[str, list[tuple[Any, ...]]]:
        return await platform.db.read(rows_of_everything)

    return everything
