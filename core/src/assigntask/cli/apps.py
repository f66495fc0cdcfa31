"""`assigntask apps`: finding, installing, upgrading, disabling and uninstalling apps."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer
from sqlalchemy.engine import Connection

from assigntask.app import Platform
from assigntask.cli import app_pages
from assigntask.cli.app_facts import Installed, installed_facts, listing
from assigntask.cli.command import command, host_command
from assigntask.cli.opening import Answer, Here, find_organisation
from assigntask.cli.options import AppArgument, OrganisationOption, group
from assigntask.cli.page import Page
from assigntask.errors import HostError
from assigntask.installations import installations
from assigntask.installations.consent import Preview
from assigntask.installations.installations import Installation
from assigntask.people import organisations

cli = typer.Typer()
commands = group("Find, install, upgrade, disable and uninstall apps.")
cli.add_typer(commands, name="apps")

Without = Annotated[
    list[str] | None,
    typer.Option("--without", metavar="SCOPE", help="An optional scope to leave out. May be repeated.",
                 show_default=False),
]  # fmt: skip
Projects = Annotated[
    list[str] | None,
    typer.Option("--project", metavar="P", help="Reach this project only. May be repeated; left out, it is all.",
                 show_default=False),
]  # fmt: skip
TechnicalContact = Annotated[
    str | None, typer.Option(metavar="PERSON", help="Else the organisation's own.", show_default=False)
]
BillingContact = Annotated[
    str | None, typer.Option(metavar="PERSON", help="Else the organisation's own.", show_default=False)
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what it would share, and change nothing.")]


@host_command(commands, "list", changes=False)
async def list_apps(platform: Platform, organisation: OrganisationOption = None) -> Answer:
    """The apps that this host offers; their state in the organisation, where one is named or there is one only."""
    offered = await asyncio.to_thread(platform.directory.list)
    place = await _place(platform, organisation)
    rows = listing(offered, [] if place is None else await platform.db.read(installations.listed, place))
    return Answer([row.to_json() for row in rows], lambda page: app_pages.write_listing(page, rows))


@host_command(commands, "show", changes=False)
async def show_app(platform: Platform, app: AppArgument, organisation: OrganisationOption = None) -> Answer:
    """What an app asks for, and why; in an organisation also what it was granted and never used."""
    place = await _place(platform, organisation)
    installed: Installed | None = None if place is None else await installed_facts(platform, place, app)
    try:
        offered = await asyncio.to_thread(platform.directory.get, app)
    except HostError:
        if installed is None:
            raise
        offered = None  # its code is gone, and what it was given is still to be seen
    data: dict[str, Any] = {
        **(app_pages.manifest_json(offered) if offered is not None else {"id": app}),
        "installation": None if installed is None else installed.to_json(),
    }

    def show(page: Page) -> None:
        if offered is not None:
            app_pages.write_manifest(page, offered)
        if installed is not None:
            app_pages.write_installed(page, installed)

    return Answer(data, show)


@command(commands, "request", acting="must")
async def request(here: Here, app: AppArgument) -> Answer:
    """Ask the admins for an app; nothing is granted by it."""
    return _installation(await here.platform.installing.request(here.doer, app), "was requested: an admin decides")


@command(commands, "decline", acting="must")
async def decline(here: Here, app: AppArgument) -> Answer:
    """Say no to a request."""
    return _installation(await here.platform.installing.decline(here.doer, app), "was declined")


@command(commands, "install", acting="must")
async def install(
    here: Here,
    app: AppArgument,
    without: Without = None,
    project: Projects = None,
    technical_contact: TechnicalContact = None,
    billing_contact: BillingContact = None,
    dry_run: DryRun = False,
) -> Answer:
    """Install an app, wholly or with scopes left out. Look first, with --dry-run."""
    chosen: dict[str, Any] = {
        "without": without or (),
        "projects": project or (),
        "technical_contact": technical_contact,
        "billing_contact": billing_contact,
    }
    if dry_run:
        return _preview(await here.platform.installing.install(here.doer, app, **chosen, dry_run=True))
    return _installation(await here.platform.installing.install(here.doer, app, **chosen), "is installed")


@command(commands, "upgrade", acting="must")
async def upgrade(
    here: Here,
    app: AppArgument,
    without: Without = None,
    technical_contact: TechnicalContact = None,
    billing_contact: BillingContact = None,
    dry_run: DryRun = False,
) -> Answer:
    """Agree to the version whose code is on this host. What was declined before stays declined."""
    chosen: dict[str, Any] = {
        "without": without or (),
        "technical_contact": technical_contact,
        "billing_contact": billing_contact,
    }
    if dry_run:
        return _preview(await here.platform.upgrading.upgrade(here.doer, app, **chosen, dry_run=True))
    return _installation(await here.platform.upgrading.upgrade(here.doer, app, **chosen), "was upgraded")


@command(commands, "disable", acting="must")
async def disable(here: Here, app: AppArgument) -> Answer:
    """Stop an app: nothing reaches it, and it reaches nothing, until it is enabled."""
    return _installation(await here.platform.leaving.disable(here.doer, app), "is disabled")


@command(commands, "enable", acting="must")
async def enable(here: Here, app: AppArgument) -> Answer:
    """Let an app that was disabled, or restored, work again."""
    return _installation(await here.platform.leaving.enable(here.doer, app), "is active")


@command(commands, "uninstall", acting="must")
async def uninstall(here: Here, app: AppArgument) -> Answer:
    """Uninstall an app. What it stored is kept for a while, so that it can be restored, and then wiped."""
    return _installation(await here.platform.leaving.uninstall(here.doer, app), "was uninstalled")


@command(commands, "restore", acting="must")
async def restore(
    here: Here,
    app: AppArgument,
    without: Without = None,
    project: Projects = None,
    technical_contact: TechnicalContact = None,
    billing_contact: BillingContact = None,
    dry_run: DryRun = False,
) -> Answer:
    """Have an uninstalled app back, disabled, with what it stored. Scopes and projects stay unless they are named."""
    chosen: dict[str, Any] = {
        "without": without,
        "projects": project,
        "technical_contact": technical_contact,
        "billing_contact": billing_contact,
    }
    if dry_run:
        return _preview(await here.platform.leaving.restore(here.doer, app, **chosen, dry_run=True))
    return _installation(
        await here.platform.leaving.restore(here.doer, app, **chosen),
        "was restored, and is disabled: enable it to let it work",
    )


@command(commands, "policy")
async def policy(
    here: Here,
    value: Annotated[
        str | None,
        typer.Argument(metavar="[no|request|self]", help="What members may do; left out, it is shown.",
                       show_default=False),
    ] = None,
) -> Answer:  # fmt: skip
    """Whether members may request apps, install them for themselves alone, or neither."""
    if value is None:
        now = await here.platform.db.read(organisations.policy, here.id)
    else:
        now = await here.platform.people.policy(here.doer, members_may_install=value)
    return Answer(now, lambda page: page.facts({"Members may install": now["members_may_install"]}))


async def _place(platform: Platform, organisation: str | None) -> str | None:
    """The id of the organisation that is named, or of the only one; None where there is no telling."""

    def look(conn: Connection) -> str | None:
        if organisation is None and len(organisations.listed(conn)) != 1:
            return None
        return find_organisation(conn, organisation).id

    return await platform.db.read(look)


def _preview(preview: Preview) -> Answer:
    return Answer(preview.to_json(), lambda page: app_pages.write_preview(page, preview))


def _installation(done: Installation, words: str) -> Answer:
    def show(page: Page) -> None:
        page.line(f"{done.app_id} {done.version} {words}.")
        app_pages.write_installation(page, done)

    return Answer(done.to_json(), show)
