"""`assigntask remote`: which apps the host offers that run on their vendors' machines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from assigntask.app import Platform
from assigntask.cli.command import host_command
from assigntask.cli.opening import Answer
from assigntask.cli.options import AppArgument, DevOption, group
from assigntask.cli.page import Page, moment_or_none, shown
from assigntask.cli.program import program
from assigntask.delivery.remotes import Remote, offered
from assigntask.errors import HostError

cli = typer.Typer()
commands = group("Offer apps that run on their vendors' machines.")
cli.add_typer(commands, name="remote")


@host_command(commands, "add")
async def add(
    platform: Platform,
    url: Annotated[str | None, typer.Argument(metavar="URL", help="Where the app serves.", show_default=False)] = None,
    connect: Annotated[
        str | None,
        typer.Option(
            "--connect", metavar="APP", help="Its id, for an app that dials in: prints its key.", show_default=False
        ),
    ] = None,
    dev: DevOption = False,
) -> Answer:
    """Offer an app that serves at URL, or one that dials in. Nothing about any organisation is told to it."""
    if (url is None) == (connect is None):
        raise HostError("remote_unnamed", "Give either the URL at which the app serves, or its id with --connect.")
    if dev:
        platform.outgoing.allow_this_machine()
    if url is not None:
        return _added(await platform.remotes.add(url))
    return _key(connect or "", await platform.remotes.add_connected(connect or ""))


@host_command(commands, "list", changes=False)
async def list_remotes(platform: Platform) -> Answer:
    """The remote apps that this host offers, and what went wrong when their manifests were read last."""
    return _listing(await platform.remotes.listed())


@host_command(commands, "refresh")
async def refresh(
    platform: Platform,
    app: Annotated[str | None, typer.Argument(metavar="[APP]", help="Left out: all.", show_default=False)] = None,
) -> Answer:
    """Read manifests again. A newer version that asks for no more holds at once; else an admin is asked."""
    read = await platform.remotes.refresh(app)
    await platform.upgrading.check(app)
    return _listing(read)


@host_command(commands, "remove")
async def remove(platform: Platform, app: AppArgument) -> Answer:
    """No longer offer an app. It must not be installed anywhere."""
    removed = await platform.remotes.remove(app)
    return Answer(_json(removed), lambda page: page.line(f"{app} is no longer offered."))


def _added(remote: Remote) -> Answer:
    manifest = offered(remote).usable()

    def show(page: Page) -> None:
        page.line(f"{manifest.name} {manifest.version} ({manifest.id}), by {manifest.vendor.name}, is offered.")
        page.line(
            f"It runs at {remote.origin}. Look what it would get: {program()} apps install {manifest.id} --dry-run"
        )

    return Answer(_json(remote), show)


def _key(app_id: str, key: str) -> Answer:
    def show(page: Page) -> None:
        page.line(f"{app_id} is offered as soon as it dials in with this key. It is not shown again:")
        page.raw(f"{key}\n")

    return Answer({"app": app_id, "key": key}, show)


def _listing(remotes: Sequence[Remote]) -> Answer:
    def show(page: Page) -> None:
        page.table(
            ("App", "Version", "Runs at", "Read"),
            ((each.app_id, _version(each), each.url or "dials in", shown(each.read_at)) for each in remotes),
            nothing="No remote app is offered.",
        )
        for each in remotes:
            error = each.error or _broken(each)
            if error:
                page.line(f"{each.app_id}: {error}")

    return Answer([_json(each) for each in remotes], show)


def _json(remote: Remote) -> dict[str, Any]:
    return {
        "app": remote.app_id,
        "url": remote.url,
        "version": _version(remote),
        "read_at": moment_or_none(remote.read_at),
        "error": remote.error or _broken(remote),
        "added_at": moment_or_none(remote.added_at),
    }


def _version(remote: Remote) -> str | None:
    manifest = offered(remote).manifest
    return None if manifest is None else manifest.version


def _broken(remote: Remote) -> str | None:
    error = offered(remote).error
    return None if error is None else f"{error.code}: {error.message}"
