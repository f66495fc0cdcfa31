"""`assigntask object`, `restrict` and `why`: what one person decides, and what follows from it."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer
from sqlalchemy.engine import Connection

from assigntask.cli.command import command
from assigntask.cli.opening import Answer, Here
from assigntask.cli.options import AppArgument, PersonArgument
from assigntask.errors import HostError
from assigntask.grants.rules import Rule
from assigntask.grants.why import why
from assigntask.installations import installations
from assigntask.people import people
from assigntask.people.facts import PersonFacts
from assigntask_sdk.details import nearest

cli = typer.Typer()


@command(cli, "object", acting="must")
async def object_to(
    here: Here,
    app: AppArgument,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Take the objection back.")] = False,
) -> Answer:
    """Object to an app: it is given nothing more about the person named with --as, and nothing changes for others."""
    if withdraw:
        changed = await here.platform.objections.withdraw(here.doer, app)
        words = "The objection was withdrawn: the app meets this person as somebody new." if changed else "None stood."
    else:
        changed = await here.platform.objections.object(here.doer, app)
        words = f"{app} is given nothing more about this person." if changed else "The objection stood already."
    data = {"app": app, "person": here.doer.person_id, "objects": not withdraw, "changed": changed}
    return Answer(data, lambda page: page.line(words))


@command(cli, "restrict", acting="must")
async def restrict(
    here: Here,
    person: PersonArgument,
    lift: Annotated[bool, typer.Option("--lift", help="Lift the restriction.")] = False,
) -> Answer:
    """Restrict somebody: no app is given anything about them. For the person themself, or an admin."""
    found = await here.platform.db.read(people.find, here.id, person)
    if lift:
        changed = await here.platform.objections.lift(here.doer, found.id)
        words = f"Apps may be told about {found.name} again." if changed else f"{found.name} was not restricted."
    else:
        changed = await here.platform.objections.restrict(here.doer, found.id)
        words = f"No app is told anything about {found.name}." if changed else f"{found.name} was restricted already."
    data = {"person": found.id, "restricted": not lift, "changed": changed}
    return Answer(data, lambda page: page.line(words))


@command(cli, "why", acting="no", changes=False)
async def explain(
    here: Here,
    app: AppArgument,
    person: PersonArgument,
    detail: Annotated[
        str, typer.Argument(metavar="DETAIL", help="As the catalogue names it: person.email.", show_default=False)
    ],
) -> Answer:
    """Print the rule that decides whether the app is given this detail about this person."""
    offered = await asyncio.to_thread(here.platform.directory.list)

    def look(conn: Connection) -> tuple[Rule, PersonFacts]:
        known = {each.id for each in offered} | {each.app_id for each in installations.listed(conn, here.id)}
        if app not in known:
            meant = nearest(app, known)
            hint = f" Did you mean {meant!r}?" if meant else " `assigntask apps list` shows those that there are."
            raise HostError("app_unknown", f"There is no app {app!r}.{hint}", app=app, nearest=meant)
        found = people.find(conn, here.id, person)
        return why(conn, here.id, app, found, detail), found

    rule, found = await here.platform.db.read(look)
    answer = "is shared" if rule.shared else "is not shared"
    return Answer(
        {"app": app, "person": found.id, "detail": detail, **rule.to_json()},
        lambda page: page.line(f"{detail} of {found.name} {answer} with {app}. {rule.words} [{rule.code}]"),
    )
