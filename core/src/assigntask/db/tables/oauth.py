"""Clients, what they were given, and what they still have to prove. Secrets and tokens are kept as SHA-256 digests."""

from __future__ import annotations

import sqlalchemy as sa

from ..types import Json, UtcDateTime
from .base import Id, id_column, in_organisation, metadata, organisation, reference

Digest = sa.String(64)
"""SHA-256 in hex, of a random secret of 256 bits: there is nothing to guess, so nothing slower is needed."""

# One of each installation. What it may do follows from the installation's state and grant of the moment.
oauth_client = sa.Table(
    "oauth_client",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),  # the client_id
    organisation(),
    reference("installation_id", "installation"),
    # Of which start of the installation it is: a restored one has new credentials.
    sa.Column("credential", Id, nullable=False),
    sa.Column(
        "generation", sa.Integer, nullable=False, server_default="1"
    ),  # of the secret that signs calls to the app
    sa.Column("rotated_at", UtcDateTime),
    sa.Column("previous_until", UtcDateTime),  # how long the last generation still signs, and its secret still opens
    sa.Column("delivered_at", UtcDateTime),  # when the app's install endpoint took the credentials
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("revoked_at", UtcDateTime),
    sa.Index(
        "uq_oauth_client_standing",
        "installation_id",
        unique=True,
        sqlite_where=sa.text("revoked_at IS NULL"),
        postgresql_where=sa.text("revoked_at IS NULL"),
    ),
    in_organisation("oauth_client"),
)

oauth_secret = sa.Table(
    "oauth_secret",
    metadata,
    sa.Column("digest", Digest, primary_key=True),
    organisation(),
    sa.Column("client_id", sa.String(40), sa.ForeignKey("oauth_client.id"), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime),  # set when a newer one takes over
    sa.Index("ix_oauth_secret_client", "organisation_id", "client_id"),
)

# What one person gave one installation's client: the family of all codes and tokens that came of it.
oauth_authorization = sa.Table(
    "oauth_authorization",
    metadata,
    id_column(),
    organisation(),
    reference("installation_id", "installation"),
    sa.Column("client_id", sa.String(500), nullable=False),  # as the client named itself: an id, or a metadata URL
    reference("person_id", "person"),
    sa.Column("scopes", Json, nullable=False),  # granted, sorted
    sa.Column("notice_digest", sa.Text, nullable=False),  # of the words that the person agreed to
    sa.Column("dpop_thumbprint", sa.String(43)),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("revoked_at", UtcDateTime),
    sa.Column("revoked_why", sa.Text),
    sa.Index("ix_oauth_authorization_person", "organisation_id", "person_id"),
    sa.Index("ix_oauth_authorization_installation", "organisation_id", "installation_id"),
)

oauth_code = sa.Table(
    "oauth_code",
    metadata,
    sa.Column("digest", Digest, primary_key=True),
    organisation(),
    reference("authorization_id", "oauth_authorization"),
    sa.Column("redirect_uri", sa.Text, nullable=False),
    sa.Column("redirect_uri_given", sa.Boolean, nullable=False),
    sa.Column("code_challenge", sa.String(43), nullable=False),  # S256 always
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Column("used_at", UtcDateTime),
    in_organisation("oauth_code"),
)

oauth_access_token = sa.Table(
    "oauth_access_token",
    metadata,
    sa.Column("digest", Digest, primary_key=True),
    organisation(),
    reference("installation_id", "installation"),
    sa.Column("client_id", sa.String(500), nullable=False),
    sa.Column("credential", Id, nullable=False),  # the installation's, when it was issued
    reference("authorization_id", "oauth_authorization", nullable=True),  # none: the installation as itself
    reference("person_id", "person", nullable=True),
    sa.Column("scopes", Json),  # none: all that the grant has
    sa.Column("dpop_thumbprint", sa.String(43)),
    sa.Column("issued_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Column("revoked_at", UtcDateTime),
    sa.Index("ix_oauth_access_token_expiry", "expires_at"),
    # An installation's own tokens are the many, and come of no authorization.
    sa.Index(
        "ix_oauth_access_token_authorization",
        "organisation_id",
        "authorization_id",
        sqlite_where=sa.text("authorization_id IS NOT NULL"),
        postgresql_where=sa.text("authorization_id IS NOT NULL"),
    ),
)

oauth_refresh_token = sa.Table(
    "oauth_refresh_token",
    metadata,
    sa.Column("digest", Digest, primary_key=True),
    organisation(),
    reference("authorization_id", "oauth_authorization"),
    sa.Column("issued_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),  # idle: each use gives a new one
    sa.Column("used_at", UtcDateTime),
    sa.Index("ix_oauth_refresh_token_authorization", "organisation_id", "authorization_id"),
)

# RFC 9126. Pushed by a client that proved who it is; taken once.
oauth_pushed_request = sa.Table(
    "oauth_pushed_request",
    metadata,
    sa.Column("digest", Digest, primary_key=True),
    organisation(),
    sa.Column("client_id", sa.String(500), nullable=False),
    sa.Column("parameters", Json, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Column("used_at", UtcDateTime),
    in_organisation("oauth_pushed_request"),
)

# What may be used once only: ids of client assertions and of DPoP proofs. It belongs to the host, and holds nobody's.
oauth_seen = sa.Table(
    "oauth_seen",
    metadata,
    sa.Column("digest", Digest, primary_key=True),  # of the kind, the issuer or key, and the id
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Index("ix_oauth_seen_expiry", "expires_at"),
)
