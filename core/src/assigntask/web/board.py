"""What the first page shows, gathered for one viewer."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy.engine import Connection

from assigntask.db.database import Database
from assigntask.grants.grants import Grants
from assigntask.hooks.badges import BadgesShown
from assigntask.hooks.panels import Panel as PanelAnswer
from assigntask.hooks.questions import Questions
from assigntask.installations import installations
from assigntask.installations.directory import Directory
from assigntask.installations.installations import Installation
from assigntask.people import people
from assigntask.people.facts import Doer, PersonFacts
from assigntask_sdk.blocks import Badge

from . import columns, visit
from .almanac import Almanac
from .app_cards import AppCard, Terminal, cards
from .columns import Column
from .panels import Panel, panels
from .visit import Visit

T = TypeVar("T")

PATIENCE = 8.0
"""Seconds. Every hook has a shorter limit of its own; this one is for what comes before it, as a first import."""

_LATE = "Some apps are still starting, so what they show is missing. Load this page again in a moment."


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of the host that the page leads to. `program`: how the terminal's program is called here."""

    db: Database
    directory: Directory
    questions: Questions
    grants: Grants
    clock: Callable[[], dt.datetime]
    patience: float = PATIENCE
    program: str = "assigntask"


@dataclass(frozen=True, slots=True)
class Page:
    """`badges` by task id; `notes` are about apps whose part is missing; `app_names` by app id."""

    visit: Visit
    almanac: Almanac
    columns: Sequence[Column]
    people: Mapping[str, PersonFacts]
    badges: Mapping[str, Sequence[Badge]]
    panels: Sequence[Panel]
    notes: Sequence[str]
    apps: Sequence[AppCard]
    app_names: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Rows:
    """All that one read of the database gives."""

    visit: Visit
    columns: Sequence[Column]
    people: Mapping[str, PersonFacts]
    installations: Sequence[Installation]


def _load(conn: Connection, organisation: str | None, project: str | None, doer: Doer | None) -> _Rows:
    seen = visit.open_visit(conn, organisation, project, doer)
    here = seen.organisation.id
    shown = columns.load(conn, here, seen.project) if seen.project is not None else []
    named = {person_id for column in shown for task in column.tasks for person_id in task.assignees}
    return _Rows(seen, shown, people.load(conn, here, named), installations.listed(conn, here))


async def gather(services: Services, organisation: str | None, project: str | None, doer: Doer | None = None) -> Page:
    """`doer`: who is signed in. Raises what `open_visit` raises. Whatever apps do, they are only waited for so long."""
    rows = await services.db.read(_load, organisation, project, doer)
    almanac = Almanac.of(services.clock(), rows.visit.time_zone)
    badges, answers, offered = await asyncio.gather(
        _within(services.patience, _badges(services, rows, almanac)),
        _within(services.patience, _answers(services, rows, almanac)),
        asyncio.to_thread(services.directory.list),
    )
    notes = [f"Badges are missing. {failed.words}" for failed in badges.failed] if badges is not None else []
    if badges is None or answers is None:
        notes.append(_LATE)
    shown = cards(offered, rows.installations, _terminal(services, rows.visit))
    return Page(
        visit=rows.visit,
        almanac=almanac,
        columns=rows.columns,
        people=rows.people,
        badges={task_id: [one.badge for one in each] for task_id, each in badges.by_task.items()} if badges else {},
        panels=await panels(services.db, services.grants, rows.visit.organisation.id, answers or ()),
        notes=notes,
        apps=shown,
        app_names={card.id: card.name for card in shown},
    )


async def _badges(services: Services, rows: _Rows, almanac: Almanac) -> BadgesShown:
    shown = [task for column in rows.columns for task in column.tasks]
    return await services.questions.badges(rows.visit.doer, shown, almanac.today)


async def _answers(services: Services, rows: _Rows, almanac: Almanac) -> Sequence[PanelAnswer]:
    if rows.visit.project is None:
        return ()
    return await services.questions.board_panel(rows.visit.doer, rows.visit.project, almanac.today)


async def _within(seconds: float, asked: Awaitable[T]) -> T | None:
    try:
        async with asyncio.timeout(seconds):
            return await asked
    except TimeoutError:
        return None


def _terminal(services: Services, seen: Visit) -> Terminal:
    """A server's address may hold a password; a file's does not."""
    url = services.db.url
    return Terminal(
        organisation=seen.organisation.name,
        acting=seen.viewer.email or seen.viewer.id,
        database=url if url.startswith("sqlite:///") else None,
        program=services.program,
    )
