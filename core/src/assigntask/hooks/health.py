"""How an installation does: its state and why, what waits for it, and which of its hooks are left alone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask.events import history
from assigntask.events.history import Line
from assigntask_sdk.deliveries import Health, HookBreaker
from assigntask_sdk.errors import NotFound

from . import breaker as rules
from . import breakers

_MEANWHILE = "What waits for it waits until then; what happens meanwhile it is not told."
_BY_AN_ADMIN = f"It is disabled: nothing reaches it until an admin enables it. {_MEANWHILE}"
_WHY: Mapping[str, str] = {
    "failing": "The host disabled it, because nothing had arrived for days. Ask its vendor to mend it; then enable it, "
    f"and replay what was given up. {_MEANWHILE}",
    "gone": "The host disabled it, because the app answered that it is gone for good (HTTP status 410). Ask its "
    f"vendor whether it moved; then enable it, or uninstall it. {_MEANWHILE}",
}
_OF_STATE: Mapping[str, str] = {
    "requested": "It was requested: an admin installs or declines it.",
    "declined": "It was requested and declined: nothing reaches it.",
    "uninstalled": "It was uninstalled: until it is wiped an admin can restore it.",
    "wiped": "It was uninstalled, and what it stored is wiped. Install it afresh to use it.",
}


def look(conn: Connection, organisation_id: str, installation_id: str) -> Health:
    """Raises NotFound."""
    i = t.installation.c
    row = conn.execute(
        sa.select(i.app_id, i.state, i.disabled_why, i.failing_since).where(
            i.organisation_id == organisation_id, i.id == installation_id
        )
    ).one_or_none()
    if row is None:
        raise NotFound("There is no such installation in this organisation.")
    line = history.line(conn, organisation_id, installation_id)
    failed = [_shown(hook, each) for hook, each in breakers.listed(conn, organisation_id, installation_id).items()]
    return Health(
        app=row.app_id,
        state=row.state,
        words=words(row.state, row.disabled_why, row.failing_since, line, failed),
        disabled_why=row.disabled_why if row.state == "disabled" else None,
        waiting=line.waiting,
        dead=line.dead,
        oldest_waiting=line.oldest,
        last_success=line.last_success,
        failing_since=row.failing_since,
        breakers=failed,
    )


def words(state: str, why: str | None, failing_since: dt.datetime | None, line: Line, failed: list[HookBreaker]) -> str:
    """What is the matter, and what to do about it. Pure."""
    if state == "disabled":
        return _BY_AN_ADMIN if why is None else _WHY.get(why, f"The host disabled it ({why}). Ask its vendor.")
    if state in _OF_STATE:
        return _OF_STATE[state]
    said = []
    if failing_since is not None:
        since = f"{failing_since.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"
        said.append(
            f"Notices fail since {since}, and are tried again. Look at what comes back, and tell its vendor: an app "
            "that fails for days is disabled."
        )
    alone = [each.hook for each in failed if each.state != "closed"]
    if alone:
        said.append(f"Left alone for a while after failures: {', '.join(alone)}.")
    if line.dead:
        given_up = "1 was given up" if line.dead == 1 else f"{line.dead} were given up"
        said.append(f"{given_up}: replay what it is to hear after all, when it works again.")
    return " ".join(said) or "It works."


def _shown(hook: str, each: Any) -> HookBreaker:
    return HookBreaker(hook, each.state, each.failures, each.total, each.last_error, rules.retry_at(each))
