"""Disabling and enabling an app, uninstalling it, having it back, and wiping what it stored."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, overload

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask.db.database import Database
from assigntask.erasures import recipients as erasing
from assigntask.erasures import rows as erasures
from assigntask.events.deliveries import skip_waiting
from assigntask.installations import admission, authority, failing, installations, restoring, wiping
from assigntask.installations.agreement import Choice
from assigntask.installations.consent import Preview
from assigntask.installations.directory import Directory
from assigntask.installations.installations import Installation
from assigntask.installations.installing import Clock, named_contacts
from assigntask.installations.life import Act, next_state
from assigntask.installations.occasion import Occasion
from assigntask.installations.subscriptions import rewrite
from assigntask.jobs import rows as jobs
from assigntask.ledger.entry import Fact
from assigntask.ledger.ledger import Ledger
from assigntask.oauth import clients
from assigntask.people.facts import Doer


@dataclass(frozen=True, slots=True)
class Leaving:
    db: Database
    directory: Directory
    ledger: Ledger
    clock: Clock

    async def disable(self, doer: Doer, app_id: str) -> Installation:
        """From here on nothing reaches the app, and it reaches nothing. Notices wait.

        Raises NotAllowed, HostError `not_installed`, `installation_state`; so do the next two.
        """
        return await self.db.write(disable, self.ledger, doer, app_id, self.clock())

    async def enable(self, doer: Doer, app_id: str) -> Installation:
        return await self.db.write(enable, self.ledger, doer, app_id, self.clock())

    async def uninstall(self, doer: Doer, app_id: str) -> Installation:
        """What the app stored is kept until `wipe_at`, as many days as the accepted manifest says."""
        return await self.db.write(uninstall, self.ledger, doer, app_id, self.clock())

    @overload
    async def restore(
        self,
        doer: Doer,
        app_id: str,
        *,
        without: Collection[str] | None = None,
        projects: Collection[str] | None = None,
        technical_contact: str | None = None,
        billing_contact: str | None = None,
        dry_run: Literal[False] = False,
    ) -> Installation: ...

    @overload
    async def restore(
        self,
        doer: Doer,
        app_id: str,
        *,
        without: Collection[str] | None = None,
        projects: Collection[str] | None = None,
        technical_contact: str | None = None,
        billing_contact: str | None = None,
        dry_run: Literal[True],
    ) -> Preview: ...

    async def restore(
        self,
        doer: Doer,
        app_id: str,
        *,
        without: Collection[str] | None = None,
        projects: Collection[str] | None = None,
        technical_contact: str | None = None,
        billing_contact: str | None = None,
        dry_run: bool = False,
    ) -> Installation | Preview:
        """Back to disabled, with what it stored and new ids for everybody. Agreed to afresh, as an install is.

        None for `without` or `projects` means as before. Raises what an install raises, and HostError
        `not_installed`, `installation_state`, `retention_over`, `downgrade_refused`.
        """
        app = await asyncio.to_thread(self.directory.get, app_id)
        named = named_contacts(technical_contact, billing_contact)
        choice = Choice(without or (), projects or (), named)
        same = (without is None, projects is None)
        now = self.clock()
        if dry_run:
            return await self.db.read(restoring.look, doer, app, choice, same, now)
        return await self.db.write(restoring.restore, self.ledger, doer, app, choice, same, now)

    async def sweep(self) -> list[wiping.Wiped]:
        """Wipes what is due, one transaction each; what was wiped."""
        wiped = []
        for organisation_id, installation_id in await self.db.read(wiping.due, self.clock()):
            done = await self.db.write(wiping.wipe, self.ledger, organisation_id, installation_id, self.clock())
            if done is not None:
                wiped.append(done)
        return wiped


def disable(conn: Connection, ledger: Ledger, doer: Doer, app_id: str, now: datetime) -> Installation:
    return _switch(Occasion.begin(conn, ledger, doer, now), app_id, "disable", "disabled")


def enable(conn: Connection, ledger: Ledger, doer: Doer, app_id: str, now: datetime) -> Installation:
    enabled = _switch(Occasion.begin(conn, ledger, doer, now), app_id, "enable", "enabled")
    conn.execute(  # an admin who enables an app gives it a new chance
        sa.delete(t.breaker).where(
            t.breaker.c.organisation_id == enabled.organisation_id, t.breaker.c.installation_id == enabled.id
        )
    )
    failing.forgive(conn, enabled, now)
    return enabled


def uninstall(conn: Connection, ledger: Ledger, doer: Doer, app_id: str, now: datetime) -> Installation:
    occasion = Occasion.begin(conn, ledger, doer, now)
    before = installations.require(conn, doer.organisation_id, app_id)
    authority.manager(conn, doer, before, "uninstall an app")
    state = next_state(before.state, "uninstall")
    manifest = admission.manifest_of(conn, app_id, before.version)
    wipe_at = now + timedelta(days=manifest.retention_days)
    gone = installations.change(
        conn,
        before,
        state=state,
        pending_version=None,
        upgrading_from=None,
        uninstalled_at=now,
        wipe_at=wipe_at,
        disabled_why=None,
        failing_since=None,
        changed_at=now,
    )
    rewrite(conn, manifest, gone)
    clients.revoke(conn, gone.organisation_id, gone.id, now)
    skip_waiting(conn, gone.organisation_id, gone.id, now, why="uninstalled")
    jobs.end_all(conn, gone.organisation_id, gone.id, now, why="uninstalled")
    facts: dict[str, Fact] = {"version": gone.version, "wiped_at": wipe_at.isoformat()}
    occasion.recorded("uninstall", gone, facts)
    delivery_id = occasion.told("uninstalled", gone, facts, hook="uninstalling", manifest=manifest)
    if erasing.was_given(conn, gone.organisation_id, app_id, gone.id):
        erasures.ask(conn, gone.organisation_id, gone.id, None, delivery_id, now)
    return gone


def _switch(occasion: Occasion, app_id: str, act: Act, event: str) -> Installation:
    before = installations.require(occasion.conn, occasion.organisation_id, app_id)
    authority.manager(occasion.conn, occasion.doer, before, f"{act} an app")
    state = next_state(before.state, act)
    switched = installations.change(occasion.conn, before, state=state, changed_at=occasion.now)
    rewrite(occasion.conn, admission.manifest_of(occasion.conn, app_id, before.version), switched)
    occasion.recorded(act, switched, {"version": switched.version})
    occasion.told(event, switched)
    return switched
