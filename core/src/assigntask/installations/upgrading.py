"""Taking a newer version: at once where it asks for no more, else when an admin agrees."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, overload

from sqlalchemy.engine import Connection

from assigntask.db.database import Database
from assigntask.errors import HostError, NotAllowed
from assigntask.installations import admission, authority, installations
from assigntask.installations.agreement import Agreement, Choice, agree
from assigntask.installations.consent import Preview
from assigntask.installations.contacts import hand_over
from assigntask.installations.directory import Directory, manifest_in
from assigntask.installations.installations import Installation
from assigntask.installations.installing import Clock, agreed_facts, agreed_values, named_contacts, show
from assigntask.installations.life import next_state
from assigntask.installations.occasion import Occasion
from assigntask.installations.subscriptions import rewrite
from assigntask.ledger.ledger import Ledger
from assigntask.people import organisations
from assigntask.people.facts import Doer, PersonFacts
from assigntask_sdk.apps import InstalledApp
from assigntask_sdk.manifest import Manifest, compare

Outcome = Literal["upgraded", "pending", "older", "refused", "unchanged"]


@dataclass(frozen=True, slots=True)
class Checked:
    """What became of one installation when it was compared with the installed code. `code`: why it was refused."""

    organisation_id: str
    app_id: str
    accepted: str
    installed: str
    outcome: Outcome
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Upgrading:
    db: Database
    directory: Directory
    ledger: Ledger
    clock: Clock

    async def check(self, app_id: str | None = None) -> list[Checked]:
        """Compares the installed code, of one app or of all, with what was accepted in every organisation.

        A version that asks for no more holds at once; one that asks for more becomes `pending_version`, and the
        accepted manifest goes on to hold. Installations that agree with their code are not in the answer.
        """
        everything = await asyncio.to_thread(self.directory.list)
        apps = [app for app in everything if app_id is None or app.id == app_id]
        checked: list[Checked] = []
        for organisation in await self.db.read(organisations.listed):
            for app in apps:
                if app.manifest is None or not await self.db.read(_differs, organisation.id, app):
                    continue
                try:
                    found = await self.db.write(consider, self.ledger, organisation.id, app, self.clock())
                except HostError as error:  # one refused app must not keep the others from being looked at
                    found = await self.db.read(_refused, organisation.id, app, error.code)
                if found.outcome != "unchanged":
                    checked.append(found)
        return checked

    @overload
    async def upgrade(
        self,
        doer: Doer,
        app_id: str,
        *,
        without: Collection[str] = (),
        technical_contact: str | None = None,
        billing_contact: str | None = None,
        dry_run: Literal[False] = False,
    ) -> Installation: ...

    @overload
    async def upgrade(
        self,
        doer: Doer,
        app_id: str,
        *,
        without: Collection[str] = (),
        technical_contact: str | None = None,
        billing_contact: str | None = None,
        dry_run: Literal[True],
    ) -> Preview: ...

    async def upgrade(
        self,
        doer: Doer,
        app_id: str,
        *,
        without: Collection[str] = (),
        technical_contact: str | None = None,
        billing_contact: str | None = None,
        dry_run: bool = False,
    ) -> Installation | Preview:
        """An admin agrees to the installed version. What was declined before stays declined; projects stay.

        Raises NotAllowed, Invalid, and HostError `nothing_to_upgrade`, `downgrade_refused`, `not_installed`,
        `installation_state`, `app_unknown`, `app_broken`, `app_id_taken`, `app_version_reused`, `app_code_changed`.
        """
        app = await asyncio.to_thread(self.directory.get, app_id)
        choice = Choice(without, (), named_contacts(technical_contact, billing_contact))
        if dry_run:
            return await self.db.read(look, doer, app, choice)
        return await self.db.write(upgrade, self.ledger, doer, app, choice, self.clock())


def newer(version: str, than: str) -> bool:
    """Both are X.Y.Z."""
    return _numbers(version) > _numbers(than)


def refuse_older(app: InstalledApp, accepted: str) -> None:
    """Raises HostError `downgrade_refused` where the installed code is older than what was accepted."""
    version = manifest_in(app).version
    if newer(accepted, version):
        raise HostError(
            "downgrade_refused",
            f"{app.id} {accepted} was accepted, and the installed code is {version}. An app can't go back: "
            f"install {accepted} or later on this host.",
            app=app.id,
            accepted=accepted,
            installed=version,
        )


def look(conn: Connection, doer: Doer, app: InstalledApp, choice: Choice) -> Preview:
    """For a connection that only reads."""
    before, accepted, agreement = _plan(conn, doer, app, choice)
    difference = compare(accepted, agreement.manifest)
    return show(conn, before.organisation_id, agreement, accepted=accepted, difference=difference)


def upgrade(
    conn: Connection, ledger: Ledger, doer: Doer, app: InstalledApp, choice: Choice, now: datetime
) -> Installation:
    occasion = Occasion.begin(conn, ledger, doer, now)
    before, accepted, agreement = _plan(conn, doer, app, choice)
    manifest = admission.admit(conn, app, now)
    upgraded = _take(occasion, before, manifest, agreed_values(agreement, now))
    if hand_over(occasion, upgraded, manifest, agreement.contacts, given_before(before, accepted)):
        occasion.told("contacts", upgraded, hook="installed", manifest=manifest)
    return upgraded


def consider(conn: Connection, ledger: Ledger, organisation_id: str, app: InstalledApp, now: datetime) -> Checked:
    """What the host does by itself when the installed code differs from what was accepted."""
    occasion = Occasion.begin(conn, ledger, Doer(organisation_id, None, None), now)
    before = installations.require(conn, organisation_id, app.id)
    manifest = admission.admit(conn, app, now)
    outcome: Outcome = "unchanged"
    pending: str | None = None
    if before.state not in ("active", "disabled"):
        return _checked(before, manifest, outcome)
    if newer(before.version, manifest.version):
        outcome = "older"
    elif newer(manifest.version, before.version):
        accepted = admission.manifest_of(conn, app.id, before.version)
        if not compare(accepted, manifest).asks_more:
            _take(occasion, before, manifest, _asking_no_more(before, manifest, now))
            return _checked(before, manifest, "upgraded")
        outcome, pending = "pending", manifest.version
    if before.pending_version != pending:
        waiting = installations.change(conn, before, pending_version=pending, changed_at=now)
        if pending is not None:
            occasion.told("upgrade_pending", waiting, {"version": pending})
    return _checked(before, manifest, outcome)


def given_before(before: Installation, accepted: Manifest) -> Mapping[str, tuple[str, frozenset[str]]]:
    """Contact → person id and details of the earlier agreement."""
    details = {str(contact): frozenset(wanted) for contact, wanted in accepted.contacts.items()}
    return {contact: (person, details.get(contact, frozenset())) for contact, person in before.contacts.items()}


def _plan(conn: Connection, doer: Doer, app: InstalledApp, choice: Choice) -> tuple[Installation, Manifest, Agreement]:
    """All checks of an upgrade, without a change."""
    before = installations.require(conn, doer.organisation_id, app.id)
    person = _upgrader(conn, doer, before)
    next_state(before.state, "upgrade")
    manifest = manifest_in(app)
    refuse_older(app, before.version)
    if not newer(manifest.version, before.version):
        raise HostError("nothing_to_upgrade", f"{app.id} {before.version} is what is installed.", app=app.id)
    admission.check(conn, app)
    accepted = admission.manifest_of(conn, app.id, before.version)
    still_declined = before.declined & frozenset(manifest.scopes.optional)
    again = Choice(
        without=frozenset(choice.without) | still_declined,
        projects=sorted(before.projects or ()),
        contacts=choice.contacts,
        contacts_before=before.contacts,
    )
    alone = before.only_person_id is not None
    return before, accepted, agree(conn, doer.organisation_id, person, app, again, alone=alone)


def _upgrader(conn: Connection, doer: Doer, before: Installation) -> PersonFacts:
    if before.only_person_id is None:
        return authority.admin(conn, doer, "upgrade an app")
    person = authority.acting(conn, doer, "upgrade an app")
    if person.id != before.only_person_id:
        raise NotAllowed("Somebody installed this app for themselves alone: only they can upgrade it.", needs="self")
    return person


def _take(occasion: Occasion, before: Installation, manifest: Manifest, values: Mapping[str, Any]) -> Installation:
    """The new manifest holds from here on. Where it listens to `upgraded`, its other hooks wait for the answer."""
    upgraded = installations.change(
        occasion.conn,
        before,
        **values,
        state=next_state(before.state, "upgrade"),
        grant_version=before.grant_version + 1,
        upgrading_from=before.version if "upgraded" in manifest.hooks else None,
    )
    rewrite(occasion.conn, manifest, upgraded)
    occasion.recorded("upgrade", upgraded, {**agreed_facts(occasion.conn, upgraded), "from": before.version})
    facts = {"from_version": before.version}
    occasion.told("upgraded", upgraded, facts, hook="upgraded", manifest=manifest)
    return upgraded


def _asking_no_more(before: Installation, manifest: Manifest, now: datetime) -> dict[str, Any]:
    """The words that were agreed to stay those that were agreed to."""
    granted = before.scopes & manifest.requested
    return {
        "version": manifest.version,
        "manifest_digest": manifest.digest,
        "pending_version": None,
        "scopes": sorted(granted),
        "declined": sorted(manifest.requested - granted),
        "contacts": {kind: person for kind, person in before.contacts.items() if kind in manifest.contacts},
        "changed_at": now,
    }


def _differs(conn: Connection, organisation_id: str, app: InstalledApp) -> bool:
    """Whether there is anything to do, or to refuse, so that looking alone raises no epoch."""
    found = installations.find(conn, organisation_id, app.id, ("active", "disabled"))
    if found is None:
        return False
    version = manifest_in(app).version
    if found.version != version:
        return newer(found.version, version) or found.pending_version != version
    return found.pending_version is not None or not admission.agrees(conn, app)


def _refused(conn: Connection, organisation_id: str, app: InstalledApp, code: str) -> Checked:
    before = installations.require(conn, organisation_id, app.id)
    return _checked(before, manifest_in(app), "refused", code)


def _checked(before: Installation, manifest: Manifest, outcome: Outcome, code: str | None = None) -> Checked:
    return Checked(before.organisation_id, before.app_id, before.version, manifest.version, outcome, code)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
