"""Opening a host for one test: a platform in memory, an organisation with an admin and a board, the app installed."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from sqlalchemy.engine import Connection

from assigntask.people import organisations, people
from assigntask.people.facts import OrganisationFacts, PersonFacts
from assigntask.settings import Settings
from assigntask.tasks import projects as project_rows
from assigntask_sdk.apps import InstalledApp
from assigntask_sdk.hooks import Hooks

from .clock import START, StandingClock
from .host import KitHost
from .platforms import Opening
from .witness import Witness

BOARD = "Board"
PATIENCE = 2.0
"""Seconds that each hook has at least: machines that run tests are busier than servers."""


@asynccontextmanager
async def open_host(
    app: InstalledApp,
    *,
    without: Collection[str] = (),
    projects: Collection[str] = (),
    settings: Mapping[str, Any] | None = None,
    beside: Sequence[InstalledApp] = (),
    start: dt.datetime = START,
    limits: Mapping[str, float] | None = None,
) -> AsyncIterator[KitHost]:
    """The app is installed by the admin, with all of its scopes less `without`; `settings` are set.

    `projects`: names of those within its reach (there is "Board"); none: all that there will be. `beside`: apps that
    are installed after it. `start`: what the clock shows (aware). `limits`: seconds by hook, for tests of what happens
    when time is up; else each hook has its limit of the contract, and two seconds at least.

    Raises AppBroken, and what an install raises: Invalid, HostError.
    """
    app.usable()
    clock, witness, apps = StandingClock(start), Witness(), [app, *beside]
    patient = {name: max(spec.limit, PATIENCE) for name, spec in Hooks.all.items()}
    in_memory = replace(Settings.in_memory(), strict=True, hook_limits={**patient, **(limits or {})})
    opening = Opening(in_memory, apps, clock.now)
    async with opening.opened(witness) as platform:
        organisation, admin, project = await platform.db.write(_begin, clock.now())
        host = KitHost(platform, app, witness, clock, organisation, admin, project, opening)
        await host.install(without, projects, settings or {}, [other.id for other in beside])
        yield host


def _begin(conn: Connection, now: dt.datetime) -> tuple[OrganisationFacts, PersonFacts, str]:
    organisation = organisations.create(conn, "Organisation under test", "UTC", now)
    admin = people.add(conn, organisation.id, name="Admin", email="admin@host.example", role="admin", now=now)
    return organisation, admin, project_rows.create(conn, organisation.id, BOARD, now=now)
