"""Who is signed in. Only digests are kept of what a browser holds."""

from __future__ import annotations

import sqlalchemy as sa

from ..types import UtcDateTime
from .base import in_organisation, metadata, organisation, reference

session = sa.Table(
    "session",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    organisation(),
    reference("person_id", "person"),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("seen_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    in_organisation("session"),
)

# Opens a session once. The operator makes it, and gives it to the person.
sign_in_link = sa.Table(
    "sign_in_link",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    organisation(),
    reference("person_id", "person"),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Column("used_at", UtcDateTime),
    in_organisation("sign_in_link"),
)
