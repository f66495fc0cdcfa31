"""`assigntask projects`: the boards of an organisation."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from assigntask.actions import names
from assigntask.cli.command import command
from assigntask.cli.opening import Answer, Here
from assigntask.cli.options import group
from assigntask.cli.page import Page
from assigntask.tasks import projects
from assigntask.tasks.facts import ProjectFacts

cli = typer.Typer()
commands = group("The boards of an organisation.")
cli.add_typer(commands, name="projects")

ProjectArgument = Annotated[str, typer.Argument(metavar="PROJECT", help="A project's name or id.", show_default=False)]


def project_json(project: ProjectFacts) -> dict[str, Any]:
    statuses = [{"id": each.id, "name": each.name, "done": each.done} for each in project.statuses if not each.archived]
    return {
        "id": project.id,
        "name": project.name,
        "description": project.description,
        "archived": project.archived,
        "statuses": statuses,
    }


@command(commands, "list", changes=False)
async def list_projects(
    here: Here, everything: Annotated[bool, typer.Option("--all", help="Also archived ones.")] = False
) -> Answer:
    """Every project, with its statuses."""
    found = await here.platform.db.read(projects.listed, here.id, archived=None if everything else False)

    def show(page: Page) -> None:
        page.table(
            ("Name", "Statuses", "Archived", "Id"),
            ((each.name, _statuses(each), "yes" if each.archived else "", each.id) for each in found),
            nothing="No projects.",
        )

    return Answer([project_json(each) for each in found], show)


@command(commands, "add")
async def add(
    here: Here,
    name: Annotated[str, typer.Argument(metavar="NAME", show_default=False)],
    description: Annotated[str, typer.Option(help="What it is about.", show_default=False)] = "",
) -> Answer:
    """Make a project, with three statuses."""
    made = await here.platform.projects.create(here.doer, name, description=description)
    return _one(made, f"{made.name} was made.")


@command(commands, "edit")
async def edit(
    here: Here,
    project: ProjectArgument,
    name: Annotated[str | None, typer.Option(help="What it is called from now on.", show_default=False)] = None,
    description: Annotated[str | None, typer.Option(help="What it is about.", show_default=False)] = None,
) -> Answer:
    """Call it something else, or describe it anew."""
    found = await _found(here, project)
    changed = await here.platform.projects.edit(here.doer, found.id, name=name, description=description)
    return _one(changed, f"{changed.name} is as you say.")


@command(commands, "status")
async def add_status(
    here: Here,
    project: ProjectArgument,
    name: Annotated[str, typer.Argument(metavar="STATUS", show_default=False)],
    done: Annotated[bool, typer.Option("--done", help="What is there counts as done.")] = False,
) -> Answer:
    """Give a project one more status, behind the others."""
    found = await _found(here, project)
    changed = await here.platform.projects.add_status(here.doer, found.id, name, done=done)
    return _one(changed, f"{changed.name} has the statuses {_statuses(changed)}.")


@command(commands, "archive")
async def archive(
    here: Here,
    project: ProjectArgument,
    undo: Annotated[bool, typer.Option("--undo", help="Take it out of the archive again.")] = False,
) -> Answer:
    """Put a project away, with its tasks."""
    found = await _found(here, project)
    changed = await here.platform.projects.edit(here.doer, found.id, archived=not undo)
    return _one(changed, f"{changed.name} is {'archived' if changed.archived else 'not archived any more'}.")


async def _found(here: Here, text: str) -> ProjectFacts:
    return await here.platform.db.read(names.project, here.id, text)


def _statuses(project: ProjectFacts) -> str:
    return ", ".join(each.name for each in project.statuses if not each.archived)


def _one(project: ProjectFacts, words: str) -> Answer:
    def show(page: Page) -> None:
        page.line(words)
        page.facts({"Id": project.id, "Description": project.description})

    return Answer(project_json(project), show)
