"""Apps, their versions, their installations, and what people said about them."""

from __future__ import annotations

import sqlalchemy as sa

from ..types import Json, UtcDateTime
from .base import Id, id_column, in_organisation, metadata, organisation, reference

# Who first offered an id keeps it. These two tables belong to the whole host, not to an organisation.
app = sa.Table(
    "app",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("vendor_name", sa.Text, nullable=False),
    sa.Column("distribution", sa.Text, nullable=False),
    # Whether it runs on its vendor's machine: then the host passes all that it can have.
    sa.Column("remote", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("first_seen_at", UtcDateTime, nullable=False),
)

app_version = sa.Table(
    "app_version",
    metadata,
    sa.Column("app_id", sa.Text, sa.ForeignKey("app.id"), nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("manifest_digest", sa.Text, nullable=False),
    sa.Column("manifest", Json, nullable=False),
    # The code that the operator admitted. An editable distribution is admitted as it stands.
    sa.Column("content_digest", sa.Text, nullable=False),
    sa.Column("editable", sa.Boolean, nullable=False),
    sa.Column("admitted_at", UtcDateTime, nullable=False),
    sa.PrimaryKeyConstraint("app_id", "version"),
)

LIVE = ("requested", "active", "disabled")

installation = sa.Table(
    "installation",
    metadata,
    id_column(),
    organisation(),
    sa.Column("app_id", sa.Text, sa.ForeignKey("app.id"), nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    # The accepted version: hooks follow it even when the installed code is newer.
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("manifest_digest", sa.Text, nullable=False),
    sa.Column("pending_version", sa.Text),
    sa.Column("notice_digest", sa.Text),  # of the words that the admin agreed to
    sa.Column("scopes", Json, nullable=False),  # granted, sorted
    sa.Column("declined", Json, nullable=False),  # optional scopes left out, sorted
    sa.Column("grant_version", sa.BigInteger, nullable=False, server_default="1"),
    sa.Column("all_projects", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("contacts", Json, nullable=False),  # contact → person id
    reference("only_person_id", "person", nullable=True),  # installed by a member for themselves alone
    sa.Column("settings", Json, nullable=False),
    # Which pairwise ids it knows people by; a restored installation starts a new generation.
    sa.Column("credential", Id, nullable=False),
    sa.Column("ordinal", sa.BigInteger, nullable=False),  # install order: guards are asked in it
    reference("requested_by", "person", nullable=True),
    reference("installed_by", "person", nullable=True),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("changed_at", UtcDateTime, nullable=False),
    sa.Column("upgrading_from", sa.Text),  # set while `upgraded` has not finished: other hooks wait
    sa.Column("uninstalled_at", UtcDateTime),
    sa.Column("wipe_at", UtcDateTime),
    sa.Column("next_position", sa.BigInteger, nullable=False, server_default="1"),  # of its deliveries
    # Whether a notice waits until the one before it was told; the accepted manifest says so.
    sa.Column("in_order", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("failing_since", UtcDateTime),  # the first failed delivery since one went well
    sa.Column("disabled_why", sa.Text),  # a code, where it was not an admin: "failing", "gone"
    sa.CheckConstraint(
        "state IN ('requested', 'declined', 'active', 'disabled', 'uninstalled', 'wiped')", name="state"
    ),
    sa.Index(
        "uq_installation_live",
        "organisation_id",
        "app_id",
        unique=True,
        sqlite_where=sa.text("state IN ('requested', 'active', 'disabled')"),
        postgresql_where=sa.text("state IN ('requested', 'active', 'disabled')"),
    ),
    in_organisation("installation"),
)

installation_project = sa.Table(
    "installation_project",
    metadata,
    organisation(),
    reference("installation_id", "installation"),
    reference("project_id", "project"),
    sa.PrimaryKeyConstraint("installation_id", "project_id"),
)

# Who hears what, kept in step with state, accepted manifest and grant, so that a change looks up only those that
# listen. `details`: what the hook wants and the grant opens.
subscription = sa.Table(
    "subscription",
    metadata,
    organisation(),
    sa.Column("hook", sa.Text, nullable=False),
    sa.Column("ordinal", sa.BigInteger, nullable=False),
    reference("installation_id", "installation"),
    sa.Column("details", Json, nullable=False),
    sa.PrimaryKeyConstraint("organisation_id", "hook", "installation_id"),
)

enrolment = sa.Table(
    "enrolment",
    metadata,
    organisation(),
    reference("installation_id", "installation"),
    reference("person_id", "person"),
    sa.Column("settings", Json, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.PrimaryKeyConstraint("installation_id", "person_id"),
)

# One person's objection to one app; it outlives the installation, so that reinstalling changes nothing.
objection = sa.Table(
    "objection",
    metadata,
    id_column(),
    organisation(),
    sa.Column("app_id", sa.Text, nullable=False),
    reference("person_id", "person"),
    sa.Column("made_at", UtcDateTime, nullable=False),
    sa.Column("withdrawn_at", UtcDateTime),
    sa.Column("disputed", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Index(
        "uq_objection_standing",
        "organisation_id",
        "app_id",
        "person_id",
        unique=True,
        sqlite_where=sa.text("withdrawn_at IS NULL"),
        postgresql_where=sa.text("withdrawn_at IS NULL"),
    ),
    in_organisation("objection"),
)

# No app is given anything about a restricted person.
restriction = sa.Table(
    "restriction",
    metadata,
    id_column(),
    organisation(),
    reference("person_id", "person"),
    reference("by_person_id", "person", nullable=True),
    sa.Column("made_at", UtcDateTime, nullable=False),
    sa.Column("lifted_at", UtcDateTime),
    sa.Index(
        "uq_restriction_standing",
        "organisation_id",
        "person_id",
        unique=True,
        sqlite_where=sa.text("lifted_at IS NULL"),
        postgresql_where=sa.text("lifted_at IS NULL"),
    ),
    in_organisation("restriction"),
)

# How often an app had to be given a new id for a person. No row: generation 0.
pairwise_generation = sa.Table(
    "pairwise_generation",
    metadata,
    organisation(),
    sa.Column("app_id", sa.Text, nullable=False),
    reference("person_id", "person"),
    sa.Column("generation", sa.Integer, nullable=False),
    sa.PrimaryKeyConstraint("organisation_id", "app_id", "person_id"),
)

breaker = sa.Table(
    "breaker",
    metadata,
    organisation(),
    reference("installation_id", "installation"),
    sa.Column("hook", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),  # closed, open, half-open
    sa.Column("failures", sa.Integer, nullable=False),  # in a row
    sa.Column("total", sa.BigInteger, nullable=False),  # ever
    sa.Column("last_error", sa.Text),
    sa.Column("opened_at", UtcDateTime),
    sa.Column("changed_at", UtcDateTime, nullable=False),
    sa.PrimaryKeyConstraint("installation_id", "hook"),
)

problem = sa.Table(
    "problem",
    metadata,
    organisation(),
    reference("installation_id", "installation"),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("severity", sa.Text, nullable=False),
    sa.Column("count", sa.BigInteger, nullable=False),
    sa.Column("first_at", UtcDateTime, nullable=False),
    sa.Column("last_at", UtcDateTime, nullable=False),
    sa.PrimaryKeyConstraint("installation_id", "key"),
)

# The apps' own storage. owner_kind: "" (the installation), "task", "person".
store = sa.Table(
    "store",
    metadata,
    organisation(),
    reference("installation_id", "installation"),
    sa.Column("owner_kind", sa.Text, nullable=False),
    sa.Column("owner_id", sa.String(36), nullable=False),
    sa.Column("key", sa.LargeBinary(512), nullable=False),  # UTF-8: bytes sort alike in every database
    sa.Column("value", sa.LargeBinary, nullable=False),
    sa.Column("is_json", sa.Boolean, nullable=False),
    sa.Column("sealed", sa.Boolean, nullable=False),  # encrypted under the person's key
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("installation_id", "owner_kind", "owner_id", "key"),
    sa.Index("ix_store_owner", "organisation_id", "owner_kind", "owner_id"),
)

store_usage = sa.Table(
    "store_usage",
    metadata,
    organisation(),
    reference("installation_id", "installation"),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("last_version", sa.BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("installation_id"),
)
