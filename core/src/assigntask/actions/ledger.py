"""What actions need of the ledger and of the subjects' keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from sqlalchemy.engine import Connection

from assigntask.people.facts import Doer, PersonFacts


class Acts(Protocol):
    def act(
        self,
        conn: Connection,
        organisation_id: str,
        kind: str,
        *,
        app_id: str | None = None,
        installation_id: str | None = None,
        doer: Doer | None = None,
        facts: Mapping[str, str | int | Sequence[str]] | None = None,
        subjects: Sequence[PersonFacts] = (),
    ) -> str:
        """Records an act inside the unit that does it; the entry's id."""
        ...

    def recipients(self, conn: Connection, organisation_id: str, person: PersonFacts) -> list[str]:
        """The installations, in whatever state, that were ever given something about the person."""
        ...


class Keys(Protocol):
    def exists(self, subject_id: str) -> bool: ...

    def destroy(self, subject_id: str) -> None: ...

    def destroyed(self) -> list[str]: ...
