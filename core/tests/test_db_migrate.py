import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.engine import Connection, Engine

from assigntask.db import Database, DatabaseUrlInvalid, DatabaseVersion
from assigntask.db import migrate as migrate_module
from assigntask.db.migrate import head, is_current, migrate, upgrade, write_revision

FIRST = """
import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table("shelf", sa.Column("id", sa.Integer, primary_key=True))
    op.create_table(
        "book",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("shelf_id", sa.Integer, sa.ForeignKey("shelf.id", ondelete="CASCADE"), nullable=False),
    )
    op.execute("INSERT INTO shelf VALUES (1)")
    op.execute("INSERT INTO book VALUES (1, 1)")
"""
SECOND = """
import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str = "0001"


def upgrade() -> None:
    with op.batch_alter_table("shelf") as shelf:
        shelf.add_column(sa.Column("name", sa.String(50)))
        shelf.create_check_constraint("ck_shelf_id", "id > 0")
"""
BROKEN = """
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("CREATE TABLE half (id INTEGER)")
    op.execute("INSERT INTO nowhere VALUES (1)")
"""


@pytest.fixture
def versions(tmp_path: Path) -> Path:
    folder = tmp_path / "100% of the: versions"
    folder.mkdir()
    (folder / "0001.py").write_text(FIRST)
    return folder


@pytest.fixture
def empty_url(database_url: str, tmp_path: Path) -> str:
    """A database without any table, on the same kind of server."""
    if database_url.startswith("sqlite"):
        return f"sqlite:///{tmp_path / 'empty.db'}"
    engine = engine_of(database_url)
    with engine.begin() as conn:
        conn.execute(text("DROP SCHEMA public CASCADE"))
        conn.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    return database_url


def engine_of(url: str) -> Engine:
    return create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))


@pytest.fixture
def engine(empty_url: str) -> Iterator[Engine]:
    engine = engine_of(empty_url)
    yield engine
    engine.dispose()


def add(versions: Path, name: str, content: str) -> None:
    (versions / name).write_text(content)
    migrate_module._parents.cache_clear()


def test_an_empty_database_is_brought_to_the_newest_revision_and_rows_survive(
    empty_url: str, engine: Engine, versions: Path
) -> None:
    migrate(empty_url, versions=versions)
    add(versions, "0002.py", SECOND)
    with engine.connect() as conn:
        assert not is_current(conn, versions)
    migrate(empty_url, versions=versions)
    with engine.connect() as conn:
        assert is_current(conn, versions)
        assert {column["name"] for column in inspect(conn).get_columns("shelf")} == {"id", "name"}
        # On SQLite the shelf was rebuilt: its books must not have gone with the old table.
        assert conn.execute(text("SELECT shelf_id FROM book")).scalars().all() == [1]


def test_a_revision_that_fails_leaves_nothing_of_itself_nor_of_those_before_it(
    empty_url: str, engine: Engine, versions: Path
) -> None:
    migrate(empty_url, versions=versions)
    add(versions, "0002.py", SECOND)
    add(versions, "0003.py", BROKEN)
    with pytest.raises(Exception, match="nowhere"):
        migrate(empty_url, versions=versions)
    with engine.connect() as conn:
        assert conn.execute(text("SELECT version_num FROM alembic_version")).scalar() == "0001"
        assert not inspect(conn).has_table("half")
        assert {column["name"] for column in inspect(conn).get_columns("shelf")} == {"id"}


def test_a_database_newer_than_the_program_is_left_alone(empty_url: str, versions: Path) -> None:
    add(versions, "0002.py", SECOND)
    migrate(empty_url, versions=versions)
    (versions / "0002.py").unlink()
    migrate_module._parents.cache_clear()
    with pytest.raises(DatabaseVersion, match="newer") as caught:
        migrate(empty_url, versions=versions)
    assert caught.value.code == "database_version"


MIGRATE = """
import sys
from pathlib import Path
from assigntask.db.migrate import migrate

migrate(sys.argv[1], versions=Path(sys.argv[2]))
"""


def test_processes_that_start_together_migrate_once(empty_url: str, engine: Engine, versions: Path) -> None:
    add(versions, "0002.py", SECOND)
    children = [
        subprocess.Popen([sys.executable, "-W", "error", "-c", MIGRATE, empty_url, str(versions)]) for _ in range(3)
    ]
    assert [child.wait(60) for child in children] == [0, 0, 0]
    with engine.connect() as conn:
        assert conn.execute(text("SELECT count(*) FROM book")).scalar() == 1


def test_alembic_is_not_loaded_when_nothing_is_to_be_done(empty_url: str, versions: Path) -> None:
    migrate(empty_url, versions=versions)
    check = f"{MIGRATE}\nassert not any(m.split('.')[0] == 'alembic' for m in sys.modules)"
    subprocess.run([sys.executable, "-c", check, empty_url, str(versions)], check=True)


async def test_a_database_in_memory_is_upgraded_through_its_only_connection(versions: Path) -> None:
    async with Database.open("sqlite://") as database:
        await database.write(lambda conn: upgrade(conn, versions=versions))
        await database.write(lambda conn: upgrade(conn, versions=versions))
        assert await database.read(lambda conn: is_current(conn, versions))
    with pytest.raises(DatabaseUrlInvalid):
        await asyncio.to_thread(migrate, "sqlite://", versions=versions)


def test_the_program_needs_exactly_one_newest_revision(versions: Path) -> None:
    assert head(versions) == "0001"
    add(versions, "0002.py", SECOND)
    assert head(versions) == "0002"
    add(versions, "0002b.py", SECOND.replace('"0002"', '"0002b"'))
    with pytest.raises(DatabaseVersion, match="2 newest"):
        head(versions)


def test_a_written_revision_makes_the_tables_that_the_program_has(
    empty_url: str, engine: Engine, tmp_path: Path
) -> None:
    versions = tmp_path / "fresh"
    versions.mkdir()
    written = write_revision(empty_url, "first tables", versions=versions)
    assert "import" in written.read_text()
    migrate(empty_url, versions=versions)
    from assigntask.db.tables import metadata

    def tables(conn: Connection) -> set[str]:
        return set(inspect(conn).get_table_names())

    with engine.connect() as conn:
        assert tables(conn) == set(metadata.tables) | {"alembic_version"}
    again = write_revision(empty_url, "nothing is missing", versions=versions)
    assert "    pass\n" in again.read_text()
