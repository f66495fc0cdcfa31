"""`assigntask apps settings`: what an organisation, or one person, set for an app."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from sqlalchemy.engine import Connection

from assigntask.cli.apps import commands
from assigntask.cli.command import command
from assigntask.cli.opening import Answer, Here
from assigntask.cli.options import AppArgument
from assigntask.cli.page import Page
from assigntask.installations import admission, installations
from assigntask_sdk.errors import Invalid
from assigntask_sdk.manifest import Setting


@command(commands, "settings", acting="must")
async def settings(
    here: Here,
    app: AppArgument,
    values: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="None: show them.", show_default=False)
    ] = None,
    reset: Annotated[
        list[str] | None, typer.Option("--reset", metavar="KEY", help="Back to the default.", show_default=False)
    ] = None,
    own: Annotated[bool, typer.Option("--own", help="The person's own settings instead of everybody's.")] = False,
) -> Answer:
    """Show an app's settings, or change them."""
    actions = here.platform.app_settings
    if not values and not reset:
        now = await (actions.get_own if own else actions.get)(here.doer, app)
    else:
        known = await here.platform.db.read(_known, here.id, app, own)
        wanted = {**parse(known, values or ()), **dict.fromkeys(reset or ())}
        now = await (actions.set_own if own else actions.set)(here.doer, app, wanted)

    def show(page: Page) -> None:
        page.table(("Setting", "Value"), sorted(now.items()), nothing=f"{app} has none.")

    return Answer(dict(now), show)


def parse(known: Mapping[str, Setting], given: Sequence[str]) -> dict[str, Any]:
    """KEY=VALUE by the setting's type; what is of no known setting stays text. Raises Invalid."""
    values: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for each in given:
        name, equals, text = each.partition("=")
        if not equals or not name:
            wrong[each] = "write KEY=VALUE"
            continue
        try:
            values[name] = _value(known[name].type if name in known else "text", text)
        except ValueError as error:
            wrong[name] = str(error)
    if wrong:
        raise Invalid(wrong)
    return values


def _value(kind: str, text: str) -> str | float | bool:
    if kind == "check":
        truths = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
        if text.strip().lower() not in truths:
            raise ValueError("give true or false")
        return truths[text.strip().lower()]
    if kind == "number":
        try:
            return int(text)
        except ValueError:
            pass
        try:
            return float(text)
        except ValueError:
            raise ValueError("give a number") from None
    return text


def _known(conn: Connection, organisation_id: str, app_id: str, own: bool) -> Mapping[str, Setting]:
    """The settings of the accepted version. Raises HostError `not_installed`."""
    found = installations.require(conn, organisation_id, app_id)
    manifest = admission.manifest_of(conn, app_id, found.version)
    return manifest.person_settings if own else manifest.settings
