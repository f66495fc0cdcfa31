"""Asking for an app, declining it, installing it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, overload

from sqlalchemy.engine import Connection

from assigntask.db.database import Database
from assigntask.db.ids import new_id
from assigntask.errors import HostError
from assigntask.installations import admission, authority, installations, requests
from assigntask.installations.agreement import Agreement, Choice, agree
from assigntask.installations.consent import Preview, notice_digest, preview
from assigntask.installations.contacts import hand_over, reasons_left_out
from assigntask.installations.directory import Directory
from assigntask.installations.handing import queue_credentials
from assigntask.installations.installations import Installation
from assigntask.installations.life import next_state
from assigntask.installations.occasion import Occasion
from assigntask.installations.samples import View, gather, withheld_from
from assigntask.installations.subscriptions import rewrite
from assigntask.ledger.entry import Fact
from assigntask.ledger.ledger import Ledger
from assigntask.oauth import clients
from assigntask.people.facts import Doer
from assigntask_sdk.apps import InstalledApp
from assigntask_sdk.details import details_of
from assigntask_sdk.manifest import Difference, Manifest

Clock = Callable[[], datetime]


def named_contacts(technical: str | None, billing: str | None) -> dict[str, str]:
    return {kind: person for kind, person in (("technical", technical), ("billing", billing)) if person is not None}


@dataclass(frozen=True, slots=True)
class Installing:
    """Each call is one transaction: all of it happens, or nothing."""

    db: Database
    directory: Directory
    ledger: Ledger
    clock: Clock

    async def request(self, doer: Doer, app_id: str) -> Installation:
        """A member asks the admins for an app; nothing is granted by it.

        Raises NotAllowed, and HostError `already_requested`, `already_installed`, `app_unknown`, `app_broken`.
        """
        app = await asyncio.to_thread(self.directory.get, app_id)
        return await self.db.write(requests.request, self.ledger, doer, app, self.clock())

    async def decline(self, doer: Doer, app_id: str) -> Installation:
        """An admin says no. Raises NotAllowed, HostError `not_installed`, `installation_state`."""
        return await self.db.write(requests.decline, self.ledger, doer, app_id, self.clock())

    @overload
    async def install(
        self,
        doer: Doer,
        app_id: str,
        *,
        without: Collection[str] = (),
        projects: Collection[str] = (),
        technical_contact: str | None = None,
        billing_contact: str | None = None,
        dry_run: Literal[False] = False,
    ) -> Installation: ...

    @overload
    async def install(
        self,
        doer: Doer,
        app_id: str,
        *,
        without: Collection[str] = (),
        projects: Collection[str] = (),
        technical_contact: str | None = None,
        billing_contact: str | None = None,
        dry_run: Literal[True],
    ) -> Preview: ...

    async def install(
        self,
        doer: Doer,
        app_id: str,
        *,
        without: Collection[str] = (),
        projects: Collection[str] = (),
        technical_contact: str | None = None,
        billing_contact: str | None = None,
        dry_run: bool = False,
    ) -> Installation | Preview:
        """A dry run checks and shows all that an install would, and changes nothing.

        `projects` are names or ids, none meaning all; contacts are ids, e-mail addresses or user names.
        Raises NotAllowed, Invalid, and HostError `already_installed`, `already_requested`, `app_unknown`,
        `app_broken`, `app_id_taken`, `app_version_reused`, `app_code_changed`, `person_unknown`.
        """
        app = await asyncio.to_thread(self.directory.get, app_id)
        choice = Choice(without, projects, named_contacts(technical_contact, billing_contact))
        if dry_run:
            return await self.db.read(look, doer, app, choice)
        return await self.db.write(install, self.ledger, doer, app, choice, self.clock())


def look(conn: Connection, doer: Doer, app: InstalledApp, choice: Choice) -> Preview:
    """For a connection that only reads."""
    _, agreement = _plan(conn, doer, app, choice)
    return show(conn, doer.organisation_id, agreement)


def install(
    conn: Connection, ledger: Ledger, doer: Doer, app: InstalledApp, choice: Choice, now: datetime
) -> Installation:
    occasion = Occasion.begin(conn, ledger, doer, now)
    requested, agreement = _plan(conn, doer, app, choice)
    manifest = admission.admit(conn, app, now)
    installed = _stored(occasion, requested, agreement)
    clients.create(conn, installed.organisation_id, installed.id, installed.credential, now)
    rewrite(conn, manifest, installed)
    occasion.recorded("install", installed, agreed_facts(conn, installed), [])
    hand_over(occasion, installed, manifest, agreement.contacts, {})
    queue_credentials(occasion, installed)
    occasion.told("installed", installed, hook="installed", manifest=manifest)
    return installed


def show(
    conn: Connection,
    organisation_id: str,
    agreement: Agreement,
    *,
    accepted: Manifest | None = None,
    difference: Difference | None = None,
) -> Preview:
    """The preview of an agreement, with counts and samples of today."""
    left_out = reasons_left_out(conn, organisation_id, agreement.manifest.id)
    withheld = withheld_from(conn, organisation_id, left_out, agreement.installer if agreement.alone else None)
    view = View(organisation_id, agreement.installer, agreement.projects, withheld)
    samples = gather(conn, view, details_of(agreement.granted))
    return preview(agreement, samples, people_left_out=len(left_out), accepted=accepted, difference=difference)


def agreed_facts(conn: Connection, installation: Installation) -> Mapping[str, Fact]:
    """What the ledger says of an agreement: its terms, and nobody's details."""
    return {
        "version": installation.version,
        "manifest": installation.manifest_digest,
        "notice": installation.notice_digest or "",
        "grant": installation.grant_version,
        "granted": sorted(installation.scopes),
        "declined": sorted(installation.declined),
        "projects": "all" if installation.projects is None else sorted(installation.projects),
        "contacts": sorted(installation.contacts),
        "alone": int(installation.only_person_id is not None),
        "assurance": admission.assurance_of(conn, installation.app_id),
    }


