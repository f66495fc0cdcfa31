"""What signs calls to one installation: its client as it stands, also after it was revoked, for goodbyes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask.grants.grant import Grant


@dataclass(frozen=True, slots=True)
class Standing:
    """The client of an installation's present credential. Moments are aware, in UTC."""

    id: str
    generation: int
    previous_until: datetime | None
    delivered_at: datetime | None
    revoked_at: datetime | None

    def knows_a_secret(self, now: datetime) -> bool:
        """Whether the app was given something that still verifies what is signed for it."""
        before = self.generation > 1 and self.previous_until is not None and self.previous_until > now
        return self.delivered_at is not None or before


def standing(conn: Connection, organisation_id: str, installation_id: str, credential: str) -> Standing | None:
    """None: it has no client yet."""
    c = t.oauth_client.c
    row = conn.execute(
        sa.select(c.id, c.generation, c.previous_until, c.delivered_at, c.revoked_at)
        .where(c.organisation_id == organisation_id, c.installation_id == installation_id, c.credential == credential)
        .order_by(c.created_at.desc(), c.id.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else Standing(*row)


def standing_of(conn: Connection, grant: Grant) -> Standing | None:
    return standing(conn, grant.organisation_id, grant.installation_id, grant.credential)
