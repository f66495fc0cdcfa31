"""`assigntask apps credentials`: what an app outside the host proves itself with."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from assigntask.cli.apps import commands
from assigntask.cli.command import command
from assigntask.cli.opening import Answer, Here
from assigntask.cli.options import AppArgument
from assigntask.cli.page import Page, shown
from assigntask.errors import HostError
from assigntask.grants.grant import Assurance
from assigntask.installations import admission

WITHOUT_ADDRESS = "/oauth/token below this host's address; set ASSIGNTASK_URL to see it whole"


@command(commands, "credentials", acting="must")
async def credentials(
    here: Here,
    app: AppArgument,
    rotate: Annotated[
        bool, typer.Option("--rotate", help="Make new ones. Those before them hold for a while longer.")
    ] = False,
    at_once: Annotated[
        bool, typer.Option("--at-once", help="With --rotate, after a leak: those before, and all tokens, end now.")
    ] = False,
) -> Answer:
    """Show an app's client, or replace its secret. A secret is shown this once: only its digest is kept."""
    if at_once and not rotate:
        raise HostError("option_conflict", "--at-once says how to replace a secret: give it with --rotate.")
    platform = here.platform
    issued = await platform.credentials.rotate(here.doer, app, at_once=at_once) if rotate else None
    known = await platform.credentials.show(here.doer, app)
    assurance: Assurance = await platform.db.read(admission.assurance_of, app)
    url = platform.settings.url
    data: dict[str, Any] = {
        **known.to_json(),
        "app": app,
        "token_endpoint": f"{url}/oauth/token" if url else None,
        "client_secret": None if issued is None else issued.client_secret,
    }

    def show(page: Page) -> None:
        page.facts(
            {
                "Client": known.client_id,
                "Token endpoint": f"{url}/oauth/token" if url else WITHOUT_ADDRESS,
                "Made": shown(known.created_at),
                "Replaced": shown(known.rotated_at),
                "Older ones hold until": shown(known.previous_until),
                "Taken by its service": _taken(known.delivered_at is not None, assurance),
            }
        )
        if issued is not None:
            page.line()
            page.line("The new secret. It is not shown again:")
            page.raw(f"{issued.client_secret}\n")
        if issued is not None and assurance == "enforced":
            page.line("The app's service is given one of its own, as soon as it can be reached.")

    return Answer(data, show)


def _taken(delivered: bool, assurance: Assurance) -> str | None:
    if assurance == "trusted":
        return None
    return "yes" if delivered else "not yet: they are offered again by themselves"
