"""Projects, tasks and all that hangs on a task."""

from __future__ import annotations

import sqlalchemy as sa

from ..types import Json, UtcDateTime
from .base import Id, id_column, in_organisation, metadata, organisation, reference

project = sa.Table(
    "project",
    metadata,
    id_column(),
    organisation(),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False, server_default=""),
    sa.Column("archived", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("version", sa.BigInteger, nullable=False, server_default="1"),
    sa.Column("created_at", UtcDateTime, nullable=False),
    in_organisation("project"),
)

status = sa.Table(
    "status",
    metadata,
    id_column(),
    organisation(),
    reference("project_id", "project"),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("position", sa.Float, nullable=False),
    sa.Column("done", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("archived", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Index("ix_status_project", "organisation_id", "project_id"),
)

task_type = sa.Table(
    "task_type",
    metadata,
    id_column(),
    organisation(),
    sa.Column("name", sa.Text, nullable=False),
    sa.UniqueConstraint("organisation_id", "name"),
)

label = sa.Table(
    "label",
    metadata,
    id_column(),
    organisation(),
    reference("project_id", "project"),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("colour", sa.Text),
    sa.Index("ix_label_project", "organisation_id", "project_id"),
)

task = sa.Table(
    "task",
    metadata,
    id_column(),
    organisation(),
    reference("project_id", "project"),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("summary", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False, server_default=""),
    reference("task_type_id", "task_type", nullable=True),
    reference("status_id", "status"),
    sa.Column("start_day", sa.Date),
    sa.Column("due_day", sa.Date),
    sa.Column("due_at", UtcDateTime),
    reference("creator_id", "person", nullable=True),
    sa.Column("position", sa.Float, nullable=False, server_default="0"),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("updated_at", UtcDateTime, nullable=False),
    sa.Column("done_at", UtcDateTime),
    sa.Column("archived", sa.Boolean, nullable=False, server_default=sa.false()),
    # The apps that were not asked about the last save ("not checked by X"), as app ids.
    sa.Column("unchecked_by", Json, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False, server_default="1"),
    sa.UniqueConstraint("organisation_id", "number"),
    sa.Index("ix_task_board", "organisation_id", "project_id", "archived", "status_id"),
    sa.Index("ix_task_created", "organisation_id", "created_at", "id"),
)

assignee = sa.Table(
    "assignee",
    metadata,
    organisation(),
    reference("task_id", "task", ondelete="CASCADE"),
    reference("person_id", "person"),
    sa.Column("position", sa.Integer, nullable=False, server_default="0"),
    sa.PrimaryKeyConstraint("task_id", "person_id"),
    sa.Index("ix_assignee_person", "organisation_id", "person_id"),
    # Without it SQLite takes the one above for a page of tasks, and reads the whole organisation's.
    sa.Index("ix_assignee_task", "organisation_id", "task_id"),
)

task_label = sa.Table(
    "task_label",
    metadata,
    organisation(),
    reference("task_id", "task", ondelete="CASCADE"),
    reference("label_id", "label"),
    sa.PrimaryKeyConstraint("task_id", "label_id"),
    sa.Index("ix_task_label_task", "organisation_id", "task_id"),
)

checklist = sa.Table(
    "checklist",
    metadata,
    id_column(),
    organisation(),
    reference("task_id", "task", ondelete="CASCADE"),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("position", sa.Float, nullable=False),
    sa.Index("ix_checklist_task", "organisation_id", "task_id"),
)

checklist_item = sa.Table(
    "checklist_item",
    metadata,
    id_column(),
    organisation(),
    reference("checklist_id", "checklist", ondelete="CASCADE"),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("done", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("position", sa.Float, nullable=False),
    sa.Index("ix_checklist_item_checklist", "organisation_id", "checklist_id"),
)

comment = sa.Table(
    "comment",
    metadata,
    id_column(),
    organisation(),
    reference("task_id", "task", ondelete="CASCADE"),
    reference("author_id", "person", nullable=True),
    # Mentions stand in the text as references (`<@person id>`): names are written only when it is shown.
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("edited_at", UtcDateTime),
    sa.Column("version", sa.BigInteger, nullable=False, server_default="1"),
    sa.Index("ix_comment_task", "organisation_id", "task_id", "created_at"),
)

attachment = sa.Table(
    "attachment",
    metadata,
    id_column(),
    organisation(),
    reference("task_id", "task", ondelete="CASCADE"),
    reference("author_id", "person", nullable=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("url", sa.Text),  # none: a file of our own
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False, server_default="1"),
    sa.Index("ix_attachment_task", "organisation_id", "task_id"),
)

# What an importer already brought in, so that a second run changes nothing. The outside id is kept as a keyed
# hash: it must outlive a person who was forgotten (record_id is then null), and tell nothing about them.
import_source = sa.Table(
    "import_source",
    metadata,
    organisation(),
    sa.Column("source", sa.Text, nullable=False),  # "trello"
    sa.Column("kind", sa.Text, nullable=False),  # "person", "task", …
    sa.Column("outside_key", sa.String(64), nullable=False),
    sa.Column("record_id", Id),
    sa.PrimaryKeyConstraint("organisation_id", "source", "kind", "outside_key"),
    sa.Index("ix_import_source_record", "organisation_id", "record_id"),
)

# Creates that carry a key are done once, however often they are asked for.
idempotency_key = sa.Table(
    "idempotency_key",
    metadata,
    organisation(),
    sa.Column("installation_id", Id, nullable=False),
    sa.Column("operation", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("record_id", Id, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.PrimaryKeyConstraint("organisation_id", "installation_id", "operation", "key"),
)
