"""What the tests of the whole host share: apps of the bench, and everything that a database holds."""

from __future__ import annotations

import re
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

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


# --- watching statements ----------------------------------------------------------------------------------------------

HOST_WIDE: Mapping[tuple[str, str], str] = {
    ("assigntask.people.organisations", "listed"): "which organisations there are: the operator's list",
    ("assigntask.people.organisations", "by_name"): "an organisation is found by its name before its id is known",
    ("assigntask.people.organisations", "create"): "it has no id yet",
    ("assigntask.hooks.lines", "due"): "a wake-up: for whom something waits; ids only",
    ("assigntask.actions.forgetting", "_back"): "a sweep: whom an older copy brought back; ids only",
    ("assigntask.ledger.sealing", "waiting_organisations"): "a wake-up: whose entries wait for their place; ids only",
    ("assigntask.installations.wiping", "due"): "a sweep: whose retention is over; ids only",
    ("assigntask.actions.forgetting", "_all_forgotten"): "a sweep: whose key may still be there; ids only",
}
"""Functions whose statements are the host's own, and why."""

OF_ORGANISATIONS = frozenset(table.name for table in t.metadata.sorted_tables if "organisation_id" in table.c)
PLACE = re.compile(r"(?:\bFROM|\bJOIN|\bUPDATE|\bINTO|,)\s+(\w+)(?:\s+AS\s+(\w+))?(?![\w.])")


class Watch:
    """`complaints`: statements that are not held to one organisation. `acting` and `others`: ids of organisations."""

    allowed = HOST_WIDE

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self.seen = 0
        self.host_wide: set[tuple[str, str]] = set()
        self.acting: str | None = None
        self.others: frozenset[str] = frozenset()

    def look(self, _conn: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        tables = {match[1]: match[2] or match[1] for match in PLACE.finditer(statement)}
        held = {name: known for name, known in tables.items() if name in OF_ORGANISATIONS or name == "organisation"}
        if not held:
            return
        self.seen += 1
        allowed = [place for place in _callers() if place in HOST_WIDE]
        if allowed:
            self.host_wide.add(allowed[0])
            return
        loose = [name for name, known in held.items() if not _held(statement, name, known)]
        if loose:
            self.complaints.append(f"{', '.join(loose)} in: {statement}")
        for row in parameters if many else [parameters]:
            values = set(row.values() if isinstance(row, Mapping) else row)
            if self.acting is not None and (self.acting not in values or values & self.others):
                self.complaints.append(f"not held to the organisation: {statement}")


def _held(statement: str, name: str, known: str) -> bool:
    column = "id" if name == "organisation" else "organisation_id"
    if re.match(rf"INSERT INTO {name}\b", statement):
        return re.search(rf"\([^)]*\b{column}\b[^)]*\)", statement) is not None
    return re.search(rf"\b{known}\.{column}\s*(?:=|IN\b)|=\s*{known}\.{column}\b", statement) is not None


def _callers() -> Iterator[tuple[str, str]]:
    frame = sys._getframe(1)
    while frame.f_back is not None:
        frame = frame.f_back
        yield frame.f_globals.get("__name__", ""), frame.f_code.co_name


@contextmanager
def _watching() -> Iterator[Watch]:
    watch = Watch()
    sa.event.listen(Engine, "before_cursor_execute", watch.look)
    try:
        yield watch
    finally:
        sa.event.remove(Engine, "before_cursor_execute", watch.look)


Watching = Callable[[], AbstractContextManager[Watch]]


@pytest.fixture
def watching() -> Watching:
    """`with watching() as watch:` looks at every statement meanwhile, on every database."""
    return _watching
