"""`assigntask sweep` and `keys`: what an operator does now and then."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from assigntask.app import Platform
from assigntask.cli.command import host_command
from assigntask.cli.opening import Answer
from assigntask.cli.options import group
from assigntask.cli.page import Page, counted
from assigntask.ledger.keys import Purpose

cli = typer.Typer()
keys = group("List and rotate the host's keys.")
cli.add_typer(keys, name="keys")


@host_command(cli, "sweep")
async def sweep(platform: Platform) -> Answer:
    """Do what is due: wipe what uninstalled apps kept long enough, finish forgetting, deliver, seal, take upgrades."""
    looked = await platform.follow()
    swept = await platform.sweep()
    upgrades: list[dict[str, Any]] = [
        {
            "organisation": each.organisation_id,
            "app": each.app_id,
            "from": each.accepted,
            "to": each.installed,
            "outcome": each.outcome,
            "code": each.code,
        }
        for each in looked
    ]

    def show(page: Page) -> None:
        page.line(f"{counted(len(swept.wiped), 'uninstalled app')} wiped, their retention being over.")
        page.line(f"{counted(len(swept.forgotten), 'left-over key')} of forgotten people destroyed.")
        page.line(
            f"{counted(swept.delivered, 'notice')} delivered, {counted(swept.sealed, 'entry', 'entries')} sealed."
        )
        for each in looked:
            page.line(f"{each.app_id} {each.accepted}, code {each.installed}: {each.outcome}.")

    return Answer({**swept.to_json(), "upgrades": upgrades}, show)


@host_command(keys, "list", changes=False)
async def list_keys(platform: Platform) -> Answer:
    """The keys' ids, the current one first. Ids are no secret, and the keys themselves are never shown."""
    known = [{"purpose": purpose.value, "ids": list(platform.keys.ids(purpose))} for purpose in Purpose]

    def show(page: Page) -> None:
        page.table(
            ("Purpose", "Current", "Retired"),
            ((each["purpose"], each["ids"][0], ", ".join(each["ids"][1:])) for each in known),
        )

    return Answer(known, show)


@host_command(keys, "rotate")
async def rotate(
    platform: Platform, purpose: Annotated[Purpose, typer.Argument(help="What the key is for.", show_default=False)]
) -> Answer:
    """Make a new current key. Those before it are kept: they still verify, and still open what they closed."""
    made = platform.keys.rotate(purpose)
    return Answer(
        {"purpose": purpose.value, "id": made, "ids": list(platform.keys.ids(purpose))},
        lambda page: page.line(f"{made} is the current {purpose.value} key. Keep a copy of its file."),
    )
