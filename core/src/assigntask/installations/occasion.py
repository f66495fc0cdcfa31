"""One act on an installation: the transaction it happens in, who does it, when, and where it is recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from sqlalchemy.engine import Connection

from assigntask.events.events import Event, record
from assigntask.installations.installations import Installation
from assigntask.ledger.entry import Fact
from assigntask.ledger.ledger import Ledger
from assigntask.people import organisations
from assigntask.people.facts import Doer, PersonFacts
from assigntask_sdk.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Occasion:
    """`doer` without a person is the host itself. `now` is aware, in UTC."""

    conn: Connection
    ledger: Ledger
    doer: Doer
    now: datetime

    @classmethod
    def begin(cls, conn: Connection, ledger: Ledger, doer: Doer, now: datetime) -> Self:
        """Raises the epoch first. That holds the organisation's row until the end of the transaction, so that
        acts of one organisation follow one another, and each sees what the one before it did.
        """
        organisations.raise_epoch(conn, doer.organisation_id)
        return cls(conn, ledger, doer, now)

    @property
    def organisation_id(self) -> str:
        return self.doer.organisation_id

    def recorded(
        self, kind: str, installation: Installation, facts: Mapping[str, Fact], subjects: Sequence[PersonFacts] = ()
    ) -> str:
        """The act in the ledger. `facts` hold nobody's details, and no person ids."""
        return self.ledger.act(
            self.conn,
            self.organisation_id,
            kind,
            app_id=installation.app_id,
            installation_id=installation.id,
            doer=self.doer if self.doer.person_id is not None else None,
            facts=facts,
            subjects=subjects,
        )

    def told(
        self,
        kind: str,
        installation: Installation,
        facts: Mapping[str, Any] | None = None,
        *,
        hook: str | None = None,
        manifest: Manifest | None = None,
    ) -> str | None:
        """The event `installation.<kind>`, with a delivery to this installation where its manifest has the hook: the
        delivery's id.
        """
        listens = manifest is not None and hook in manifest.hooks
        told = self.event(
            f"installation.{kind}",
            ("installation", installation.id, installation.grant_version),
            facts or {},
            hook=hook if listens else None,
            recipients=[installation.id] if listens else None,
        )
        return told.get(installation.id)

    def event(
        self,
        kind: str,
        about: tuple[str, str, int],
        facts: Mapping[str, Any],
        *,
        hook: str | None = None,
        recipients: Sequence[str] | None = None,
    ) -> Mapping[str, str]:
        """`about`: kind, id and version of the record. `facts` are ids and versions, nobody's details.

        Installation id → id of the delivery, of those who are told.
        """
        record_kind, record_id, version = about
        event = Event(
            kind=kind,
            record_kind=record_kind,
            record_id=record_id,
            version=version,
            changed=(),
            facts=dict(facts),
            by_person_id=self.doer.person_id,
            origin=None,
            at=self.now,
        )
        return record(self.conn, self.organisation_id, event, hook=hook, recipients=recipients)
