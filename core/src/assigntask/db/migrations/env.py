"""How Alembic reaches the database: always through the connection that ``migrate`` hands it."""

from typing import Literal

from alembic import context

from assigntask.db.tables import metadata
from assigntask.db.types import Json, UtcDateTime


def _render(kind: str, item: object, autogen: object) -> str | Literal[False]:
    """Our own column types by their short names, for the import that every revision has."""
    if kind == "type" and isinstance(item, Json | UtcDateTime):
        return f"{type(item).__name__}()"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite alters a table by rebuilding it
    render_item=_render,
    compare_type=True,
    transactional_ddl=True,  # the caller's transaction holds everything, on SQLite too
)
with context.begin_transaction():
    context.run_migrations()
