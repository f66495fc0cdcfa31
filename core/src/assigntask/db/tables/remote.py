"""Apps that run on their vendor's machine, and what they asked of the API."""

from __future__ import annotations

import sqlalchemy as sa

from ..types import Json, UtcDateTime
from .base import id_column, in_organisation, metadata, organisation, reference

# Which remote apps the host offers, and how they are reached. It belongs to the host, not to an organisation.
remote_app = sa.Table(
    "remote_app",
    metadata,
    sa.Column("app_id", sa.Text, primary_key=True),
    sa.Column("url", sa.Text, unique=True),  # where the app answers; none: it dials in
    sa.Column("key_digest", sa.String(64), unique=True),  # SHA-256 of the key with which it dials in
    sa.Column("manifest", sa.Text),  # app.toml as it was read last
    sa.Column("read_at", UtcDateTime),
    sa.Column("error", sa.Text),  # why the last reading failed
    sa.Column("added_at", UtcDateTime, nullable=False),
)

# POST with an Idempotency-Key: the same key gets the same answer, which holds ids and versions alone.
api_answer = sa.Table(
    "api_answer",
    metadata,
    organisation(),
    reference("installation_id", "installation"),
    sa.Column("person_id", sa.String(36), nullable=False),  # "" for the installation as itself
    sa.Column("key_digest", sa.String(64), nullable=False),
    sa.Column("request_digest", sa.String(64), nullable=False),
    sa.Column("status", sa.Integer),  # none: the first request is still being answered
    sa.Column("headers", Json),
    sa.Column("body", Json),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.PrimaryKeyConstraint("installation_id", "person_id", "key_digest"),
    in_organisation("api_answer"),
    sa.Index("ix_api_answer_created", "created_at"),
)

# Work that an app gave itself; its `job` hook is called until it has no more to do.
job = sa.Table(
    "job",
    metadata,
    id_column(),
    organisation(),
    reference("installation_id", "installation"),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("args", Json, nullable=False),
    sa.Column("key", sa.Text),
    sa.Column("state", sa.Text, nullable=False),  # waiting, running, done, failed
    sa.Column("done", sa.BigInteger),
    sa.Column("total", sa.BigInteger),
    sa.Column("text", sa.Text),
    sa.Column("last_error", sa.Text),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("changed_at", UtcDateTime, nullable=False),
    sa.UniqueConstraint("installation_id", "name", "key"),
    sa.CheckConstraint("state IN ('waiting', 'running', 'done', 'failed')", name="state"),
    in_organisation("job"),
)
