"""What happened, and to whom it is still to be told. Written in the transaction of the change."""

from __future__ import annotations

import sqlalchemy as sa

from ..types import Json, UtcDateTime
from .base import Id, id_column, metadata, organisation, reference

event = sa.Table(
    "event",
    metadata,
    id_column(),
    organisation(),
    sa.Column("kind", sa.Text, nullable=False),  # "task.created", "task.changed", "comment.added", "person.forgotten" …
    sa.Column("record_kind", sa.Text, nullable=False),
    sa.Column("record_id", Id, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("changed", Json, nullable=False),  # names of changed fields
    sa.Column("facts", Json, nullable=False),  # ids and versions, never anybody's details
    sa.Column("by_person_id", Id),
    sa.Column("origin", Id),  # the installation whose own change this is: it does not hear of it
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Index("ix_event_record", "organisation_id", "record_kind", "record_id"),
    sa.Index("ix_event_at", "organisation_id", "at"),
)

delivery = sa.Table(
    "delivery",
    metadata,
    id_column(),
    organisation(),
    reference("installation_id", "installation"),
    sa.Column("position", sa.BigInteger, nullable=False),  # order within the installation, without gaps
    sa.Column("hook", sa.Text, nullable=False),
    reference("event_id", "event"),
    sa.Column("state", sa.Text, nullable=False),  # waiting, delivered, skipped, dead
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("next_at", UtcDateTime, nullable=False),
    sa.Column("leased_until", UtcDateTime),  # one drain at a time per installation
    sa.Column("last_error", sa.Text),
    sa.Column("done_at", UtcDateTime),
    sa.UniqueConstraint("installation_id", "position"),
    # Whose line has somebody waiting, and who is its head: of what was delivered there is far more.
    sa.Index(
        "ix_delivery_line",
        "organisation_id",
        "installation_id",
        "position",
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    ),
    sa.CheckConstraint("state IN ('waiting', 'delivered', 'skipped', 'dead')", name="state"),
)
