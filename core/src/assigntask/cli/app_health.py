"""`assigntask apps health`: how the apps of an organisation do, and what to do about it."""

from __future__ import annotations

from typing import Annotated

import typer
from pydantic_core import to_jsonable_python
from sqlalchemy.engine import Connection

from assigntask.cli.apps import commands
from assigntask.cli.command import command
from assigntask.cli.opening import Answer, Here
from assigntask.cli.page import Page, shown
from assigntask.hooks import health as healths
from assigntask.installations import installations
from assigntask.installations.life import LIVE
from assigntask_sdk.deliveries import Health


@command(commands, "health", acting="no", changes=False)
async def health(
    here: Here,
    app: Annotated[
        str | None, typer.Argument(metavar="[APP]", help="The app's id; left out, all that are installed.",
                                   show_default=False),
    ] = None,
) -> Answer:  # fmt: skip
    """Whether an app works: its state and why, what waits for it or was given up, and what to do."""
    db = here.platform.db
    if app is not None:
        own = await db.read(installations.require, here.id, app)
        one = await db.read(healths.look, here.id, own.id)
        return Answer(to_jsonable_python(one), lambda page: write(page, one))
    found = await db.read(_all, here.id)
    return Answer(to_jsonable_python(found), lambda page: write_all(page, found))


def write(page: Page, one: Health) -> None:
    page.line(one.words)
    page.facts(
        {
            "State": one.state,
            "Waiting": one.waiting,
            "Oldest waiting": shown(one.oldest_waiting),
            "Given up": one.dead,
            "Last arrived": shown(one.last_success),
            "Failing since": shown(one.failing_since),
        }
    )
    if one.breakers:
        page.line()
        page.table(
            ("Hook", "Breaker", "Failures in a row", "Ever", "Last error", "Tried again"),
            ((each.hook, each.state, each.failures, each.total, each.error, shown(each.retry_at))
             for each in one.breakers),
        )  # fmt: skip


def write_all(page: Page, found: list[Health]) -> None:
    page.table(
        ("App", "State", "Waiting", "Oldest waiting", "Given up", "Last arrived", "How it does"),
        (
            (one.app, one.state, one.waiting, shown(one.oldest_waiting), one.dead, shown(one.last_success), one.words)
            for one in found
        ),
        nothing="No app is installed.",
    )


def _all(conn: Connection, organisation_id: str) -> list[Health]:
    return [healths.look(conn, organisation_id, each.id) for each in installations.listed(conn, organisation_id, LIVE)]
