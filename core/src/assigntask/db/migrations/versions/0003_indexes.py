"""Indexes by which a page of tasks costs the same whatever the organisation holds.

Revision 0003, after 0002.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TOKENS, AUTHORIZATION = "ix_oauth_access_token_authorization", ["organisation_id", "authorization_id"]


def upgrade() -> None:
    op.create_index("ix_assignee_task", "assignee", ["organisation_id", "task_id"])
    op.create_index("ix_task_label_task", "task_label", ["organisation_id", "task_id"])
    only = sa.text("authorization_id IS NOT NULL")
    op.drop_index(TOKENS, "oauth_access_token")
    op.create_index(TOKENS, "oauth_access_token", AUTHORIZATION, sqlite_where=only, postgresql_where=only)


def downgrade() -> None:
    op.drop_index(TOKENS, "oauth_access_token")
    op.create_index(TOKENS, "oauth_access_token", AUTHORIZATION)
    op.drop_index("ix_task_label_task", "task_label")
    op.drop_index("ix_assignee_task", "assignee")
