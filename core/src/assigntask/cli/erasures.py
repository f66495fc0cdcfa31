"""`assigntask people erasures`: what vendors were asked to erase, and what came of it."""

from __future__ import annotations

from typing import Annotated

import typer

from assigntask.cli.command import command
from assigntask.cli.opening import Answer, Here
from assigntask.cli.page import Page, shown
from assigntask.cli.people import commands
from assigntask.erasures import report
from assigntask.erasures.report import Erasure
from assigntask.people import people


@command(commands, "erasures", acting="no", changes=False)
async def erasures(
    here: Here,
    person: Annotated[
        str | None,
        typer.Argument(
            metavar="PERSON", help="The id of somebody who was forgotten; left out, it is all.", show_default=False
        ),
    ] = None,
    app: Annotated[str | None, typer.Option(metavar="APP", help="Only this app's.", show_default=False)] = None,
) -> Answer:
    """What apps were asked to erase, and what came of it: an answer is what their vendors say, and no proof."""
    about = None if person is None else (await here.platform.db.read(people.find, here.id, person)).id
    found = await here.platform.db.read(lambda conn: report.listed(conn, here.id, person_id=about, app_id=app))

    def show(page: Page) -> None:
        page.table(
            ("Asked", "App", "Which is", "To erase", "Stands", "Since", "Tries", "Next try"),
            (_row(each) for each in found),
            nothing="No app was asked to erase anything.",
        )
        for words in dict.fromkeys(f"{each.app_id}: {each.words}." for each in found if each.state != "answered"):
            page.line(words)

    return Answer([each.to_json() for each in found], show)


def _row(erasure: Erasure) -> tuple[object, ...]:
    since = erasure.answered_at or erasure.silent_at or erasure.delivered_at
    what = "all that it was given" if erasure.person_id is None else f"person {erasure.person_id}"
    return (
        shown(erasure.asked_at),
        erasure.app_id,
        erasure.installation_state,
        what,
        erasure.state,
        shown(since),
        erasure.attempts,
        shown(erasure.next_at),
    )
