"""What an importer brought in before, so that a second run changes nothing."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t

_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Sources:
    """One organisation's memory of one tracker ("trello").

    Outside ids are kept as HMAC-SHA256 under `key`: they outlive people who were forgotten, and tell nothing.
    """

    organisation_id: str
    source: str
    key: bytes

    def outside_key(self, kind: str, outside_id: str) -> str:
        named = "\0".join((self.organisation_id, self.source, kind, outside_id))
        return hmac.new(self.key, named.encode("utf-8", "surrogatepass"), sha256).hexdigest()

    def known(self, conn: Connection, kind: str, outside_ids: Iterable[str]) -> dict[str, str | None]:
        """Outside id → record id, for what came in before; None for a person who was forgotten since."""
        by_key = {self.outside_key(kind, outside_id): outside_id for outside_id in outside_ids}
        keys = sorted(by_key)
        found: dict[str, str | None] = {}
        for start in range(0, len(keys), _AT_ONCE):
            query = sa.select(t.import_source.c.outside_key, t.import_source.c.record_id).where(
                t.import_source.c.organisation_id == self.organisation_id,
                t.import_source.c.source == self.source,
                t.import_source.c.kind == kind,
                t.import_source.c.outside_key.in_(keys[start : start + _AT_ONCE]),
            )
            found |= {by_key[row.outside_key]: row.record_id for row in conn.execute(query)}
        return found

    def remember(self, conn: Connection, kind: str, made: Mapping[str, str]) -> None:
        """`made`: outside id → record id."""
        rows = [
            {
                "organisation_id": self.organisation_id,
                "source": self.source,
                "kind": kind,
                "outside_key": self.outside_key(kind, outside_id),
                "record_id": record_id,
            }
            for outside_id, record_id in made.items()
        ]
        if rows:
            conn.execute(sa.insert(t.import_source), rows)
