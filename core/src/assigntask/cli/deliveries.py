"""`assigntask deliveries`: what became of the notices to an app, and having them told once more."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, cast
from zoneinfo import ZoneInfo

import typer
from pydantic_core import to_jsonable_python

from assigntask.actions.deliveries import Since
from assigntask.cli.command import command
from assigntask.cli.opening import Answer, Here
from assigntask.cli.options import AppArgument, group
from assigntask.cli.page import Page, counted, shown
from assigntask.cli.task_words import parse_day
from assigntask.errors import HostError
from assigntask.events.history import STATES, Wanted
from assigntask.installations import installations
from assigntask_sdk.deliveries import Delivery, DeliveryState
from assigntask_sdk.errors import Invalid

cli = typer.Typer()
commands = group("What became of the notices to an app; have them told once more.")
cli.add_typer(commands, name="deliveries")

SinceOption = Annotated[
    str | None,
    typer.Option(
        "--since",
        metavar="T",
        help="What happened then or later: a day, or a moment such as 2026-05-31T17:00, in the organisation's time "
        "zone where it names no other.",
        show_default=False,
    ),
]


@command(commands, "list", changes=False)
async def list_deliveries(
    here: Here,
    app: AppArgument,
    state: Annotated[
        str | None, typer.Option(metavar="S", help=f"Only these: {', '.join(STATES)}.", show_default=False)
    ] = None,
    since: SinceOption = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=10_000, help="The newest N.")] = 50,
) -> Answer:
    """What became of an app's notices, the newest first: tries, the next one, what the app answered and how quickly."""
    platform = here.platform
    own = await platform.db.read(installations.require, here.id, app)
    wanted = Wanted(None if state is None else parse_state(state), _since(here, since), limit=limit)
    found = await platform.deliveries.list(here.doer, own.id, wanted)

    def show(page: Page) -> None:
        page.table(
            ("Happened", "Hook", "State", "Tries", "Last try", "Took", "Next try", "What came of it", "Id"),
            (row(each) for each in found),
            nothing="No deliveries.",
        )

    return Answer(to_jsonable_python(found), show)


@command(commands, "replay")
async def replay(
    here: Here,
    app: AppArgument,
    delivery: Annotated[
        str | None, typer.Argument(metavar="ID", help="One delivery; else give --since.", show_default=False)
    ] = None,
    since: SinceOption = None,
    state: Annotated[
        list[str] | None,
        typer.Option(
            metavar="S", help="With --since, only those in this state, such as dead. May be repeated.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say how many they would be, and change nothing.")] = False,
) -> Answer:  # fmt: skip
    """Have an app told once more: one notice, or all since a moment, in their old order and before what is newer.

    What waits for its next try is tried now.
    """
    if (delivery is None) == (since is None):
        raise HostError("option_conflict", "Give either the ID of one delivery, or --since for all since a moment.")
    if delivery is not None and state:
        raise HostError("option_conflict", "--state says which of those since a moment: give it with --since.")
    platform = here.platform
    own = await platform.db.read(installations.require, here.id, app)
    if delivery is not None:
        told = await platform.deliveries.replay(here.doer, own.id, delivery, dry_run=dry_run)
    else:
        at = cast(dt.datetime, _since(here, since))
        which = Since(at, tuple(parse_state(each) for each in state) if state else STATES)
        told = await platform.deliveries.replay_since(here.doer, own.id, which, dry_run=dry_run)
    data: dict[str, Any] = {"app": app, "installation": own.id, "replayed": told, "dry_run": dry_run}
    return Answer(data, lambda page: page.line(words(app, own.state, told, dry_run=dry_run)))


def words(app: str, state: str, told: int, *, dry_run: bool) -> str:
    """What was done, or would be. Pure."""
    if not told:
        return f"There is nothing to tell {app} once more."
    notices = counted(told, "notice")
    if dry_run:
        return f"{app} would be told {notices} once more. This was a dry run: nothing was changed."
    later = " It is disabled: they wait until it is enabled." if state == "disabled" else ""
    return f"{app} is told {notices} once more.{later}"


def parse_state(text: str) -> DeliveryState:
    """Raises Invalid."""
    if text not in STATES:
        raise Invalid({"state": f"{text!r} is none; write one of {', '.join(STATES)}"})
    return text


def parse_since(text: str, zone: str) -> dt.datetime:
    """A day's beginning, or a moment; in `zone` where it says no zone itself. In UTC. Raises Invalid."""
    text = text.strip()
    try:
        if "T" not in text:
            at = dt.datetime.combine(parse_day("since", text), dt.time())
        else:
            at = dt.datetime.fromisoformat(text)
        at = at if at.tzinfo is not None else at.replace(tzinfo=ZoneInfo(zone))
        return at.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise Invalid({"since": f"{text!r} is no moment; write one such as 2026-05-31T17:00"}) from None


def row(each: Delivery) -> tuple[object, ...]:
    """One line of the table. Pure."""
    state = f"{each.state}, replayed" if each.replayed_at is not None else each.state
    took = None if each.took is None else f"{each.took} ms"
    return (
        shown(each.at),
        each.hook,
        state,
        each.attempts,
        shown(each.attempted_at),
        took,
        shown(each.next_at),
        outcome(each),
        each.id,
    )


def outcome(each: Delivery) -> str:
    """ "HTTP 500, answer_unreadable: It is late": as far as it is known."""
    status = None if each.status is None else f"HTTP {each.status}"
    known = ", ".join(part for part in (status, each.error) if part)
    return ": ".join(part for part in (known, " ".join((each.answer or "").split())) if part)


def _since(here: Here, text: str | None) -> dt.datetime | None:
    return None if text is None else parse_since(text, here.organisation.time_zone)
