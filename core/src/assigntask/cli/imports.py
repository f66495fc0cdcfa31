"""`assigntask import`: a board that another tracker exported."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from sqlalchemy.engine import Connection

from assigntask.actions.organisations import Founded
from assigntask.app import Platform
from assigntask.cli.command import call_of
from assigntask.cli.opening import Answer, find_doer, run
from assigntask.cli.options import DatabaseOption, JsonOption, group
from assigntask.cli.page import Page, counted
from assigntask.cli.people import person_json
from assigntask.db.ids import is_id
from assigntask.errors import HostError
from assigntask.people import organisations
from assigntask.people.facts import Doer
from assigntask.people.text import checked, checked_email, checked_time_zone
from assigntask.tasks.import_ground import ImportReport
from assigntask.tasks.importers import trello
from assigntask.tasks.importers.board import Board
from assigntask_sdk.errors import NotFound

cli = typer.Typer()
commands = group("Bring in a board from another tracker.")
cli.add_typer(commands, name="import")

Advance = Callable[[int, int], None]


@commands.command("trello")
def import_trello(
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="A board's JSON export; - for stdin.")],
    organisation: Annotated[
        str, typer.Option("--organisation", metavar="NAME", help="Made where it is missing.", show_default=False)
    ],
    admin: Annotated[
        str | None,
        typer.Option(metavar="EMAIL", help="Who is its admin; added where they are missing.", show_default=False),
    ] = None,
    admin_name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Left out: what stands before the @.", show_default=False)
    ] = None,
    time_zone: Annotated[str, typer.Option(help="Of a new organisation, such as Europe/Madrid.")] = "UTC",
    json_output: JsonOption = False,
    database: DatabaseOption = None,
) -> None:
    """Bring in a board that Trello exported. A second run changes nothing, and brings nobody back who was forgotten."""
    call = call_of(context)
    checked("organisation", organisation, limit=200)
    checked_time_zone(time_zone)
    if admin is not None:
        checked_email(admin)
    with _bars(shown=not call.as_json) as bar:
        board = _read(file, bar("Reading"))

        async def work(platform: Platform) -> Answer:
            name = await _name_of(platform, organisation)
            founded = await platform.founding.ensure(name, time_zone=time_zone, email=admin, admin_name=admin_name)
            doer = await platform.db.read(_doer, founded)
            report = await platform.imports.run(doer, board, progress=bar("Storing"))
            return _answer(board, founded, report)

        run(call, work, creates=True)


def _answer(board: Board, founded: Founded, report: ImportReport) -> Answer:
    changed = founded.changed or bool(report.stored)
    data: dict[str, Any] = {
        "changed": changed,
        "organisation": {"id": founded.organisation.id, "name": founded.organisation.name, "created": founded.made},
        "admin": None if founded.admin is None else person_json(founded.admin),
        "admin_kept_out": founded.kept_out,
        "project": {"id": report.project_id, "name": board.name},
        "read": dict(board.report.read),
        "stored": dict(report.stored),
        "known": dict(report.known),
        "left_out": [asdict(each) for each in report.left_out],
    }
    return Answer(data, lambda page: _write(page, board, founded, report, changed))


def _write(page: Page, board: Board, founded: Founded, report: ImportReport, changed: bool) -> None:
    page.heading(f"{board.name} → {founded.organisation.name}")
    if founded.made:
        page.line(f"The organisation {founded.organisation.name} was made.")
    if founded.kept_out:
        page.line(f"The person named as admin was {founded.kept_out} here since, and is not brought back.")
    elif founded.admin is not None:
        page.line(f"Admin: {founded.admin.name}, {founded.admin.email or founded.admin.id}.")
    page.line()
    kinds = dict.fromkeys((*board.report.read, *report.stored, *report.known))
    page.table(
        ("Kind", "Read", "New here", "Here before"),
        ((kind, board.report.read.get(kind), report.stored.get(kind), report.known.get(kind)) for kind in kinds),
    )
    if report.left_out:
        page.line()
        page.table(
            ("Left out, or not as it was", "How many", "Why", "Such as"),
            (
                (each.what, "not known" if each.how_many is None else each.how_many, each.why, ", ".join(each.examples))
                for each in report.left_out
            ),
        )
    page.line()
    added = sum(report.stored.values())
    page.line(f"{counted(added, 'thing')} came in." if added else "All of it was here before.")
    if not changed:
        page.line("Nothing has changed.")


def _doer(conn: Connection, founded: Founded) -> Doer:
    admin = founded.admin
    acting = admin.id if admin is not None and admin.state == "active" and admin.role == "admin" else None
    return find_doer(conn, founded.organisation.id, acting)


async def _name_of(platform: Platform, text: str) -> str:
    """An id names an organisation that there is. Raises HostError `organisation_unknown`."""
    if not is_id(text):
        return text
    try:
        return (await platform.db.read(organisations.get, text)).name
    except NotFound:
        raise HostError("organisation_unknown", f"There is no organisation with the id {text}.") from None


def _read(file: str, progress: Advance) -> Board:
    """Raises ImportRefused, HostError `file_unreadable`. Nothing was touched until then."""
    if file == "-":
        return trello.read(sys.stdin.buffer, progress=progress)
    try:
        opened: BinaryIO
        with Path(file).open("rb") as opened:
            return trello.read(opened, progress=progress)
    except OSError as error:
        raise HostError(
            "file_unreadable", f"{file} can't be read: {error.strerror}. Name the file that Trello gave you."
        ) from error


@contextmanager
def _bars(*, shown: bool) -> Iterator[Callable[[str], Advance]]:
    """Progress on stderr where somebody is watching. Gives, for a step's name, what its progress is told to."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True, disable=not (shown and console.is_terminal)) as progress:

        def bar(words: str) -> Advance:
            task = progress.add_task(words, total=None)
            return lambda done, total: progress.update(task, completed=done, total=total)

        yield bar
