"""What happened, and to whom it is still to be told. Written in the transaction of the change."""

from __future__ import annotations

import sqlalchemy as sa

from ..types import Json, UtcDateTime
from .base import Id, id_column, in_organisation, metadata, organisation, reference

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
    # The last attempt: when it began, how many milliseconds it took, and what an app elsewhere answered to it.
    sa.Column("attempted_at", UtcDateTime),
    sa.Column("took", sa.Integer),
    sa.Column("status", sa.Integer),  # of HTTP
    sa.Column("answer", sa.Text),  # the beginning of it, kept for some days
    sa.Column("replayed_at", UtcDateTime),  # when an admin had it told once more
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
    sa.Index("ix_delivery_event", "event_id"),  # an event goes once no delivery needs it
    # What was given up is counted and looked through, and is little.
    sa.Index(
        "ix_delivery_dead",
        "organisation_id",
        "installation_id",
        "position",
        sqlite_where=sa.text("state = 'dead'"),
        postgresql_where=sa.text("state = 'dead'"),
    ),
    sa.Index(
        "ix_delivery_answer",
        "done_at",
        sqlite_where=sa.text("answer IS NOT NULL"),
        postgresql_where=sa.text("answer IS NOT NULL"),
    ),
    sa.Index(
        "ix_delivery_ended",
        "done_at",
        sqlite_where=sa.text("state <> 'waiting'"),
        postgresql_where=sa.text("state <> 'waiting'"),
    ),
    sa.CheckConstraint("state IN ('waiting', 'delivered', 'skipped', 'dead')", name="state"),
)

# When an app's own schedule is due next. A run is an event and a delivery, made in the transaction that moves this on.
schedule = sa.Table(
    "schedule",
    metadata,
    organisation(),
    reference("installation_id", "installation"),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("cron", sa.Text, nullable=False),  # as the accepted manifest has it
    sa.Column("next_at", UtcDateTime, nullable=False),
    sa.Column("last_at", UtcDateTime),  # for which moment it was started last
    sa.PrimaryKeyConstraint("installation_id", "name"),
    sa.Index("ix_schedule_next", "next_at"),
    in_organisation("schedule"),
)

# Whom an erasure was asked of, and what came of it. It outlives the delivery, so it only names it.
erasure = sa.Table(
    "erasure",
    metadata,
    id_column(),
    organisation(),
    reference("installation_id", "installation"),
    sa.Column("delivery_id", Id),  # none: the app has no hook for it
    sa.Column("kind", sa.Text, nullable=False),  # "person", "installation"
    sa.Column("person_id", Id),  # who was forgotten
    sa.Column("generation", sa.Integer, nullable=False),  # which of the person's ids the app knows
    sa.Column("asked_at", UtcDateTime, nullable=False),
    sa.Column("delivered_at", UtcDateTime),  # it came to the app
    sa.Column("answered_at", UtcDateTime),  # the app said that it is done
    sa.Column("silent_at", UtcDateTime),  # given up
    sa.Column("why", sa.Text),  # a code: why it is silent
    sa.UniqueConstraint("delivery_id"),
    sa.Index("ix_erasure_installation", "organisation_id", "installation_id"),
    sa.Index(
        "ix_erasure_open",
        "asked_at",
        sqlite_where=sa.text("answered_at IS NULL AND silent_at IS NULL"),
        postgresql_where=sa.text("answered_at IS NULL AND silent_at IS NULL"),
    ),
)