def agreed_values(agreement: Agreement, now: datetime) -> dict[str, object]:
    """The columns of an installation that an agreement sets."""
    return {
        "version": agreement.manifest.version,
        "manifest_digest": agreement.manifest.digest,
        "pending_version": None,
        "notice_digest": notice_digest(agreement),
        "scopes": sorted(agreement.granted),
        "declined": sorted(agreement.declined),
        "all_projects": agreement.projects is None,
        "contacts": agreement.contact_ids,
        "changed_at": now,
    }


def _plan(conn: Connection, doer: Doer, app: InstalledApp, choice: Choice) -> tuple[Installation | None, Agreement]:
    """All checks of an install, without a change. The standing request, if there is one, and what is agreed to."""
    person, alone = authority.installer(conn, doer)
    standing = installations.find(conn, doer.organisation_id, app.id)
    if standing is not None and standing.state != "requested":
        raise installations.already_installed(app.id)
    if standing is not None and alone and standing.requested_by != person.id:
        raise HostError(
            "already_requested", f"Somebody requested {app.id} for everybody. Wait for an admin to decide.", app=app.id
        )
    admission.check(conn, app)
    return standing, agree(conn, doer.organisation_id, person, app, choice, alone=alone)


def _stored(occasion: Occasion, requested: Installation | None, agreement: Agreement) -> Installation:
    conn, organisation_id = occasion.conn, occasion.organisation_id
    values = {
        **agreed_values(agreement, occasion.now),
        "state": next_state(requested.state if requested is not None else None, "install"),
        "only_person_id": agreement.installer.id if agreement.alone else None,
        "installed_by": agreement.installer.id,
        "ordinal": installations.next_ordinal(conn, organisation_id),
    }
    if requested is None:
        new = {"app_id": agreement.manifest.id, "settings": {}, "credential": new_id(), "created_at": occasion.now}
        stored = installations.insert(conn, organisation_id, new_id(), **new, **values)
    else:
        stored = installations.change(conn, requested, **values)
    installations.set_projects(conn, organisation_id, stored.id, agreement.projects or ())
    return installations.get(conn, organisation_id, stored.id)
