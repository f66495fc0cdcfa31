"""How an attempt at a delivery ends, in one unit: its row, the app's standing, its problems, and the ledger."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal

from sqlalchemy.engine import Connection

from assigntask.erasures import rows as erasures
from assigntask.events import deliveries
from assigntask.events.deliveries import Attempted, Delivery
from assigntask.ledger.entry import Fact
from assigntask.ledger.ledger import Ledger

from . import lines, problems
from .attempts import Sending

ENTRY = "delivery"
"""The kind of the ledger's entries."""

End = Literal["delivered", "more", "skipped", "later", "put_back", "dead"]
ENDED: tuple[End, ...] = ("delivered", "skipped", "dead")


@dataclass(frozen=True, slots=True)
class Settlement:
    """`why` is a code, with words where there are any: for everything but what was told. `next_at`: of what is tried
    again. `sending` is None where nothing was released; `app_id` is known where something was. `failing`: the attempt
    shows the app failing. `says`: the app's problem, for its admins.
    """

    delivery: Delivery
    end: End
    now: dt.datetime
    why: str = ""
    next_at: dt.datetime | None = None
    made: Attempted | None = None
    sending: Sending | None = None
    app_id: str | None = None
    failing: bool = False
    says: str | None = None


def settle(conn: Connection, ledger: Ledger, how: Settlement) -> bool:
    """False: the lease has run out, and what becomes of the delivery is another's to say. What was sent was sent."""
    delivery = how.delivery
    line = None if how.end in ENDED else lines.hold(conn, delivery.organisation_id, delivery.installation_id)
    settled = _settled(conn, how)
    if line is not None:
        lines.empty(conn, line, how.now)
    if settled:
        if how.failing:
            deliveries.went_wrong(conn, how.delivery, how.now)
        _tell_admins(conn, how)
        _answer_for(conn, how)
    if how.sending is not None:
        _record(conn, ledger, how, how.sending)
    return settled


def settle_and_claim(
    conn: Connection, ledger: Ledger, how: Settlement, lease: dt.timedelta
) -> tuple[bool, Delivery | None]:
    """Also what is to be told next, which is then nobody else's."""
    whose = (how.delivery.organisation_id, how.delivery.installation_id)
    if conn.dialect.name == "postgresql":
        lines.hold(conn, *whose)  # first of all, as whoever uninstalls does, or one would wait for the other
    settled = settle(conn, ledger, how)
    return settled, lines.claim(conn, *whose, how.now, lease)


def _settled(conn: Connection, how: Settlement) -> bool:
    delivery, now, why, made = how.delivery, how.now, how.why, how.made
    match how.end:
        case "delivered":
            return lines.done(conn, delivery, now, made)
        case "more":
            return lines.more(conn, delivery, now, made)
        case "skipped":
            return lines.skip(conn, delivery, now, why)
        case "dead":
            return lines.dead(conn, delivery, now, why, made)
        case "later":
            return deliveries.failed(conn, delivery, how.next_at or now, why, made)
        case "put_back":
            return lines.put_back(conn, delivery, how.next_at or now, why)


def _tell_admins(conn: Connection, how: Settlement) -> None:
    delivery = how.delivery
    whose, again = (delivery.organisation_id, delivery.installation_id), f"notice.{delivery.hook}"
    if how.end in ("delivered", "more") and delivery.attempts > 1:
        problems.clear(conn, *whose, again, by_host=True)
    elif how.says is not None and how.end == "dead":
        key = f"given_up.{delivery.hook}"
        problems.report(conn, *whose, key, how.says, now=how.now, severity="error", by_host=True)
    elif how.says is not None:
        problems.report(conn, *whose, again, how.says, now=how.now, by_host=True)


def _answer_for(conn: Connection, how: Settlement) -> None:
    """Where an erasure was asked for: what the vendor made of it."""
    match how.end:
        case "delivered":
            erasures.settle(conn, how.delivery, "answered", how.now)
        case "dead":
            erasures.settle(conn, how.delivery, "silent", how.now)
        case "skipped":
            erasures.settle(conn, how.delivery, "silent", how.now, how.why)
        case _ if how.sending == "sent":
            erasures.settle(conn, how.delivery, "delivered", how.now)


def _record(conn: Connection, ledger: Ledger, how: Settlement, sending: Sending) -> None:
    delivery = how.delivery
    facts: dict[str, Fact] = {
        "delivery": delivery.id,
        "hook": delivery.hook,
        "attempt": delivery.attempts,
        "outcome": sending,
    }
    if how.made is not None and how.made.status is not None:
        facts["status"] = how.made.status
    ledger.act(
        conn,
        delivery.organisation_id,
        ENTRY,
        app_id=how.app_id,
        installation_id=delivery.installation_id,
        facts=facts,
    )
