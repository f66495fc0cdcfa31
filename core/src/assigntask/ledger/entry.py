"""What one entry says, as the bytes that are sealed. Pure: keys come in, nothing is read or written.

A leaf is canonical JSON (RFC 8785) of strings and integers. It holds no personal value: subjects are named by
`subject_ref`, an identifying value by HMAC(nonce, value), with nonce and value sealed under the subject's key.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from hmac import digest as hmac_digest

from assigntask.ledger.channel import Channel
from assigntask.ledger.subjects import seal, subject_ref

Fact = str | int | Sequence[str]


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom an entry is about. `generation` counts the ids that the app has had for this person."""

    subject_id: str
    generation: int = 0


@dataclass(frozen=True, slots=True)
class RecordSeen:
    """A record that was released. A person's own record is named by its subject."""

    kind: str
    id: str
    version: int
    subject: Subject | None = None


@dataclass(frozen=True, slots=True)
class Value:
    """An identifying value that the entry commits to."""

    subject: Subject
    detail: str
    text: str


@dataclass(frozen=True, slots=True)
class Recipient:
    """The installation that something was released to."""

    installation_id: str
    app_id: str
    counterparty: str
    grant_version: int
    assurance: str


@dataclass(frozen=True, slots=True)
class Disclosure:
    """One release: which details of which records went to whom, through which channel, by whose right."""

    organisation_id: str
    recipient: Recipient
    channel: Channel
    actor: str  # "viewer", "installation", "person"
    actor_subject: Subject | None
    details: frozenset[str]
    records: Sequence[RecordSeen]
    subjects: Sequence[Subject]
    values: Sequence[Value] = ()


@dataclass(frozen=True, slots=True)
class Act:
    """Something that was done, and no release: an install, an objection, an erasure …"""

    organisation_id: str
    kind: str
    facts: Mapping[str, Fact]
    app_id: str | None = None
    installation_id: str | None = None
    by: Subject | None = None
    operator: bool = False
    subjects: Sequence[Subject] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """An entry as it is stored."""

    id: str
    organisation_id: str
    leaf: str
    at: dt.datetime
    kind: str
    channel: str | None
    installation_id: str | None
    app_id: str | None
    subjects: Sequence[str]
    values: Sequence[tuple[str, str, bytes]] = field(default=())  # subject_ref, detail, sealed


def moment(at: dt.datetime) -> str:
    return at.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def value_place(entry_id: str, ref: str, detail: str) -> bytes:
    """Where a sealed value belongs: moved elsewhere, it can't be opened."""
    return f"{entry_id}\0{ref}\0{detail}".encode()


def commitment(nonce: bytes, text: str) -> str:
    return hmac_digest(nonce, text.encode(), sha256).hex()


def disclosure_row(disclosure: Disclosure, *, id: str, at: dt.datetime, keys: Mapping[str, bytes]) -> Row:
    """`keys`: subject id → key. Where one lacks, all about that subject is left out."""
    to = disclosure.recipient

    def ref(subject: Subject | None) -> str | None:
        key = keys.get(subject.subject_id) if subject else None
        return subject_ref(key, to.installation_id, subject.generation) if key and subject else None

    records = [
        [seen.kind, named, seen.version]
        for seen in disclosure.records
        if (named := ref(seen.subject) if seen.subject else seen.id) is not None
    ]
    commitments: dict[str, str] = {}
    sealed: list[tuple[str, str, bytes]] = []
    for value in disclosure.values:
        named = ref(value.subject)
        if named is None:
            continue
        nonce = os.urandom(32)
        commitments[f"{named} {value.detail}"] = commitment(nonce, value.text)
        data = nonce + value.text.encode()
        place = value_place(id, named, value.detail)
        sealed.append((named, value.detail, seal(keys[value.subject.subject_id], data, associated=place)))
    subjects = sorted({named for subject in disclosure.subjects if (named := ref(subject))})
    leaf = {
        "v": 1,
        "id": id,
        "organisation": disclosure.organisation_id,
        "at": moment(at),
        "kind": "release",
        "direction": "out",
        "channel": disclosure.channel.value,
        "app": to.app_id,
        "installation": to.installation_id,
        "counterparty": to.counterparty,
        "grant": to.grant_version,
        "assurance": to.assurance,
        "actor": disclosure.actor,
        "actor_subject": ref(disclosure.actor_subject) or "",
        "details": sorted(disclosure.details),
        "records": records,
        "subjects": subjects,
        "commitments": commitments,
    }
    return Row(
        id=id,
        organisation_id=disclosure.organisation_id,
        leaf=canonical(leaf),
        at=at,
        kind="release",
        channel=disclosure.channel.value,
        installation_id=to.installation_id,
        app_id=to.app_id,
        subjects=subjects,
        values=sealed,
    )


def act_row(act: Act, *, id: str, at: dt.datetime, keys: Mapping[str, bytes]) -> Row:
    def ref(subject: Subject) -> str | None:
        key = keys.get(subject.subject_id)
        return subject_ref(key, act.installation_id or "", subject.generation) if key else None

    subjects = sorted({named for subject in act.subjects if (named := ref(subject))})
    leaf = {
        "v": 1,
        "id": id,
        "organisation": act.organisation_id,
        "at": moment(at),
        "kind": act.kind,
        "app": act.app_id or "",
        "installation": act.installation_id or "",
        "by": "operator" if act.operator else "person" if act.by else "host",
        "by_subject": (ref(act.by) or "") if act.by else "",
        "facts": {name: _plain(fact) for name, fact in act.facts.items()},
        "subjects": subjects,
    }
    return Row(
        id=id,
        organisation_id=act.organisation_id,
        leaf=canonical(leaf),
        at=at,
        kind=act.kind,
        channel=None,
        installation_id=act.installation_id,
        app_id=act.app_id,
        subjects=subjects,
    )


def _plain(fact: Fact) -> str | int | list[str]:
    if isinstance(fact, str):
        return fact
    return int(fact) if isinstance(fact, int) else sorted(fact)  # true and false as 1 and 0


def canonical(leaf: Mapping[str, object]) -> str:
    """RFC 8785, for what a leaf holds: text, integers below 2**53, and keys in ASCII.

    Within these bounds the standard library writes the same bytes; a general implementation in Python took more
    than half of the time that recording takes. Raises UnicodeEncodeError for a lone surrogate.
    """
    text = json.dumps(leaf, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    text.encode()
    return text
