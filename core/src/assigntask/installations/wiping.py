"""The end: when retention is over, what an app stored goes, and the row stays as a trace that it was here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask.erasures import recipients as erasing
from assigntask.erasures import rows as erasures
from assigntask.installations import admission, installations
from assigntask.installations.installations import Installation
from assigntask.installations.life import next_state
from assigntask.installations.occasion import Occasion
from assigntask.ledger.ledger import Ledger
from assigntask.people.facts import Doer
from assigntask.stores.rows import wipe_installation

GOODBYE_PATIENCE = timedelta(days=3)  # a goodbye that can't be delivered doesn't keep the data any longer than this


@dataclass(frozen=True, slots=True)
class Wiped:
    organisation_id: str
    installation_id: str
    app_id: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def due(conn: Connection, now: datetime) -> Sequence[tuple[str, str]]:
    """Organisation and installation ids, of the whole host, whose retention is over and whose goodbyes are said."""
    inst, delivery = t.installation, t.delivery
    goodbye_waits = sa.exists().where(
        delivery.c.organisation_id == inst.c.organisation_id,
        delivery.c.installation_id == inst.c.id,
        delivery.c.state == "waiting",
    )
    rows = conn.execute(
        sa.select(inst.c.organisation_id, inst.c.id)
        .where(
            inst.c.state == "uninstalled",
            inst.c.wipe_at <= now,
            sa.or_(sa.not_(goodbye_waits), inst.c.wipe_at <= now - GOODBYE_PATIENCE),
        )
        .order_by(inst.c.wipe_at, inst.c.id)
    )
    return [(organisation_id, installation_id) for organisation_id, installation_id in rows]


def wipe(conn: Connection, ledger: Ledger, organisation_id: str, installation_id: str, now: datetime) -> Wiped | None:
    """None where somebody restored or wiped it meanwhile."""
    occasion = Occasion.begin(conn, ledger, Doer(organisation_id, None, None), now)
    before = installations.get(conn, organisation_id, installation_id)
    if before.state != "uninstalled" or before.wipe_at is None or before.wipe_at > now:
        return None
    wipe_installation(conn, organisation_id, installation_id)
    _delete_what_hangs_on_it(conn, before, now)
    wiped = installations.change(
        conn,
        before,
        state=next_state(before.state, "wipe"),
        settings={},
        contacts={},
        changed_at=now,
    )
    occasion.recorded("wipe", wiped, {"version": wiped.version})
    _ask_again(occasion, wiped)
    return Wiped(organisation_id, installation_id, wiped.app_id)


def _ask_again(occasion: Occasion, wiped: Installation) -> None:
    """Whoever did not say since the uninstall that all of it is erased is asked once more, now that it is due."""
    conn, facts = occasion.conn, {"wiped_at": occasion.now.isoformat()}
    whose = (wiped.organisation_id, wiped.id)
    stood = erasures.standing(conn, *whose, since=wiped.uninstalled_at or wiped.created_at)
    given = erasing.was_given(conn, wiped.organisation_id, wiped.app_id, wiped.id)
    if not given or stood not in (None, "silent"):
        occasion.told("wiped", wiped, facts)
        return
    manifest = admission.manifest_of(conn, wiped.app_id, wiped.version)
    delivery_id = occasion.told("wiped", wiped, facts, hook="uninstalling", manifest=manifest)
    erasures.ask(conn, *whose, None, delivery_id, occasion.now)


def _delete_what_hangs_on_it(conn: Connection, installation: Installation, now: datetime) -> None:
    """Deliveries stay as ids; what was said about them goes. Those that ask for an erasure are told all the same."""
    for table in (
        t.enrolment,
        t.breaker,
        t.problem,
        t.subscription,
        t.installation_project,
        t.idempotency_key,
        t.job,
    ):
        conn.execute(
            table.delete().where(
                table.c.organisation_id == installation.organisation_id, table.c.installation_id == installation.id
            )
        )
    mine = (
        t.delivery.c.organisation_id == installation.organisation_id,
        t.delivery.c.installation_id == installation.id,
    )
    conn.execute(sa.update(t.delivery).where(*mine).values(last_error=None, answer=None))
    asking = sa.select(t.erasure.c.delivery_id).where(
        t.erasure.c.organisation_id == installation.organisation_id,
        t.erasure.c.installation_id == installation.id,
        t.erasure.c.delivery_id.is_not(None),
    )
    conn.execute(
        sa.update(t.delivery)
        .where(*mine, t.delivery.c.state == "waiting", t.delivery.c.id.not_in(asking))
        .values(state="skipped", done_at=now, leased_until=None)
    )
