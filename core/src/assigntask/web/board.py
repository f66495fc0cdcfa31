"""What the first page shows, gathered for one viewer."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.engine import Connection

from assigntask.db.database import Database
from assigntask.errors import HostError
from assigntask.grants.grant import Actor
from assigntask.grants.grants import Grants
from assigntask.hooks.questions import Questions
from assigntask.installations import installations
from assigntask.installations.directory import Directory
from assigntask.people import doers, organisations, people
from assigntask.people.facts import Doer, OrganisationFacts, PersonFacts
from assigntask.tasks import projects, tasks
from assigntask.tasks.facts import ProjectFacts, TaskFacts
from assigntask_sdk.apps import InstalledApp
from assigntask_sdk.blocks import Badge, ListBlock, Table, Text, Who
from assigntask_sdk.details import DETAILS, SCOPES
from assigntask_sdk.errors import NotFound
from assigntask_sdk.records import Status

MOST_TASKS = 200
TONES = {"active": "good", "requested": "warning", "disabled": "warning", "broken": "bad"}


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of the host that the page leads to."""

    db: Database
    directory: Directory
    questions: Questions
    grants: Grants
    clock: Callable[[], dt.datetime]


@dataclass(frozen=True, slots=True)
class Column:
    status: Status
    tasks: Sequence[TaskFacts]


@dataclass(frozen=True, slots=True)
class Panel:
    """What one app shows beside the board. `note` says why it is old, or absent."""

    app_name: str
    blocks: Sequence[Any]
    note: str
    names: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class AppCard:
    name: str
    state: str
    tone: str
    error: str | None = None
    vendor: str = ""
    version: str = ""
    required: Sequence[str] = ()
    optional: Sequence[str] = ()
    powers: Sequence[str] = ()
    contacts: Sequence[str] = ()
    egress: Sequence[str] = ()
    retention_days: int = 0
    command: str = ""


@dataclass(frozen=True, slots=True)
class Board:
    organisation: OrganisationFacts
    viewer: PersonFacts
    projects: Sequence[ProjectFacts]
    project: ProjectFacts | None
    columns: Sequence[Column]
    people: Mapping[str, PersonFacts]


def load(conn: Connection, project_id: str | None) -> tuple[Board, Doer, list[TaskFacts], Mapping[str, str]]:
    """The first organisation, seen as its first admin. The last of the four: the state of each app."""
    known = organisations.listed(conn)
    if not known:
        raise HostError(
            "organisation_missing",
            "There is no organisation yet. Run `assigntask import trello FILE --organisation NAME --admin EMAIL`.",
        )
    organisation = known[0]
    viewer = next((person for person in people.listed(conn, organisation.id) if person.role == "admin"), None)
    if viewer is None:
        raise HostError("admin_missing", "The organisation has no admin. Run `assigntask people role PERSON admin`.")
    every = projects.listed(conn, organisation.id)
    project = next((each for each in every if each.id == project_id), every[0] if every else None)
    found = tasks.board(conn, organisation.id, project.id)[:MOST_TASKS] if project else []
    named = people.load(conn, organisation.id, {person_id for task in found for person_id in task.assignees})
    states: dict[str, str] = {each.app_id: each.state for each in installations.listed(conn, organisation.id)}
    board = Board(organisation, viewer, every, project, columns(project, found), named)
    return board, doers.doer(conn, organisation.id, viewer.id), found, states


def columns(project: ProjectFacts | None, found: Sequence[TaskFacts]) -> list[Column]:
    if project is None:
        return []
    by_status: dict[str, list[TaskFacts]] = {}
    for task in found:
        by_status.setdefault(task.status.id, []).append(task)
    return [
        Column(status, by_status.get(status.id, ()))
        for status in project.statuses
        if not status.archived or status.id in by_status
    ]


def app_card(app: InstalledApp, state: str | None, organisation: OrganisationFacts, admin: PersonFacts) -> AppCard:
    if app.manifest is None:
        return AppCard(app.id, "broken", "bad", error=str(app.error))
    manifest = app.manifest
    shown = state or "not installed"

    def words(scopes: Mapping[str, str], power: bool) -> list[str]:
        return [SCOPES[name].words for name in scopes if SCOPES[name].power is power]

    return AppCard(
        name=manifest.name,
        state=shown,
        tone=TONES.get(shown, "plain"),
        vendor=manifest.vendor.name,
        version=manifest.version,
        required=words(manifest.scopes.required, False),
        optional=words(manifest.scopes.optional, False),
        powers=words(manifest.scopes.required, True) + words(manifest.scopes.optional, True),
        contacts=[
            f"the {kind}: {', '.join(DETAILS[name].words for name in wanted)}"
            for kind, wanted in manifest.contacts.items()
        ],
        egress=manifest.egress,
        retention_days=manifest.retention_days,
        command=f'assigntask apps install {app.id} --organisation "{organisation.name}" '
        f"--as {admin.email or admin.id} --dry-run",
    )


async def gather(services: Services, project_id: str | None) -> dict[str, Any]:
    """Everything the template needs."""
    board, doer, found, states = await services.db.read(load, project_id)
    today = services.clock().astimezone(ZoneInfo(board.organisation.time_zone)).date()
    badges: Mapping[str, Sequence[Badge]] = {}
    panels: Sequence[Panel] = ()
    if board.project is not None:
        badges, panels = await asyncio.gather(
            _badges(services, doer, found, today), _panels(services, doer, board, today)
        )
    apps = await asyncio.to_thread(services.directory.list)
    return {
        "organisation": board.organisation,
        "viewer": board.viewer,
        "projects": board.projects,
        "project": board.project,
        "columns": board.columns,
        "people": board.people,
        "badges": badges,
        "panels": panels,
        "apps": [app_card(app, states.get(app.id), board.organisation, board.viewer) for app in apps],
    }


async def _badges(
    services: Services, doer: Doer, found: Sequence[TaskFacts], today: dt.date
) -> Mapping[str, Sequence[Badge]]:
    shown = await services.questions.badges(doer, found, today)
    return {task_id: [each.badge for each in badges] for task_id, badges in shown.by_task.items()}


async def _panels(services: Services, doer: Doer, board: Board, today: dt.date) -> Sequence[Panel]:
    if board.project is None:
        return ()
    answers = await services.questions.board_panel(doer, board.project, today)
    return [
        Panel(
            app_name=answer.app_name,
            blocks=answer.blocks,
            note=answer.failed.words if answer.failed else "",
            names=await names(services, doer.organisation_id, answer.installation_id, answer.blocks),
        )
        for answer in answers
    ]


async def names(
    services: Services, organisation_id: str, installation_id: str, blocks: Sequence[Any]
) -> Mapping[str, str]:
    """The names behind `Who`, for people to read: the app is not told them, so this is no release."""
    wanted = {part.person for block in blocks for part in inlines(block) if isinstance(part, Who)}
    if not wanted:
        return {}
    grant = await services.grants.current(organisation_id, installation_id, Actor.installation())
    found: dict[str, str] = {}
    for pairwise in wanted:
        with suppress(NotFound):
            found[pairwise] = await services.grants.person_of(grant, pairwise)
    facts = await services.db.read(people.load, organisation_id, set(found.values()))
    return {pairwise: facts[person_id].name for pairwise, person_id in found.items() if person_id in facts}


def inlines(block: Any) -> Iterable[Any]:
    if isinstance(block, Text):
        return block.parts
    if isinstance(block, ListBlock):
        return block.items
    if isinstance(block, Table):
        return [cell for row in block.rows for cell in row]
    return ()
