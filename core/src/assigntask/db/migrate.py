"""Brings a database's tables to what this program needs.

Safe to call at every start and from several processes at once: one of them works, the others wait and
find it done. When nothing is to be done, that is found out with one query and without loading Alembic.
"""

import ast
import sqlite3
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from assigntask.db import postgresql, sqlite_connection
from assigntask.db.database import parse
from assigntask.db.errors import DatabaseUrlInvalid, DatabaseVersion

if TYPE_CHECKING:
    from alembic.config import Config

SCRIPTS = Path(__file__).parent / "migrations"
VERSIONS = SCRIPTS / "versions"

WAIT_SECONDS = 600.0  # for another process that is migrating the same database
_LOCK_KEY = 0x61_73_73_69_67_6E  # any number that no other program locks in our database


def head(versions: Path = VERSIONS) -> str:
    """The revision that this program needs. Raises DatabaseVersion when there isn't exactly one."""
    parents = _parents(versions)
    heads = sorted(set(parents) - set(parents.values()))
    if len(heads) != 1:
        raise DatabaseVersion(
            f"The program has {len(heads)} newest revisions of its tables and needs exactly one: install it again."
        )
    return heads[0]


def migrate(url: str, *, versions: Path = VERSIONS) -> None:
    """Creates or upgrades the tables of the database at ``url``, all or nothing.

    Raises DatabaseVersion when the database is newer than the program, and what ``Database.open``
    raises. A database in memory is upgraded through its only connection: ``await db.write(upgrade)``.
    """
    dialect, parsed = parse(url)
    if dialect == "sqlite":
        path = sqlite_connection.file_of(parsed)
        if path is None:
            raise DatabaseUrlInvalid("A database in memory can't be reached by address: migrate a file.")
        try:
            _migrate_sqlite(path, versions)
        except OSError as error:
            raise sqlite_connection.cannot_open(error, path) from error
        except (sqlite3.Error, DBAPIError) as error:
            if (known := sqlite_connection.explain(error, path)) is None:
                raise
            raise known from error
    else:
        try:
            _migrate_postgresql(parsed, versions)
        except (SQLAlchemyError, psycopg.Error) as error:
            if (known := postgresql.explain(error, postgresql.place_of(parsed))) is None:
                raise
            raise known from error


def upgrade(conn: Connection, *, versions: Path = VERSIONS) -> None:
    """As ``migrate``, inside the transaction of ``conn``, which the caller commits."""
    if is_current(conn, versions):
        return
    # Alembic takes a third of a second to load: only those who need it pay.
    from alembic import command  # noqa: PLC0415

    command.upgrade(_config(conn, versions), "head")


def write_revision(url: str, message: str, *, versions: Path = VERSIONS) -> Path:
    """For developers: writes the next revision from what the tables have and the database at ``url`` lacks."""
    from alembic import command  # noqa: PLC0415

    _, parsed = parse(url)
    target = parsed if parsed.drivername == "sqlite" else postgresql.driver_url(parsed)
    engine = create_engine(target, poolclass=NullPool)
    with engine.connect() as conn:
        script = command.revision(_config(conn, versions), message, autogenerate=True)
    _parents.cache_clear()
    if script is None or isinstance(script, list):
        raise DatabaseVersion("Alembic wrote no single revision: look into the folder of revisions.")
    return Path(script.path)


@lru_cache(maxsize=8)
def _parents(versions: Path) -> dict[str, str | None]:
    """Every revision and the one before it, read from the files without running them."""
    found: dict[str, str | None] = {}
    for file in sorted(versions.glob("*.py")):
        values: dict[str, str | None] = {}
        for line in ast.parse(file.read_text(encoding="utf-8")).body:
            target = line.targets[0] if isinstance(line, ast.Assign) else getattr(line, "target", None)
            value = getattr(line, "value", None)
            if isinstance(target, ast.Name) and isinstance(value, ast.Constant):
                values[target.id] = value.value if isinstance(value.value, str) else None
        if revision := values.get("revision"):
            found[revision] = values.get("down_revision")
    return found


def is_current(conn: Connection, versions: Path = VERSIONS) -> bool:
    """Whether the database has the tables that this program needs.

    Raises DatabaseVersion when it has a revision that the program doesn't know.
    """
    if not inspect(conn).has_table("alembic_version"):
        return False
    revision = conn.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if revision is not None and revision not in _parents(versions):
        raise DatabaseVersion(
            "The database was written by a newer version of the program: upgrade the program, or name another database."
        )
    return revision == head(versions)


def _migrate_sqlite(path: str, versions: Path) -> None:
    raw = sqlite_connection.connect(path, lock_seconds=WAIT_SECONDS)
    with closing(raw):
        engine = create_engine("sqlite://", creator=lambda: raw, poolclass=NullPool, hide_parameters=True)
        with engine.connect() as conn:
            if is_current(conn, versions):
                return
            # Rebuilding a table drops the old one, which would take its children along; and the
            # switch has no effect inside a transaction.
            raw.execute("PRAGMA foreign_keys=OFF")
            conn.rollback()
            raw.execute("BEGIN IMMEDIATE")
            conn.begin()
            upgrade(conn, versions=versions)
            if broken := raw.execute("PRAGMA foreign_key_check").fetchall():
                conn.rollback()
                raise DatabaseVersion(
                    f"Upgrading the tables would leave {len(broken)} rows without what they refer to, the first "
                    f"in {broken[0][0]}; nothing was changed. Put back a backup and report this."
                )
            conn.commit()


def _migrate_postgresql(url: URL, versions: Path) -> None:
    engine = postgresql.make_engine(url, connections=1)
    try:
        with engine.begin() as conn:
            if is_current(conn, versions):
                return
            conn.execute(text("SELECT set_config('lock_timeout', :wait, true)"), {"wait": f"{WAIT_SECONDS:.0f}s"})
            conn.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
            # Long enough for a busy table, short enough not to make everybody queue behind the wait.
            conn.execute(text("SELECT set_config('lock_timeout', '30s', true)"))
            upgrade(conn, versions=versions)
    finally:
        engine.dispose()


def _config(conn: Connection, versions: Path) -> "Config":
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", _escaped(SCRIPTS))
    config.set_main_option("version_locations", _escaped(versions))
    config.set_main_option("path_separator", "newline")  # folder names may hold spaces and colons
    config.attributes["connection"] = conn
    return config


def _escaped(path: Path) -> str:
    return str(path).replace("%", "%%")
