"""What the host asks this app: read, decide what may be shown, count, draw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assigntask_sdk import Block, Chart, Ctx, Table, hook
from assigntask_sdk.hooks import BoardPanel, Installed, PersonForgotten, PersonWithdrawn, Report

from . import contact, joined, tables
from .figures import figures
from .groups import for_board, for_report
from .reading import project_tally, whole_tally
from .weeks import Span, last_weeks, latest

PEOPLE = "tasks:people"
FEWEST_WEEKS, MOST_WEEKS = 4, 52
SMALLEST_GROUP, LARGEST_GROUP = 5, 1_000_000


@hook.board_panel
async def show_on_board(ctx: Ctx, ask: BoardPanel) -> list[Block]:
    tally = await project_tally(ctx, ask.project, last_weeks(ask.today, weeks_on_board(ctx.settings)))
    groups = for_board(tally.sizes, smallest_group(ctx.settings), await joined.recall(ctx))
    return tables.panel(figures(tally, groups))


@hook.report
async def make_report(ctx: Ctx, ask: Report) -> list[Table | Chart]:
    asked = Span(ask.since, ask.until)
    if not asked.mondays:
        return tables.without_days(asked)
    with_people = ctx.granted(PEOPLE)
    tally = await whole_tally(ctx, latest(asked), with_people=with_people)
    groups = for_report(tally.sizes, smallest_group(ctx.settings))
    await joined.remember(ctx, groups)
    return tables.report(figures(tally, groups), asked=asked, with_people=with_people)


@hook.installed
async def keep_contact(ctx: Ctx, ask: Installed) -> None:
    await contact.keep(ctx, ask.contacts.get("installer"))


@hook.person_forgotten
async def erase_forgotten(ctx: Ctx, ask: PersonForgotten) -> None:
    await contact.erase(ctx, ask.person)


@hook.person_withdrawn
async def erase_withdrawn(ctx: Ctx, ask: PersonWithdrawn) -> None:
    await contact.erase(ctx, ask.person)


def weeks_on_board(settings: Mapping[str, Any]) -> int:
    return _whole(settings["weeks"], FEWEST_WEEKS, MOST_WEEKS)


def smallest_group(settings: Mapping[str, Any]) -> int:
    """Never less than 5, whatever was set."""
    return _whole(settings["smallest_group"], SMALLEST_GROUP, LARGEST_GROUP)


def _whole(value: float, least: int, most: int) -> int:
    return int(min(max(value, least), most))
