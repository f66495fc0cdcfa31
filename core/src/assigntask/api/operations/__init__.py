"""All operations, one file per noun."""

from __future__ import annotations

from ..operation import Operation
from . import (
    attachments,
    checklists,
    comments,
    deliveries,
    events,
    files,
    installation,
    jobs,
    organisation,
    people,
    problems,
    storage,
    tasks,
)

OPERATIONS: tuple[Operation, ...] = (
    *installation.OPERATIONS,
    *organisation.OPERATIONS,
    *people.OPERATIONS,
    *tasks.OPERATIONS,
    *checklists.OPERATIONS,
    *comments.OPERATIONS,
    *attachments.OPERATIONS,
    *files.OPERATIONS,
    *storage.OPERATIONS,
    *events.OPERATIONS,
    *jobs.OPERATIONS,
    *problems.OPERATIONS,
    *deliveries.OPERATIONS,
)
