"""What is left of a story that can be compared: rows and entries, with names in the place of ids."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.app import Platform
from assigntask.db import tables as t
from assigntask.grants.pairwise import pairwise_id
from assigntask.ledger.subjects import subject_ref

GENERATIONS = 4
"""Ids that one person has had for one installation, at most."""

LEFT_OUT: Mapping[str, str] = {
    "oauth_access_token": "how an app outside proves who it is; one in the process proves nothing",
    "oauth_client": "as above",
    "oauth_secret": "as above",
    "api_answer": "answers that the API keeps for an Idempotency-Key; what a key made is in idempotency_key",
    "ledger_entry": "compared leaf by leaf",
    "ledger_subject": "repeats what the leaves say, under names that nobody else knows",
    "ledger_value": "sealed under the subject's key, with a nonce",
    "tree_node": "hashes",
    "checkpoint": "hashes, signed",
}
"""Tables that hold nothing to compare, and why."""

LEFT_OUT_COLUMNS: Mapping[tuple[str, str], str] = {
    ("organisation", "epoch"): "rises once more when an app outside is given credentials",
    ("installation", "credential"): "random",
    ("installation", "notice_digest"): "a digest of the words that say where the app runs",
    ("installation", "next_position"): "credentials take a place among what is told to an app outside",
    ("delivery", "position"): "as above",
    ("delivery", "took"): "as long as it took",
    ("delivery", "status"): "of HTTP, which in the process there is none of",
    ("delivery", "answer"): "what a service answered when it failed",
    ("delivery", "next_at"): "spread by the delivery's id",
    ("schedule", "next_at"): "spread by the installation's id",
    ("person", "email_key"): "random",
    ("file", "created_at"): "a stream takes its time",
}

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\bp_[a-z2-7]{26}\b|\b[0-9a-f]{32}\b")


class Names:
    """A name for each id that a story meets: what it belongs to, the same in both ways."""

    def __init__(self, platform: Platform, organisation_id: str) -> None:
        self._platform, self._organisation_id = platform, organisation_id
        self._known: dict[str, str] = {}
        self._learned: set[tuple[str, str]] = set()

    async def learn(self) -> None:
        """Of everything that is there now. Later it may be forgotten, or have another id."""
        await self._platform.db.read(self._learn)

    def _learn(self, conn: Connection) -> None:
        known = self._known
        known[self._organisation_id] = "<the organisation>"
        for table, word in _WORDS.items():
            for row in conn.execute(sa.select(table).where(table.c.organisation_id == self._organisation_id)):
                if row.id not in known:
                    known[row.id] = f"<{table.name} {self.said(getattr(row, word))}>"
        installations = conn.execute(
            sa.select(t.installation).where(t.installation.c.organisation_id == self._organisation_id)
        ).all()
        people = conn.execute(sa.select(t.person).where(t.person.c.organisation_id == self._organisation_id)).all()
        keys = self._platform.subject_keys.existing([person.subject_id for person in people])
        for person in people:
            name = known[person.id].strip("<>")
            known.setdefault(person.subject_id, f"<subject of {name}>")
            key = keys.get(person.subject_id)
            if key is not None:
                known[subject_ref(key, "", 0)] = f"<reference to {name}>"
            for one in installations:
                if (one.credential, person.id) in self._learned:
                    continue
                self._learned.add((one.credential, person.id))
                for number in range(GENERATIONS):
                    if key is not None:
                        known[subject_ref(key, one.id, number)] = f"<reference {number} to {name}>"
                    paired = pairwise_id(self._platform.keys.pairwise(), one.credential, person.id, number)
                    known.setdefault(paired, f"<id {number} of {name}, {one.state}>")

    def said(self, value: Any) -> Any:
        """Any value as JSON has it, with names for ids; those of things without a name are alike."""
        if isinstance(value, bytes):
            value = value.decode("utf-8", "backslashreplace")
        if isinstance(value, str):
            return _ID.sub(lambda found: self._known.get(found[0], "<id>"), value)
        if isinstance(value, Mapping):
            return {self.said(str(key)): self.said(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.said(inner) for inner in value]
        return value.isoformat() if isinstance(value, dt.date) else value


_WORDS: Mapping[sa.Table, str] = {
    t.project: "name",
    t.status: "name",
    t.label: "name",
    t.task_type: "name",
    t.department: "name",
    t.person: "name",
    t.task: "number",
    t.comment: "text",
    t.attachment: "name",
    t.checklist: "name",
    t.checklist_item: "text",
    t.installation: "app_id",
    t.job: "name",
}
"""The tables whose rows are named, and by which column."""


def in_order(values: list[Any]) -> list[Any]:
    return sorted(values, key=lambda value: json.dumps(value, sort_keys=True, default=str))


async def rows_of(platform: Platform, organisation_id: str, names: Names) -> dict[str, list[Any]]:
    """All rows of the organisation, whatever the table, but for LEFT_OUT."""

    def read(conn: Connection) -> dict[str, list[dict[str, Any]]]:
        return {
            table.name: [
                dict(row._mapping) for row in conn.execute(sa.select(table).where(_owner(table) == organisation_id))
            ]
            for table in t.metadata.sorted_tables
            if table.name not in LEFT_OUT and _owner(table) is not None
        }

    found = await platform.db.read(read)
    told = {
        table: in_order([_compared(table, names.said(row)) for row in rows if not _credentials(table, row)])
        for table, rows in found.items()
    }
    return {table: rows for table, rows in told.items() if rows}


_BY_THE_HOST = re.compile(r"(The last time: |tried again: |given up: )(.*)", re.DOTALL)
"""How the host says what an app raised. In its process it knows the words; of a service it takes the kind alone."""


def _owner(table: sa.Table) -> Any:
    return table.c.id if table.name == "organisation" else table.c.get("organisation_id")


def _credentials(table: str, row: Mapping[str, Any]) -> bool:
    """What only an app outside is sent: the event and the line that hand over its credentials."""
    return (table, row.get("hook")) == ("delivery", "credentials") or row.get("kind") == "installation.credentials"


def _compared(table: str, row: dict[str, Any]) -> dict[str, Any]:
    kept = {column: value for column, value in row.items() if (table, column) not in LEFT_OUT_COLUMNS}
    if kept.get("last_error") is not None:
        kept["last_error"] = kept["last_error"].partition(":")[0]
    if table == "problem" and _BY_THE_HOST.search(kept["text"]):
        kept["text"] = _BY_THE_HOST.sub(r"\1", kept["text"])
    if table == "store" and row["sealed"]:
        del kept["value"]  # under the person's key, with a nonce; apps read it back
    elif table == "store" and row["is_json"]:
        kept["value"] = json.loads(row["value"])
    return kept


async def entries_of(platform: Platform, organisation_id: str, names: Names) -> tuple[list[Any], set[str]]:
    """What each entry says but for ids and hashes, in no order; and the assurances, which are left out of them."""

    def read(conn: Connection) -> list[Any]:
        entry = t.ledger_entry.c
        query = sa.select(entry.leaf, entry.kind, entry.channel, entry.installation_id, entry.app_id)
        return list(conn.execute(query.where(entry.organisation_id == organisation_id)))

    leaves, assurances = [], set()
    for text, *columns in await platform.db.read(read):
        leaf = json.loads(text)
        del leaf["id"]
        leaf.get("facts", {}).pop("notice", None)  # a digest of the words that say where the app runs
        if leaf["kind"] == "delivery":
            leaf["facts"].pop("status", None)  # of HTTP, which in the process there is none of
        if leaf["kind"] == "delivery":
            leaf["facts"].pop("status", None)  # of HTTP, which in the process there is none of
        for place in (leaf, leaf.get("facts", {})):
            if (assurance := place.pop("assurance", None)) is not None:
                assurances.add(assurance)
        commitments = dict.fromkeys(leaf.pop("commitments", {}), "a hash")
        told = names.said({**leaf, "commitments": commitments, "columns": columns})
        told["subjects"] = sorted(told["subjects"])
        if "records" in told:
            told["records"] = in_order(told["records"])
        leaves.append(told)
    return in_order(leaves), assurances
