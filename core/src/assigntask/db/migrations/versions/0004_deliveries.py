"""Deliveries that admins can look into, schedules of apps, and what came of erasures.

Revision 0004, after 0003.
"""

import sqlalchemy as sa
from alembic import op

from assigntask.db.types import UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "schedule",
        sa.Column("organisation_id", sa.String(length=36), nullable=False),
        sa.Column("installation_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("cron", sa.Text(), nullable=False),
        sa.Column("next_at", UtcDateTime(), nullable=False),
        sa.Column("last_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["installation_id"], ["installation.id"], name=op.f("fk_schedule_installation_id")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_schedule_organisation_id")),
        sa.PrimaryKeyConstraint("installation_id", "name", name=op.f("pk_schedule")),
    )
    with op.batch_alter_table("schedule", schema=None) as batch_op:
        batch_op.create_index("ix_schedule_next", ["next_at"], unique=False)
        batch_op.create_index("ix_schedule_organisation_id", ["organisation_id"], unique=False)

    op.create_table(
        "erasure",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organisation_id", sa.String(length=36), nullable=False),
        sa.Column("installation_id", sa.String(length=36), nullable=False),
        sa.Column("delivery_id", sa.String(length=36), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("person_id", sa.String(length=36), nullable=True),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("asked_at", UtcDateTime(), nullable=False),
        sa.Column("delivered_at", UtcDateTime(), nullable=True),
        sa.Column("answered_at", UtcDateTime(), nullable=True),
        sa.Column("silent_at", UtcDateTime(), nullable=True),
        sa.Column("why", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["installation_id"], ["installation.id"], name=op.f("fk_erasure_installation_id")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_erasure_organisation_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasure")),
        sa.UniqueConstraint("delivery_id", name=op.f("uq_erasure_delivery_id")),
    )
    with op.batch_alter_table("erasure", schema=None) as batch_op:
        batch_op.create_index("ix_erasure_installation", ["organisation_id", "installation_id"], unique=False)
        batch_op.create_index(
            "ix_erasure_open",
            ["asked_at"],
            unique=False,
            sqlite_where=sa.text("answered_at IS NULL AND silent_at IS NULL"),
            postgresql_where=sa.text("answered_at IS NULL AND silent_at IS NULL"),
        )

    with op.batch_alter_table("delivery", schema=None) as batch_op:
        batch_op.add_column(sa.Column("attempted_at", UtcDateTime(), nullable=True))
        batch_op.add_column(sa.Column("took", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("status", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("answer", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("replayed_at", UtcDateTime(), nullable=True))
        batch_op.create_index("ix_delivery_event", ["event_id"], unique=False)
        batch_op.create_index(
            "ix_delivery_dead",
            ["organisation_id", "installation_id", "position"],
            unique=False,
            sqlite_where=sa.text("state = 'dead'"),
            postgresql_where=sa.text("state = 'dead'"),
        )
        batch_op.create_index(
            "ix_delivery_answer",
            ["done_at"],
            unique=False,
            sqlite_where=sa.text("answer IS NOT NULL"),
            postgresql_where=sa.text("answer IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_delivery_ended",
            ["done_at"],
            unique=False,
            sqlite_where=sa.text("state <> 'waiting'"),
            postgresql_where=sa.text("state <> 'waiting'"),
        )

    with op.batch_alter_table("installation", schema=None) as batch_op:
        batch_op.add_column(sa.Column("in_order", sa.Boolean(), server_default=sa.true(), nullable=False))
        batch_op.add_column(sa.Column("failing_since", UtcDateTime(), nullable=True))
        batch_op.add_column(sa.Column("disabled_why", sa.Text(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("installation", schema=None) as batch_op:
        batch_op.drop_column("disabled_why")
        batch_op.drop_column("failing_since")
        batch_op.drop_column("in_order")

    with op.batch_alter_table("delivery", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_delivery_ended",
            sqlite_where=sa.text("state <> 'waiting'"),
            postgresql_where=sa.text("state <> 'waiting'"),
        )
        batch_op.drop_index(
            "ix_delivery_answer",
            sqlite_where=sa.text("answer IS NOT NULL"),
            postgresql_where=sa.text("answer IS NOT NULL"),
        )
        batch_op.drop_index(
            "ix_delivery_dead",
            sqlite_where=sa.text("state = 'dead'"),
            postgresql_where=sa.text("state = 'dead'"),
        )
        batch_op.drop_index("ix_delivery_event")
        batch_op.drop_column("replayed_at")
        batch_op.drop_column("answer")
        batch_op.drop_column("status")
        batch_op.drop_column("took")
        batch_op.drop_column("attempted_at")

    with op.batch_alter_table("erasure", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_erasure_open",
            sqlite_where=sa.text("answered_at IS NULL AND silent_at IS NULL"),
            postgresql_where=sa.text("answered_at IS NULL AND silent_at IS NULL"),
        )
        batch_op.drop_index("ix_erasure_installation")

    op.drop_table("erasure")
    with op.batch_alter_table("schedule", schema=None) as batch_op:
        batch_op.drop_index("ix_schedule_organisation_id")
        batch_op.drop_index("ix_schedule_next")

    op.drop_table("schedule")
