"""Whom an app is told to talk to: who was named, who is left out, and what the app gets about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask.grants.rules import is_identifying
from assigntask.installations.admission import assurance_of
from assigntask.installations.installations import Installation
from assigntask.installations.occasion import Occasion
from assigntask.ledger.channel import Channel
from assigntask.ledger.entry import Disclosure, Recipient, RecordSeen, Subject, Value
from assigntask.people import contacts, people
from assigntask.people.facts import PersonFacts
from assigntask_sdk.errors import Invalid
from assigntask_sdk.manifest import Manifest

LeftOut = Literal["nobody named", "objected", "restricted"]


@dataclass(frozen=True, slots=True)
class NamedContact:
    """A contact that the manifest asks for. Without a person, `left_out` says why."""

    contact: str
    details: tuple[str, ...]
    person: PersonFacts | None
    left_out: LeftOut | None


def reasons_left_out(conn: Connection, organisation_id: str, app_id: str) -> Mapping[str, LeftOut]:
    """Person id → why this app gets nothing about them."""
    objected = conn.scalars(
        sa.select(t.objection.c.person_id).where(
            t.objection.c.organisation_id == organisation_id,
            t.objection.c.app_id == app_id,
            t.objection.c.withdrawn_at.is_(None),
        )
    ).all()
    restricted = conn.scalars(
        sa.select(t.restriction.c.person_id).where(
            t.restriction.c.organisation_id == organisation_id, t.restriction.c.lifted_at.is_(None)
        )
    ).all()
    return {**dict.fromkeys(objected, "objected"), **dict.fromkeys(restricted, "restricted")}


def choose(
    conn: Connection,
    installer: PersonFacts,
    manifest: Manifest,
    *,
    organisation_id: str,
    named: Mapping[str, str],
    before: Mapping[str, str],
    alone: bool,
) -> tuple[NamedContact, ...]:
    """`named`: contact → person as somebody wrote them; `before`: contact → person id of an earlier agreement.

    Where neither names anybody it is the organisation's own contact. Whoever installs for themselves alone
    speaks for nobody else. Raises Invalid for a person who left, and HostError `person_unknown`.
    """
    out = reasons_left_out(conn, organisation_id, manifest.id)
    chosen = []
    for contact, details in sorted(manifest.contacts.items()):
        person: PersonFacts | None
        if contact == "installer":
            person = _still_here(conn, organisation_id, before.get(contact)) or installer
        elif alone:
            person = None
        else:
            person = _other(conn, organisation_id, contact, named.get(contact), before.get(contact))
        why: LeftOut | None = "nobody named" if person is None else out.get(person.id)
        chosen.append(NamedContact(contact, tuple(details), None if why else person, why))
    return tuple(chosen)


def hand_over(
    occasion: Occasion,
    installation: Installation,
    manifest: Manifest,
    agreed: Sequence[NamedContact],
    given: Mapping[str, tuple[str, frozenset[str]]],
) -> bool:
    """Records what the app newly gets about its contacts, and tells each who did not act themselves.

    `given`: contact → person id and details of an earlier agreement. Whether there was anything new.
    """
    anything = False
    for named in agreed:
        if named.person is None:
            continue
        person_id, had = given.get(named.contact, ("", frozenset()))
        newly = frozenset(named.details) - (had if person_id == named.person.id else frozenset())
        if newly:
            anything = True
            occasion.ledger.disclose(occasion.conn, _disclosure(occasion, installation, manifest, named.person, newly))
        if named.person.id not in (person_id, occasion.doer.person_id):
            facts = {"app_id": installation.app_id, "installation_id": installation.id, "contact": named.contact}
            occasion.event("contact.named", ("person", named.person.id, named.person.version), facts)
    return anything


def value_of(person: PersonFacts, detail: str) -> str | bool | None:
    """A person's detail by its name in the catalogue."""
    field = detail.partition(".")[2]
    return person.state == "active" if field == "active" else getattr(person, field)


def _other(
    conn: Connection, organisation_id: str, contact: str, named: str | None, before: str | None
) -> PersonFacts | None:
    if named is not None:
        person = people.find(conn, organisation_id, named)
        if person.state != "active":
            raise Invalid({f"{contact}_contact": f"{person.name} is no longer active: name somebody who is"})
        return person
    kind: contacts.ContactKind = "technical" if contact == "technical" else "billing"
    return _still_here(conn, organisation_id, before or contacts.get(conn, organisation_id, kind))


def _still_here(conn: Connection, organisation_id: str, person_id: str | None) -> PersonFacts | None:
    found = people.load(conn, organisation_id, [person_id]).get(person_id) if person_id is not None else None
    return found if found is not None and found.state == "active" else None


def _disclosure(
    occasion: Occasion, installation: Installation, manifest: Manifest, person: PersonFacts, details: frozenset[str]
) -> Disclosure:
    subject = Subject(person.subject_id, _generation(occasion, installation.app_id, person.id))
    values = [
        Value(subject, detail, str(value))
        for detail in sorted(details)
        if is_identifying(detail) and (value := value_of(person, detail)) is not None
    ]
    by = occasion.doer.person_id
    doer = people.load(occasion.conn, occasion.organisation_id, [by]).get(by) if by else None
    return Disclosure(
        organisation_id=occasion.organisation_id,
        recipient=Recipient(
            installation_id=installation.id,
            app_id=installation.app_id,
            counterparty=manifest.vendor.name,
            grant_version=installation.grant_version,
            assurance=assurance_of(occasion.conn, installation.app_id),
        ),
        channel=Channel.INSTALL,
        actor="person",
        actor_subject=Subject(doer.subject_id) if doer is not None else None,
        details=details,
        records=[RecordSeen("person", person.id, person.version, subject)],
        subjects=[subject],
        values=values,
    )


def _generation(occasion: Occasion, app_id: str, person_id: str) -> int:
    table = t.pairwise_generation
    found = occasion.conn.scalar(
        sa.select(table.c.generation).where(
            table.c.organisation_id == occasion.organisation_id,
            table.c.app_id == app_id,
            table.c.person_id == person_id,
        )
    )
    return int(found or 0)
