"""What the steps of an import have in common."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy.engine import Connection

from assigntask_sdk.records import Label, Status

from .import_sources import Sources
from .importers import board as outside

# What has no place here, beside what the reader of the file says itself, and why.
USER_NAMES = "user names"
DONE_DATES = "dates on which tasks were done"
ITEM_DETAILS = "due dates and assignees of checklist items"
FILE_DETAILS = "sizes and media types of attachments"
LINKS = "attachments without a usable address"
WHY = {
    USER_NAMES: "Somebody else here has the user name already, or it has characters that none may have here.",
    DONE_DATES: "The file says that the tasks are done, but not since when; the time of their last change is taken.",
    ITEM_DETAILS: "Items of a checklist have a text and a tick here.",
    FILE_DETAILS: "An attachment is a link here, with a name.",
    LINKS: "Only absolute http and https addresses can be opened.",
}


@dataclass(frozen=True, slots=True)
class ImportReport:
    """`stored` and `known` (came in before) count by kind; `left_out` is the reader's, and what has no place here."""

    project_id: str
    stored: Mapping[str, int]
    known: Mapping[str, int]
    left_out: tuple[outside.LeftOut, ...]


@dataclass(frozen=True, slots=True)
class Ground:
    """What a whole import has in common. `now` is aware."""

    sources: Sources
    board: outside.Board
    now: dt.datetime

    @property
    def organisation_id(self) -> str:
        return self.sources.organisation_id

    def named(self, *parts: str) -> str:
        """Ids are unique on their board only."""
        return "\0".join((self.board.source_id or f"name:{self.board.name}", *parts))


@dataclass(frozen=True, slots=True)
class Step:
    """What one step stored, and what it found to be there."""

    stored: Counter[str] = field(default_factory=Counter)
    known: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)

    def add(self, other: Step) -> None:
        self.stored.update(other.stored)
        self.known.update(other.known)
        self.left_out.update(other.left_out)


@dataclass(frozen=True, slots=True)
class Prepared:
    """The host's own for what tasks refer to, by the file's ids. People: None for who was forgotten."""

    project_id: str
    people: Mapping[str, str | None]
    statuses: Mapping[str, Status]
    labels: Mapping[str, Label]
    positions: Mapping[str, float]
    step: Step


def known_ids(
    conn: Connection, ground: Ground, kind: str, source_ids: Iterable[str], step: Step, counted: str
) -> dict[str, str]:
    """The file's id → the record's, for what came in before."""
    names = {ground.named(source_id): source_id for source_id in source_ids}
    found = ground.sources.known(conn, kind, names)
    known = {names[name]: record_id for name, record_id in found.items() if record_id is not None}
    step.known[counted] += len(known)
    return known
