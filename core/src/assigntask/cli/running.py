"""`assigntask run`: the newcomer's way in."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from sqlalchemy.engine import Connection

from assigntask.app import Platform
from assigntask.cli import sample_organisation
from assigntask.cli.command import call_of
from assigntask.cli.failures import visible
from assigntask.cli.opening import Answer, Call
from assigntask.cli.options import DatabaseOption, DataOption, DevOption, JsonOption
from assigntask.cli.page import Page
from assigntask.cli.people import person_json
from assigntask.cli.program import program
from assigntask.cli.serving import PortOption, serve_at
from assigntask.cli.sockets import listening
from assigntask.people import organisations
from assigntask.people.facts import OrganisationFacts, PersonFacts
from assigntask.settings import DATA_FOLDER

cli = typer.Typer()

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Seen:
    """Who is who in the first organisation; `only`: there is no other."""

    organisation: OrganisationFacts
    only: bool
    admin: PersonFacts | None
    member: PersonFacts | None


@cli.command("run")
def run(
    context: typer.Context,
    data: DataOption = None,
    port: PortOption = 8000,
    dev: DevOption = False,
    json_output: JsonOption = False,
    database: DatabaseOption = None,
) -> None:
    """Start with a sample organisation: makes it where there is nothing yet, says what to try, and serves."""
    call = call_of(context)
    call = Call(call.as_json, call.database, data, dev)
    settings = call.settings()

    async def ready(platform: Platform, url: str) -> Answer:
        made = await sample_organisation.fill(platform, platform.clock())
        await platform.settle()
        seen = await platform.db.read(_look)
        folder = settings.keys.parent if settings.keys is not None else Path(data or DATA_FOLDER)
        return _answer(seen, url, folder, settings.database, made=made is not None)

    with listening(HOST, port) as taken:
        serve_at(taken, HOST, call, ready)


def _look(conn: Connection) -> Seen:
    first, *others = organisations.listed(conn)
    admin, member = sample_organisation.admin_of(conn, first.id), sample_organisation.member_of(conn, first.id)
    return Seen(first, not others, admin, member)


def _answer(seen: Seen, url: str, folder: Path, database: str, *, made: bool) -> Answer:
    organisation, admin, member = seen.organisation, seen.admin, seen.member
    tries = things_to_try(program(), database, seen)
    data: dict[str, Any] = {
        "url": url,
        "data": str(folder),
        "database": database,
        "organisation": {"id": organisation.id, "name": organisation.name, "created": made},
        "admin": None if admin is None else person_json(admin),
        "member": None if member is None else person_json(member),
        "try": [{"what": what, "command": command} for what, command in tries],
    }

    def write(page: Page) -> None:
        page.heading(f"AssignTask is at {url}")
        page.facts(
            {
                "Organisation": organisation.name + (", the sample, made just now" if made else ""),
                "Data": folder,
                "An admin": None if admin is None else f"{admin.name}, {admin.email or admin.id}",
                "A member": None if member is None else f"{member.name}, {member.email}",
            }
        )
        page.line()
        page.heading("What to try next, in another terminal")
        for what, command in tries:
            page.line(f"# {what}", "dim")
            page.raw(f"{visible(command)}\n")  # wrapped, it could not be pasted
        page.line()
        page.line("Stop with Ctrl-C. What is there stays; delete the data folder to start afresh.")

    return Answer(data, write)


def things_to_try(name: str, database: str, seen: Seen) -> list[tuple[str, str]]:
    """What to do, and the command that does it, to be pasted into a shell as it stands."""

    def command(*words: str) -> str:
        place = [] if seen.only else ["--organisation", seen.organisation.name]
        return f"{name} {shlex.join([*words, *place, '--database', database])}"

    tries = [("What is on the board", command("tasks", "list")), ("Which apps there are", command("apps", "list"))]
    if seen.admin is not None:
        by = ("--as", seen.admin.email or seen.admin.id)
        tries += [
            (
                "What an app would get, before anything happens",
                command("apps", "install", "reporting", *by, "--dry-run"),
            ),
            ("Install it; then look at the page again", command("apps", "install", "reporting", *by)),
            ("What it was given", command("ledger", "show", "--app", "reporting")),
            ("What it reports", command("apps", "report", "reporting", *by)),
        ]
    if seen.member is not None:
        who = seen.member.email or seen.member.id
        tries += [
            ("A member objects to it", command("object", "reporting", "--as", who)),
            ("Why it doesn't get their address", command("why", "reporting", who, "person.email")),
        ]
    return [*tries, ("Whether the record is sound", command("ledger", "verify"))]
