"""The host disables an app by itself: it answered that it is gone, or nothing has reached it for days."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask.events.deliveries import hurry
from assigntask.hooks import problems
from assigntask.installations import admission, installations
from assigntask.installations.installations import Installation
from assigntask.installations.life import next_state
from assigntask.installations.occasion import Occasion
from assigntask.installations.subscriptions import rewrite
from assigntask.ledger.ledger import Ledger
from assigntask.people.facts import Doer

Why = Literal["gone", "failing"]

KEY = "disabled"
"""Of the problem, among the host's."""

_WORDS = {
    "gone": "its service answered that it is gone for good (HTTP status 410). Ask its vendor whether it moved; then "
    "enable it, or uninstall it",
    "failing": "nothing could be told to it for five days. Ask its vendor to mend it, then enable it",
}


def disable(
    conn: Connection, ledger: Ledger, organisation_id: str, installation_id: str, why: Why, now: datetime
) -> bool:
    """As an admin's disabling, on the record as the host's own, with a problem that says what to do.

    What waits in its line is told once an admin enables it. False where it is no longer active.
    """
    occasion = Occasion.begin(conn, ledger, Doer(organisation_id, None, None), now)
    before = installations.get(conn, organisation_id, installation_id)
    if before.state != "active":
        return False
    state = next_state(before.state, "disable")
    disabled = installations.change(conn, before, state=state, disabled_why=why, changed_at=now)
    rewrite(conn, admission.manifest_of(conn, before.app_id, before.version), disabled)
    occasion.recorded("disable", disabled, {"version": disabled.version, "why": why})
    occasion.told("disabled", disabled, {"why": why})
    text = f"The host disabled {before.app_id}: {_WORDS[why]}. Until then it hears nothing."
    problems.report(conn, organisation_id, installation_id, KEY, text, now=now, severity="error", by_host=True)
    return True


def forgive(conn: Connection, installation: Installation, now: datetime) -> None:
    """An admin enabled it, and closed its breakers: nothing is held against it, and what waits is tried at once."""
    i = t.installation.c
    mine = (i.organisation_id == installation.organisation_id, i.id == installation.id)
    conn.execute(sa.update(t.installation).where(*mine).values(disabled_why=None, failing_since=None))
    whose = (installation.organisation_id, installation.id)
    problems.clear(conn, *whose, KEY, by_host=True)
    problems.clear_breakers(conn, *whose)
    hurry(conn, *whose, now)
