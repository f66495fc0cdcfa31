"""Who is signed in at which browser, and the links that sign somebody in once. Only digests are kept."""

from __future__ import annotations

import datetime as dt
import secrets
from dataclasses import dataclass
from hashlib import sha256

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask.errors import HostError

from .facts import Doer

LINK_LIFETIME = dt.timedelta(minutes=10)
IDLE = dt.timedelta(days=30)
"""A session that nobody used for so long has ended."""

SEEN_EVERY = dt.timedelta(hours=1)
"""That a session is used is written down so often at most."""

_LINK, _SESSION = "sl_", "se_"
_LENGTH = 3 + 43  # the prefix, and 256 bits in base64url


@dataclass(frozen=True, slots=True)
class Session:
    """`doer` has the role of now. `digest` names the session, and opens nothing. `stale`: use should be noted."""

    digest: str
    doer: Doer
    stale: bool


def make_link(conn: Connection, organisation_id: str, person_id: str, now: dt.datetime) -> str:
    """The secret of a new link. Links made before for the same person still work until their time is over."""
    link = _LINK + secrets.token_urlsafe(32)
    conn.execute(
        sa.insert(t.sign_in_link).values(
            digest=_digest(link), organisation_id=organisation_id, person_id=person_id, expires_at=now + LINK_LIFETIME
        )
    )
    return link


def redeem(conn: Connection, link: str, now: dt.datetime) -> tuple[str, Session]:
    """Uses the link up, and opens a session: the cookie's value, and what it opens.

    Raises HostError `sign_in_link_invalid`, for one that was used, is too old, or whose person has left.
    """
    taken = None
    if _is_secret(link, _LINK):  # of several who redeem it at once, one has it
        taken = conn.execute(
            sa.update(t.sign_in_link)
            .where(
                t.sign_in_link.c.digest == _digest(link),
                t.sign_in_link.c.used_at.is_(None),
                t.sign_in_link.c.expires_at > now,
            )
            .values(used_at=now)
            .returning(t.sign_in_link.c.organisation_id, t.sign_in_link.c.person_id)
        ).first()
    if taken is None:
        raise _invalid()
    value = _SESSION + secrets.token_urlsafe(32)
    conn.execute(
        sa.insert(t.session).values(
            digest=_digest(value),
            organisation_id=taken.organisation_id,
            person_id=taken.person_id,
            created_at=now,
            seen_at=now,
            expires_at=now + IDLE,
        )
    )
    session = find(conn, value, now)
    if session is None:
        raise _invalid()
    return value, session


def find(conn: Connection, value: str, now: dt.datetime) -> Session | None:
    """The session that a cookie's value opens; None where it has ended, or its person has left."""
    if not _is_secret(value, _SESSION):
        return None
    row = conn.execute(
        sa.select(t.session.c.digest, t.session.c.organisation_id, t.session.c.seen_at, t.person.c.id, t.person.c.role)
        .join(
            t.person,
            sa.and_(t.person.c.organisation_id == t.session.c.organisation_id, t.person.c.id == t.session.c.person_id),
        )
        .where(t.session.c.digest == _digest(value), t.session.c.expires_at > now, t.person.c.state == "active")
    ).first()
    if row is None:
        return None
    return Session(row.digest, Doer(row.organisation_id, row.id, row.role), now - row.seen_at >= SEEN_EVERY)


def touch(conn: Connection, session: Session, now: dt.datetime) -> None:
    """It is in use, so it stays open for `IDLE` from now on."""
    conn.execute(
        sa.update(t.session)
        .where(t.session.c.organisation_id == session.doer.organisation_id, t.session.c.digest == session.digest)
        .values(seen_at=now, expires_at=now + IDLE)
    )


def end(conn: Connection, session: Session) -> None:
    """From now on the cookie's value opens nothing."""
    conn.execute(
        sa.delete(t.session).where(
            t.session.c.organisation_id == session.doer.organisation_id, t.session.c.digest == session.digest
        )
    )


def sweep(conn: Connection, now: dt.datetime, limit: int) -> int:
    """Removes at most so many sessions, and so many links, whose time is over; how many were removed."""
    removed = 0
    for table in (t.session, t.sign_in_link):
        over = sa.select(table.c.digest).where(table.c.expires_at <= now).limit(limit)
        removed += conn.execute(sa.delete(table).where(table.c.digest.in_(over))).rowcount
    return removed


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _is_secret(text: str, prefix: str) -> bool:
    return len(text) == _LENGTH and text.startswith(prefix) and text.isascii()


def _invalid() -> HostError:
    return HostError(
        "sign_in_link_invalid",
        "This link was used already, or is more than 10 minutes old. Ask whoever runs this host for a new one: "
        "`assigntask people sign-in-link PERSON` makes it.",
    )
