"""The bytes of files that are attached to tasks, in chunks, so that they are in the transaction and in the backup."""

from __future__ import annotations

import sqlalchemy as sa

from ..types import UtcDateTime
from .base import id_column, metadata, organisation, reference

# `attachment_id` is empty until the whole file has come; what never becomes an attachment is swept.
file = sa.Table(
    "file",
    metadata,
    id_column(),
    organisation(),
    reference("attachment_id", "attachment", nullable=True, ondelete="CASCADE"),
    sa.Column("media_type", sa.Text),  # by its first bytes, never by what the sender says
    sa.Column("size", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("sha256", sa.String(64)),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Index("ix_file_attachment", "organisation_id", "attachment_id"),
    sa.Index(
        "ix_file_unfinished",
        "created_at",
        sqlite_where=sa.text("attachment_id IS NULL"),
        postgresql_where=sa.text("attachment_id IS NULL"),
    ),
)

file_chunk = sa.Table(
    "file_chunk",
    metadata,
    organisation(),
    reference("file_id", "file", ondelete="CASCADE"),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("content", sa.LargeBinary, nullable=False),
    sa.PrimaryKeyConstraint("file_id", "number"),
)
