"""A small store of its own beside the database: what must not be in the database, nor in its backups."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.pool import QueuePool, StaticPool

from assigntask.db.postgresql import make_engine


def open_side_store(url: str) -> sa.Engine:
    """`sqlite:///file`, `sqlite://` (in memory) or `postgresql://…`. What is deleted is overwritten.

    Calls are short and keyed; they may come from any thread.
    """
    if url.startswith("postgresql://"):
        return make_engine(make_url(url), connections=4)
    in_memory = url in ("sqlite://", "sqlite:///:memory:")
    if not in_memory:
        path = Path(url.removeprefix("sqlite:///"))
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    engine = sa.create_engine(
        url,
        hide_parameters=True,
        connect_args={"check_same_thread": False, "timeout": 10},
        poolclass=StaticPool if in_memory else QueuePool,
    )

    @sa.event.listens_for(engine, "connect")
    def _configure(connection: object, _record: object) -> None:
        cursor = connection.cursor()  # type: ignore[attr-defined]  # the driver's own connection
        for pragma in ("journal_mode=DELETE", "synchronous=FULL", "secure_delete=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    return engine
