"""A member's request for an app, and an admin's refusal. Approving it is installing the app."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.engine import Connection

from assigntask.db.ids import new_id
from assigntask.errors import HostError
from assigntask.installations import admission, authority, installations
from assigntask.installations.installations import Installation
from assigntask.installations.life import next_state
from assigntask.installations.occasion import Occasion
from assigntask.ledger.ledger import Ledger
from assigntask.people.facts import Doer
from assigntask_sdk.apps import InstalledApp


def request(conn: Connection, ledger: Ledger, doer: Doer, app: InstalledApp, now: datetime) -> Installation:
    occasion = Occasion.begin(conn, ledger, doer, now)
    person = authority.may_request(conn, doer)
    standing = installations.find(conn, doer.organisation_id, app.id)
    if standing is not None and standing.state == "requested":
        raise HostError("already_requested", f"{app.id} is requested already. An admin decides.", app=app.id)
    if standing is not None:
        raise installations.already_installed(app.id)
    manifest = admission.admit(conn, app, now)
    requested = installations.insert(
        conn,
        doer.organisation_id,
        new_id(),
        app_id=app.id,
        state=next_state(None, "request"),
        version=manifest.version,
        manifest_digest=manifest.digest,
        scopes=[],
        declined=[],
        contacts={},
        settings={},
        credential=new_id(),
        ordinal=installations.next_ordinal(conn, doer.organisation_id),
        requested_by=person.id,
        created_at=now,
        changed_at=now,
    )
    occasion.recorded("request", requested, {"version": manifest.version, "manifest": manifest.digest})
    occasion.told("requested", requested)
    return requested


def decline(conn: Connection, ledger: Ledger, doer: Doer, app_id: str, now: datetime) -> Installation:
    occasion = Occasion.begin(conn, ledger, doer, now)
    authority.admin(conn, doer, "decline an app")
    standing = installations.require(conn, doer.organisation_id, app_id)
    declined = installations.change(conn, standing, state=next_state(standing.state, "decline"), changed_at=now)
    occasion.recorded("decline", declined, {"version": declined.version, "manifest": declined.manifest_digest})
    occasion.told("declined", declined)
    return declined
