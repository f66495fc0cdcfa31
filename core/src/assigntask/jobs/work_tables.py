"""Procrastinate's own tables: in a PostgreSQL schema beside ours, named for the very definition that is in it.

They hold hints alone, so nothing is ever migrated: a release of procrastinate with other tables gets a schema of its
own, and while an upgrade is rolled out, older and newer processes work side by side, each with theirs.
"""

from __future__ import annotations

import hashlib
from functools import cache

import psycopg
from procrastinate.schema import SchemaManager
from psycopg import sql
from sqlalchemy.engine import make_url

from assigntask.db.postgresql import driver_url, explain, place_of
from assigntask.errors import HostError

_LOCK_KEY = 0x61_73_73_69_67_77  # any number that no other program locks in our database


@cache
def schema_name() -> str:
    return f"procrastinate_{hashlib.sha256(SchemaManager.get_schema().encode()).hexdigest()[:8]}"


def conninfo_of(url: str) -> str:
    """What libpq takes."""
    return driver_url(make_url(url)).set(drivername="postgresql").render_as_string(hide_password=False)


def prepare(url: str) -> None:
    """Makes the tables where they are missing, all or nothing; blocking, and safe in several processes at once.

    Raises HostError `work_tables_refused`, DatabaseUnreachable.
    """
    name = schema_name()
    try:
        with psycopg.connect(conninfo_of(url), connect_timeout=10) as conn:
            if _has(conn, name):
                return
            conn.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK_KEY,))
            if _has(conn, name):
                return
            conn.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
            conn.execute(sql.SQL("SET LOCAL search_path TO {}").format(sql.Identifier(name)))
            conn.execute(SchemaManager.get_schema())
    except psycopg.errors.InsufficientPrivilege:
        raise HostError(
            "work_tables_refused",
            f"PostgreSQL does not let this user make the schema {name}, in which processes share their work. As the "
            "database's owner run GRANT CREATE ON DATABASE … TO …, with the names of the database and the user.",
            schema=name,
        ) from None
    except psycopg.Error as error:
        if (known := explain(error, place_of(make_url(url)))) is None:
            raise
        raise known from error


def _has(conn: psycopg.Connection, name: str) -> bool:
    found = conn.execute("SELECT to_regnamespace(%s) IS NOT NULL", (name,)).fetchone()
    return found is not None and bool(found[0])
