"""`assigntask apps report`: what an app reports, as tables, JSON or CSV."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from assigntask.cli.apps import commands
from assigntask.cli.command import command
from assigntask.cli.opening import Answer, Here
from assigntask.cli.options import AppArgument
from assigntask.cli.page import Page, shown
from assigntask.cli.task_words import parse_day
from assigntask.hooks.panels import Panel
from assigntask.installations import installations
from assigntask.web.panels import panels
from assigntask_sdk.blocks import BLOCKS, Chart, Code, Link, Table, When, Who

WEEKS = 12  # without --since
Day = Annotated[str | None, typer.Option(metavar="YYYY-MM-DD", show_default=False)]
Names = Mapping[str, str]

_NUMBER = re.compile(r"[+-]?[0-9.,]+%?")


@command(commands, "report", acting="must")
async def report(
    here: Here,
    app: AppArgument,
    since: Day = None,
    until: Day = None,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Comma-separated, an empty line between two tables (RFC 4180).")
    ] = False,
) -> Answer:
    """Ask an app for its report; without --since and --until of the last twelve weeks, both days included."""
    platform = here.platform
    today = platform.clock().astimezone(ZoneInfo(here.organisation.time_zone)).date()
    last = today if until is None else parse_day("until", until)
    first = last - dt.timedelta(weeks=WEEKS) if since is None else parse_day("since", since)
    blocks = await platform.questions.report(here.doer, app, first, last, today)
    standing = await platform.db.read(installations.require, here.id, app)
    answer = Panel(app, app, standing.id, blocks, None, None)
    known = (await panels(platform.db, platform.grants, here.id, [answer]))[0].names
    data = {
        "app": app,
        "since": first.isoformat(),
        "until": last.isoformat(),
        "blocks": BLOCKS.dump_python(blocks, mode="json"),
        "names": dict(known),
    }

    def show(page: Page) -> None:
        if as_csv:
            page.raw(to_csv(blocks, known))
        else:
            write_report(page, blocks, known)

    return Answer(data, show)


def to_csv(blocks: Sequence[Table | Chart], known: Names) -> str:
    """A table is its title, its head and its rows; a chart has a row for each point."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    for place, (title, head, rows) in enumerate(_tables(blocks, known)):
        if place:
            out.write("\r\n")
        if title:
            writer.writerow([_harmless(title)])
        writer.writerow([_harmless(cell) for cell in head])
        writer.writerows([_harmless(cell) for cell in row] for row in rows)
    return out.getvalue()


def write_report(page: Page, blocks: Sequence[Table | Chart], known: Names) -> None:
    for place, (title, head, rows) in enumerate(_tables(blocks, known)):
        if place:
            page.line()
        if title:
            page.heading(title)
        page.table(head, rows, nothing="No rows.")


def _tables(blocks: Sequence[Table | Chart], known: Names) -> list[tuple[str, list[str], list[list[str]]]]:
    """Title, head and rows of each."""
    found: list[tuple[str, list[str], list[list[str]]]] = []
    for block in blocks:
        if isinstance(block, Table):
            rows = [[_words(cell, known) for cell in row] for row in block.rows]
            found.append((block.title, list(block.head), rows))
        else:
            points = [[each.name, label, f"{value:g}"] for each in block.series for label, value in each.points]
            found.append((block.title or block.alt, ["Series", "Point", "Value"], points))
    return found


def _words(cell: Any, known: Names) -> str:
    match cell:
        case Link():
            return f"{cell.text} {cell.url}"
        case When():
            return shown(cell.at)
        case Who():
            return known.get(cell.person, "somebody")
        case Code():
            return cell.text
        case _:
            return str(cell)


def _harmless(text: str) -> str:
    """A spreadsheet takes text that begins so for a formula, and runs it; numbers stay as they are."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") and not _NUMBER.fullmatch(text) else text
