"""Having an uninstalled app back: agreed to afresh, and told first whom it lost meanwhile."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sqlalchemy.engine import Connection

from assigntask.db.ids import new_id
from assigntask.erasures import rows as erasures
from assigntask.errors import HostError, NotAllowed
from assigntask.installations import admission, authority, installations
from assigntask.installations.agreement import Agreement, Choice, agree
from assigntask.installations.consent import Preview
from assigntask.installations.contacts import hand_over
from assigntask.installations.directory import manifest_in
from assigntask.installations.handing import queue_credentials
from assigntask.installations.installations import Installation
from assigntask.installations.installing import agreed_facts, agreed_values, show
from assigntask.installations.life import LIVE, UNINSTALLED, next_state
from assigntask.installations.missed import missed, settle_waiting
from assigntask.installations.occasion import Occasion
from assigntask.installations.subscriptions import rewrite
from assigntask.installations.upgrading import given_before, refuse_older
from assigntask.ledger.ledger import Ledger
from assigntask.oauth import clients
from assigntask.people.facts import Doer, PersonFacts
from assigntask_sdk.apps import InstalledApp
from assigntask_sdk.manifest import Manifest, compare

Same = tuple[bool, bool]
"""Whether scopes, and projects, are to be as they were before."""


def look(conn: Connection, doer: Doer, app: InstalledApp, choice: Choice, same: Same, now: datetime) -> Preview:
    """For a connection that only reads."""
    before, accepted, agreement = _plan(conn, doer, app, choice, same, now)
    difference = compare(accepted, agreement.manifest)
    return show(conn, before.organisation_id, agreement, accepted=accepted, difference=difference)


def restore(
    conn: Connection, ledger: Ledger, doer: Doer, app: InstalledApp, choice: Choice, same: Same, now: datetime
) -> Installation:
    occasion = Occasion.begin(conn, ledger, doer, now)
    before, accepted, agreement = _plan(conn, doer, app, choice, same, now)
    manifest = admission.admit(conn, app, now)
    restored = _stored(occasion, before, agreement)
    clients.create(conn, restored.organisation_id, restored.id, restored.credential, now)
    rewrite(conn, manifest, restored)
    occasion.recorded("restore", restored, {**agreed_facts(conn, restored), "from": before.version})
    _replay(occasion, before, restored, manifest)
    if hand_over(occasion, restored, manifest, agreement.contacts, given_before(before, accepted)):
        occasion.told("contacts", restored, hook="installed", manifest=manifest)
    if manifest.version != before.version:
        facts = {"from_version": before.version}
        occasion.told("upgraded", restored, facts, hook="upgraded", manifest=manifest)
    occasion.told("restored", restored)
    return installations.get(conn, doer.organisation_id, restored.id)


def _plan(
    conn: Connection, doer: Doer, app: InstalledApp, choice: Choice, same: Same, now: datetime
) -> tuple[Installation, Manifest, Agreement]:
    """All checks of a restore, without a change."""
    newest = installations.require(conn, doer.organisation_id, app.id)
    uninstalled = installations.find(conn, doer.organisation_id, app.id, UNINSTALLED)
    before = newest if uninstalled is None or newest.state in LIVE else uninstalled
    person = _restorer(conn, doer, before)
    next_state(before.state, "restore")
    if before.wipe_at is not None and before.wipe_at <= now:
        raise HostError(
            "retention_over", f"What {app.id} stored was kept as long as agreed. Install it afresh.", app=app.id
        )
    admission.check(conn, app)
    refuse_older(app, before.version)
    manifest = manifest_in(app)
    if same[0]:
        choice = replace(choice, without=before.declined & frozenset(manifest.scopes.optional))
    if same[1]:
        choice = replace(choice, projects=sorted(before.projects or ()))
    others = {contact: person_id for contact, person_id in before.contacts.items() if contact != "installer"}
    choice = replace(choice, contacts_before=others)
    alone = before.only_person_id is not None
    accepted = admission.manifest_of(conn, app.id, before.version)
    return before, accepted, agree(conn, doer.organisation_id, person, app, choice, alone=alone)


def _restorer(conn: Connection, doer: Doer, before: Installation) -> PersonFacts:
    person, _ = authority.installer(conn, doer)
    if before.only_person_id not in (None, person.id):
        raise NotAllowed("Somebody installed this app for themselves alone: only they can restore it.", needs="self")
    if before.only_person_id is None and person.role != "admin":
        authority.admin(conn, doer, "restore an app")
    return person


def _stored(occasion: Occasion, before: Installation, agreement: Agreement) -> Installation:
    manifest = agreement.manifest
    changed_version = manifest.version != before.version
    restored = installations.change(
        occasion.conn,
        before,
        **agreed_values(agreement, occasion.now),
        state=next_state(before.state, "restore"),
        credential=new_id(),
        grant_version=before.grant_version + 1,
        installed_by=agreement.installer.id,
        upgrading_from=before.version if changed_version and "upgraded" in manifest.hooks else None,
        uninstalled_at=None,
        wipe_at=None,
    )
    installations.set_projects(occasion.conn, occasion.organisation_id, restored.id, agreement.projects or ())
    return installations.get(occasion.conn, occasion.organisation_id, restored.id)


def _replay(occasion: Occasion, before: Installation, restored: Installation, manifest: Manifest) -> None:
    """Stands before all else in its line. People are named by the credential under which the app knew them."""
    lost = missed(occasion.conn, occasion.ledger, before)
    settle_waiting(occasion.conn, before, occasion.now)
    whose = (occasion.organisation_id, restored.id)
    erasures.withdraw(occasion.conn, *whose, occasion.now)
    queue_credentials(occasion, restored)
    for one in lost:
        listens = one.hook in manifest.hooks
        told = occasion.event(
            f"replayed.{one.hook}",
            ("person", one.person_id, 0),
            {"person_id": one.person_id, "generation": one.generation, "credential": before.credential},
            hook=one.hook if listens else None,
            recipients=[restored.id] if listens else None,
        )
        if one.hook == "person_forgotten":
            about = erasures.Forgotten(one.person_id, one.generation)
            erasures.ask(occasion.conn, *whose, about, told.get(restored.id), occasion.now)
