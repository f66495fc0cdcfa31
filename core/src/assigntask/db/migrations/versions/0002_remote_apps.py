"""Remote apps, OAuth, files, jobs, sessions.

Revision 0002, after 0001.
"""

import sqlalchemy as sa
from alembic import op

from assigntask.db.types import Json, UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "oauth_seen",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_oauth_seen")),
    )
    with op.batch_alter_table("oauth_seen", schema=None) as batch_op:
        batch_op.create_index("ix_oauth_seen_expiry", ["expires_at"], unique=False)

    op.create_table(
        "remote_app",
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("key_digest", sa.String(length=64), nullable=True),
        sa.Column("manifest", sa.Text(), nullable=True),
        sa.Column("read_at", UtcDateTime(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("added_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("app_id", name=op.f("pk_remote_app")),
        sa.UniqueConstraint("key_digest", name=op.f("uq_remote_app_key_digest")),
        sa.UniqueConstraint("url", name=op.f("uq_remote_app_url")),
    )
    op.create_table(
        "oauth_pushed_request",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("organisation_id", sa.String(length=36), nullable=False),
        sa.Column("client_id", sa.String(length=500), nullable=False),
        sa.Column("parameters", Json(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_oauth_pushed_request_organisation_id")
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_oauth_pushed_request")),
    )
    with op.batch_alter_table("oauth_pushed_request", schema=None) as batch_op:
        batch_op.create_index("ix_oauth_pushed_request_organisation_id", ["organisation_id"], unique=False)

    op.create_table(
        "session",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("organisation_id", sa.String(length=36), nullable=False),
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("seen_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_session_organisation_id")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_session_person_id")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_session")),
    )
    with op.batch_alter_table("session", schema=None) as batch_op:
        batch_op.create_index("ix_session_organisation_id", ["organisation_id"], unique=False)

    op.create_table(
        "sign_in_link",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("organisation_id", sa.String(length=36), nullable=False),
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_sign_in_link_organisation_id")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_sign_in_link_person_id")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_sign_in_link")),
    )
    with op.batch_alter_table("sign_in_link", schema=None) as batch_op:
        batch_op.create_index("ix_sign_in_link_organisation_id", ["organisation_id"], unique=False)

    op.create_table(
        "api_answer",
        sa.Column("organisation_id", sa.String(length=36), nullable=False),
        sa.Column("installation_id", sa.String(length=36), nullable=False),
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("key_digest", sa.String(length=64), nullable=False),
        sa.Column("request_digest", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("headers", Json(), nullable=True),
        sa.Column("body", Json(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["installation_id"], ["installation.id"], name=op.f("fk_api_answer_installation_id")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_api_answer_organisation_id")),
        sa.PrimaryKeyConstraint("installation_id", "person_id", "key_digest", name=op.f("pk_api_answer")),
    )
    with op.batch_alter_table("api_answer", schema=None) as batch_op:
        batch_op.create_index("ix_api_answer_created", ["created_at"], unique=False)
        batch_op.create_index("ix_api_answer_organisation_id", ["organisation_id"], unique=False)

    op.create_table(
        "job",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organisation_id", sa.String(length=36), nullable=False),
        sa.Column("installation_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("args", Json(), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=True),
        sa.Column("total", sa.BigInteger(), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("state IN ('waiting', 'running', 'done', 'failed')", name=op.f("ck_job_state")),
        sa.ForeignKeyConstraint(["installation_id"], ["installation.id"], name=op.f("fk_job_installation_id")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_job_organisation_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
        sa.UniqueConstraint("installation_id", "name", "key", name=op.f("uq_job_installation_id_name_key")),
    )
    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.create_index("ix_job_organisation_id", ["organisation_id"], unique=False)

    op.create_table(
        "oauth_authorization",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organisation_id", sa.String(length=36), nullable=False),
        sa.Column("installation_id", sa.String(length=36), nullable=False),
        sa.Column("client_id", sa.String(length=500), nullable=False),
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("scopes", Json(), nullable=False),
        sa.Column("notice_digest", sa.Text(), nullable=False),
        sa.Column("dpop_thumbprint", sa.String(length=43), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.Column("revoked_why", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["installation_id"], ["installation.id"], name=op.f("fk_oauth_authorization_installation_id")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_oauth_authorization_organisation_id")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_oauth_authorization_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oauth_authorization")),
    )
    with op.batch_alter_table("oauth_authorization", schema=None) as batch_op:
        batch_op.create_index(
            "ix_oauth_authorization_installation", ["organisation_id", "installation_id"], unique=False
        )
        batch_op.create_index("ix_oauth_authorization_person", ["organisation_id", "person_id"], unique=False)

    op.create_table(
        "oauth_client",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("organisation_id", sa.String(length=36), nullable=False),
        sa.Column("installation_id", sa.String(length=36), nullable=False),
        sa.Column("credential", sa.String(length=36), nullable=False),
        sa.Column("generation", sa.Integer(), server_default="1", nullable=False),
        sa.Column("rotated_at", UtcDateTime(), nullable=True),
        sa.Column("previous_until", UtcDateTime(), nullable=True),
        sa.Column("delivered_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["installation_id"], ["installation.id"], name=op.f("fk_oauth_client_installation_id")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_oauth_client_organisation_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oauth_client")),
    )
    with op.batch_alter_table("oauth_client", schema=None) as batch_op:
        batch_op.create_index("ix_oauth_client_organisation_id", ["organisation_id"], unique=False)
        batch_op.create_index(
            "uq_oauth_client_standing",
            ["installation_id"],
            unique=True,
            sqlite_where=sa.text("revoked_at IS NULL"),
            postgresql_where=sa.text("revoked_at IS NULL"),
        )

    op.create_table(
        "file",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organisation_id", sa.String(length=36), nullable=False),
        sa.Column("attachment_id", sa.String(length=36), nullable=True),
        sa.Column("media_type", sa.Text(), nullable=True),
        sa.Column("size", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["attachment_id"], ["attachment.id"], name=op.f("fk_file_attachment_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_file_organisation_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_file")),
    )
    with op.batch_alter_table("file", schema=None) as batch_op:
        batch_op.create_index("ix_file_attachment", ["organisation_id", "attachment_id"], unique=False)
        batch_op.create_index(
            "ix_file_unfinished",
            ["created_at"],
            unique=False,
            sqlite_where=sa.text("attachment_id IS NULL"),
            postgresql_where=sa.text("attachment_id IS NULL"),
        )

    op.create_table(
        "oauth_access_token",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("organisation_id", sa.String(length=36), nullable=False),
        sa.Column("installation_id", sa.String(length=36), nullable=False),
        sa.Column("client_id", sa.String(length=500), nullable=False),
        sa.Column("credential", sa.String(length=36), nullable=False),
        sa.Column("authorization_id", sa.String(length=36), nullable=True),
        sa.Column("person_id", sa.String(length=36), nullable=True),
        sa.Column("scopes", Json(), nullable=True),
        sa.Column("dpop_thumbprint", sa.String(length=43), nullable=True),
        sa.Column("issued_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["authorization_id"], ["oauth_authorization.id"], name=op.f("fk_oauth_access_token_authorization_id")
        ),
        sa.ForeignKeyConstraint(
            ["installation_id"], ["installation.id"], name=op.f("fk_oauth_access_token_installation_id")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_oauth_access_token_organisation_id")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_oauth_access_token_person_id")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_oauth_access_token")),
    )
    with op.batch_alter_table("oauth_access_token", schema=None) as batch_op:
        batch_op.create_index(
            "ix_oauth_access_token_authorization", ["organisation_id", "authorization_id"], unique=False
        )
        batch_op.create_index("ix_oauth_access_token_expiry", ["expires_at"], unique=False)

    op.create_table(
        "oauth_code",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("organisation_id", sa.String(length=36), nullable=False),
        sa.Column("authorization_id", sa.String(length=36), nullable=False),
        sa.Column("redirect_uri", sa.Text(), nullable=False),
        sa.Column("redirect_uri_given", sa.Boolean(), nullable=False),
        sa.Column("code_challenge", sa.String(length=43), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["authorization_id"], ["oauth_authorization.id"], name=op.f("fk_oauth_code_authorization_id")
        ),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_oauth_code_organisation_id")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_oauth_code")),
    )
    with op.batch_alter_table("oauth_code", schema=None) as batch_op:
        batch_op.create_index("ix_oauth_code_organisation_id", ["organisation_id"], unique=False)

    op.create_table(
        "oauth_refresh_token",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("organisation_id", sa.String(length=36), nullable=False),
        sa.Column("authorization_id", sa.String(length=36), nullable=False),
        sa.Column("issued_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["authorization_id"], ["oauth_authorization.id"], name=op.f("fk_oauth_refresh_token_authorization_id")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_oauth_refresh_token_organisation_id")
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_oauth_refresh_token")),
    )
    with op.batch_alter_table("oauth_refresh_token", schema=None) as batch_op:
        batch_op.create_index(
            "ix_oauth_refresh_token_authorization", ["organisation_id", "authorization_id"], unique=False
        )

    op.create_table(
        "oauth_secret",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("organisation_id", sa.String(length=36), nullable=False),
        sa.Column("client_id", sa.String(length=40), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["client_id"], ["oauth_client.id"], name=op.f("fk_oauth_secret_client_id")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_oauth_secret_organisation_id")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_oauth_secret")),
    )
    with op.batch_alter_table("oauth_secret", schema=None) as batch_op:
        batch_op.create_index("ix_oauth_secret_client", ["organisation_id", "client_id"], unique=False)

    op.create_table(
        "file_chunk",
        sa.Column("organisation_id", sa.String(length=36), nullable=False),
        sa.Column("file_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["file_id"], ["file.id"], name=op.f("fk_file_chunk_file_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_file_chunk_organisation_id")),
        sa.PrimaryKeyConstraint("file_id", "number", name=op.f("pk_file_chunk")),
    )
    with op.batch_alter_table("app", schema=None) as batch_op:
        batch_op.add_column(sa.Column("remote", sa.Boolean(), server_default=sa.false(), nullable=False))

    with op.batch_alter_table("attachment", schema=None) as batch_op:
        batch_op.alter_column("url", existing_type=sa.TEXT(), nullable=True)


def downgrade() -> None:
    with op.batch_alter_table("attachment", schema=None) as batch_op:
        batch_op.alter_column("url", existing_type=sa.TEXT(), nullable=False)

    with op.batch_alter_table("app", schema=None) as batch_op:
        batch_op.drop_column("remote")

    op.drop_table("file_chunk")
    with op.batch_alter_table("oauth_secret", schema=None) as batch_op:
        batch_op.drop_index("ix_oauth_secret_client")

    op.drop_table("oauth_secret")
    with op.batch_alter_table("oauth_refresh_token", schema=None) as batch_op:
        batch_op.drop_index("ix_oauth_refresh_token_authorization")

    op.drop_table("oauth_refresh_token")
    with op.batch_alter_table("oauth_code", schema=None) as batch_op:
        batch_op.drop_index("ix_oauth_code_organisation_id")

    op.drop_table("oauth_code")
    with op.batch_alter_table("oauth_access_token", schema=None) as batch_op:
        batch_op.drop_index("ix_oauth_access_token_expiry")
        batch_op.drop_index("ix_oauth_access_token_authorization")

    op.drop_table("oauth_access_token")
    with op.batch_alter_table("file", schema=None) as batch_op:
        batch_op.drop_index("ix_file_unfinished")
        batch_op.drop_index("ix_file_attachment")

    op.drop_table("file")
    with op.batch_alter_table("oauth_client", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_oauth_client_standing",
            sqlite_where=sa.text("revoked_at IS NULL"),
            postgresql_where=sa.text("revoked_at IS NULL"),
        )
        batch_op.drop_index("ix_oauth_client_organisation_id")

    op.drop_table("oauth_client")
    with op.batch_alter_table("oauth_authorization", schema=None) as batch_op:
        batch_op.drop_index("ix_oauth_authorization_person")
        batch_op.drop_index("ix_oauth_authorization_installation")

    op.drop_table("oauth_authorization")
    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.drop_index("ix_job_organisation_id")

    op.drop_table("job")
    with op.batch_alter_table("api_answer", schema=None) as batch_op:
        batch_op.drop_index("ix_api_answer_organisation_id")
        batch_op.drop_index("ix_api_answer_created")

    op.drop_table("api_answer")
    with op.batch_alter_table("sign_in_link", schema=None) as batch_op:
        batch_op.drop_index("ix_sign_in_link_organisation_id")

    op.drop_table("sign_in_link")
    with op.batch_alter_table("session", schema=None) as batch_op:
        batch_op.drop_index("ix_session_organisation_id")

    op.drop_table("session")
    with op.batch_alter_table("oauth_pushed_request", schema=None) as batch_op:
        batch_op.drop_index("ix_oauth_pushed_request_organisation_id")

    op.drop_table("oauth_pushed_request")
    op.drop_table("remote_app")
    with op.batch_alter_table("oauth_seen", schema=None) as batch_op:
        batch_op.drop_index("ix_oauth_seen_expiry")

    op.drop_table("oauth_seen")
