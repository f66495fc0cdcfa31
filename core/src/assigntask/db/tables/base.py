"""What all tables share. Every table that holds an organisation's data carries `organisation_id`."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Id = sa.String(36)


def id_column() -> sa.Column[str]:
    return sa.Column("id", Id, primary_key=True)


def reference(name: str, target: str, *, nullable: bool = False, **options: Any) -> sa.Column[str]:
    """A column that points at `target`'s id. Rows of a parent go with it only where `ondelete` says so."""
    return sa.Column(name, Id, sa.ForeignKey(f"{target}.id", ondelete=options.pop("ondelete", None)), nullable=nullable)


def organisation() -> sa.Column[str]:
    return reference("organisation_id", "organisation")


def in_organisation(name: str) -> sa.Index:
    """Most look-ups start at the organisation."""
    return sa.Index(f"ix_{name}_organisation_id", "organisation_id")
