"""The append-only record of what passed the gate, its Merkle tree and its signed checkpoints."""

from __future__ import annotations

import sqlalchemy as sa

from ..types import UtcDateTime
from .base import Id, metadata, organisation

ledger_entry = sa.Table(
    "ledger_entry",
    metadata,
    # Arrival order only; the order that counts is leaf_index.
    sa.Column("row", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("id", Id, nullable=False, unique=True),
    organisation(),
    # The leaf: canonical JSON (RFC 8785). Everything else here is repeated from it, to be looked up by.
    sa.Column("leaf", sa.Text, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),  # "release", or what was done: "install", "objection" …
    sa.Column("channel", sa.Text),
    sa.Column("installation_id", Id),
    sa.Column("app_id", sa.Text),
    sa.Column("leaf_index", sa.BigInteger),  # null until it is sealed
    sa.UniqueConstraint("organisation_id", "leaf_index"),
    sa.Index("ix_ledger_entry_app", "organisation_id", "app_id"),
    sa.Index(
        "ix_ledger_entry_unsealed",
        "organisation_id",
        "row",
        sqlite_where=sa.text("leaf_index IS NULL"),
        postgresql_where=sa.text("leaf_index IS NULL"),
    ),
)

# Whom an entry is about. `subject_ref` is random per subject, installation and generation, and can be traced to
# the person only with the person's key.
ledger_subject = sa.Table(
    "ledger_subject",
    metadata,
    organisation(),
    sa.Column("subject_ref", sa.String(32), nullable=False),
    sa.Column("entry_id", Id, nullable=False),
    sa.PrimaryKeyConstraint("organisation_id", "subject_ref", "entry_id"),
)

# An identifying value that an entry commits to: nonce and value, sealed under the subject's key.
ledger_value = sa.Table(
    "ledger_value",
    metadata,
    organisation(),
    sa.Column("entry_id", Id, nullable=False),
    sa.Column("subject_ref", sa.String(32), nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.PrimaryKeyConstraint("entry_id", "subject_ref", "detail"),
)

tree_node = sa.Table(
    "tree_node",
    metadata,
    organisation(),
    sa.Column("level", sa.Integer, nullable=False),
    sa.Column("index", sa.BigInteger, nullable=False),
    sa.Column("hash", sa.LargeBinary(32), nullable=False),
    sa.PrimaryKeyConstraint("organisation_id", "level", "index"),
)

checkpoint = sa.Table(
    "checkpoint",
    metadata,
    organisation(),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("note", sa.Text, nullable=False),  # C2SP tlog-checkpoint, signed
    sa.Column("at", UtcDateTime, nullable=False),
    sa.PrimaryKeyConstraint("organisation_id", "size"),
)
