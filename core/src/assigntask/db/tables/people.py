"""Organisations and the people in them."""

from __future__ import annotations

import sqlalchemy as sa

from ..types import Json, UtcDateTime
from .base import Id, id_column, in_organisation, metadata, organisation, reference

organisation_table = sa.Table(
    "organisation",
    metadata,
    id_column(),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("time_zone", sa.Text, nullable=False),
    # Rises with every grant, token, objection, restriction and role change: caches of these hold only for one epoch.
    sa.Column("epoch", sa.BigInteger, nullable=False, server_default="1"),
    sa.Column("next_task_number", sa.BigInteger, nullable=False, server_default="1"),
    sa.Column("policy", Json, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False, server_default="1"),
    sa.Column("created_at", UtcDateTime, nullable=False),
)

department = sa.Table(
    "department",
    metadata,
    id_column(),
    organisation(),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False, server_default="1"),
    sa.UniqueConstraint("organisation_id", "name"),
)

person = sa.Table(
    "person",
    metadata,
    id_column(),
    organisation(),
    # Names the key of this person in the subjects' key store. A forgotten person's key is destroyed.
    sa.Column("subject_id", Id, nullable=False, unique=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("user_name", sa.Text),
    sa.Column("email", sa.Text),  # as written; compared by email_key
    sa.Column("email_key", sa.Text),
    sa.Column("job_title", sa.Text),
    reference("department_id", "department", nullable=True),
    sa.Column("role", sa.Text, nullable=False, server_default="member"),
    sa.Column("state", sa.Text, nullable=False, server_default="active"),  # active, left, forgotten
    sa.Column("time_zone", sa.Text),
    sa.Column("locale", sa.Text),
    sa.Column("version", sa.BigInteger, nullable=False, server_default="1"),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("forgotten_at", UtcDateTime),
    sa.UniqueConstraint("organisation_id", "email_key"),
    sa.UniqueConstraint("organisation_id", "user_name"),
    sa.CheckConstraint("role IN ('member', 'admin')", name="role"),
    sa.CheckConstraint("state IN ('active', 'left', 'forgotten')", name="state"),
    in_organisation("person"),
)

contact = sa.Table(
    "contact",
    metadata,
    organisation(),
    sa.Column("kind", sa.Text, nullable=False),  # technical, billing
    reference("person_id", "person"),
    sa.PrimaryKeyConstraint("organisation_id", "kind"),
    sa.CheckConstraint("kind IN ('technical', 'billing')", name="kind"),
)
