"""`assigntask ledger`: what was given to whom; whether the record is sound; its signed head."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.engine import Connection

from assigntask.cli.command import command
from assigntask.cli.opening import Answer, Here
from assigntask.cli.options import group
from assigntask.cli.page import Page, counted, shown
from assigntask.errors import HostError
from assigntask.ledger.ledger import LedgerEntry
from assigntask.people import people

cli = typer.Typer()
commands = group("What was given to whom; verify it, sign it.")
cli.add_typer(commands, name="ledger")

MOST_CHECKPOINT = 1 << 20  # bytes


@command(commands, "show", acting="no", changes=False)
async def show_entries(
    here: Here,
    app: Annotated[str | None, typer.Option(metavar="APP", help="Only this app's.", show_default=False)] = None,
    person: Annotated[
        str | None, typer.Option(metavar="PERSON", help="Only what is about them.", show_default=False)
    ] = None,
    limit: Annotated[int | None, typer.Option(metavar="N", min=1, help="The last N.", show_default=False)] = None,
) -> Answer:
    """The entries, oldest first. A release says which details went out; repeats on one day are not counted."""
    about = None if person is None else await here.platform.db.read(people.find, here.id, person)
    found = await here.platform.ledger.given(here.id, app_id=app, person=about, limit=limit)
    known = await here.platform.db.read(_names, here.id)

    def show(page: Page) -> None:
        page.table(
            ("No.", "When", "What", "App", "Channel", "Details", "Records", "By"),
            (_row(entry, known) for entry in found),
            nothing="No entries.",
        )

    return Answer([entry.to_json() for entry in found], show)


@command(commands, "verify", acting="no", changes=False)
async def verify(
    here: Here,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="CHECKPOINT",
            help="A checkpoint kept elsewhere: its text, a file that holds it, or - for stdin. "
            "With it an older copy of the database is found out too.",
            show_default=False,
        ),
    ] = None,
) -> Answer:
    """Recompute the tree from the entries and hold it against what was signed. Exit status 1 where they differ."""
    note = None if since is None else read_checkpoint(since)
    found = await here.platform.ledger.verify(here.id, note)

    def show(page: Page) -> None:
        page.line(f"{counted(found.size, 'sealed entry', 'sealed entries')} and {_signed(found.checkpoints)} read.")
        if found.unsealed:
            page.line(f"{counted(found.unsealed, 'entry waits', 'entries wait')} for its seal.")
        if found.fault is None:
            page.line("All of it is as it was signed.")

    failure = None
    if found.fault is not None:
        fault = found.fault
        where = f" (entry {fault.entry}{f', id {fault.entry_id}' if fault.entry_id else ''})"
        message = fault.message + (where if fault.entry is not None else "")
        failure = HostError(fault.code, message, entry=fault.entry, entry_id=fault.entry_id)
    return Answer(found.to_json(), show, failure)


@command(commands, "checkpoint", acting="no")
async def checkpoint(here: Here) -> Answer:
    """Print the signed head of the record. Keep it elsewhere: `ledger verify --since` proves that nothing went."""
    note = await here.platform.ledger.checkpoint(here.id)
    origin, size, root = note.split("\n")[:3]
    data = {"origin": origin, "size": int(size), "root": root, "note": note}
    return Answer(data, lambda page: page.raw(note))  # wrapped at the terminal's edge it would be no note


def read_checkpoint(given: str) -> str:
    """The note: `given` itself, what a file or stdin holds, or the JSON that `ledger checkpoint` prints.

    Raises HostError `checkpoint_unreadable`.
    """
    text = given
    if given == "-":
        text = sys.stdin.read(MOST_CHECKPOINT)
    elif "\n" not in given and not given.lstrip().startswith("{"):
        try:
            with Path(given).open(encoding="utf-8") as file:
                text = file.read(MOST_CHECKPOINT)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise HostError(
                "checkpoint_unreadable",
                f"{given!r} is no checkpoint, and no file that can be read ({why}). Give what `assigntask ledger "
                "checkpoint` printed: its text, a file with it, or - for stdin.",
            ) from error
    return _note_in(text)


def _note_in(text: str) -> str:
    if text.lstrip().startswith("{"):
        try:
            return str(json.loads(text)["note"])
        except (ValueError, KeyError, TypeError):
            return text
    return text if text.endswith("\n") else text + "\n"


def _signed(checkpoints: int) -> str:
    return counted(checkpoints, "signed checkpoint")


def _names(conn: Connection, organisation_id: str) -> dict[str, str]:
    return {each.id: each.name for each in people.listed(conn, organisation_id)}


def _row(entry: LedgerEntry, known: Mapping[str, str]) -> tuple[object, ...]:
    kinds: dict[str, int] = {}
    for kind, _, _ in entry.records:
        kinds[kind] = kinds.get(kind, 0) + 1
    records = ", ".join(counted(number, kind, "people" if kind == "person" else None) for kind, number in kinds.items())
    index = "" if entry.index is None else entry.index
    what = entry.kind.replace("_", " ")
    by, _, last = entry.actor.rpartition(" ")
    actor = f"{by} {known[last]}" if last in known else entry.actor
    details = ", ".join(entry.details) or _outcome(entry)
    return index, shown(entry.at), what, entry.app, entry.channel, details, records, actor


def _outcome(entry: LedgerEntry) -> str:
    """Of what was released before: whether the app has it."""
    if entry.kind != "delivery":
        return ""
    status = entry.facts.get("status")
    return f"{entry.facts['hook']}: {entry.facts['outcome']}" + (f" ({status})" if status else "")
