"""`assigntask tasks`: listing, showing, adding, editing and commenting tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, cast

import typer
from sqlalchemy.engine import Connection

from assigntask.actions import names as actions_names
from assigntask.actions.names import NamedFields
from assigntask.cli import task_words
from assigntask.cli.command import command
from assigntask.cli.opening import Answer, Here
from assigntask.cli.options import TaskArgument, group
from assigntask.cli.page import Page
from assigntask.cli.task_words import Names
from assigntask.errors import HostError
from assigntask.people import people
from assigntask.people.facts import PersonFacts
from assigntask.tasks import attachments, comments, projects, tasks
from assigntask.tasks.drafts import TaskChanges
from assigntask.tasks.facts import AttachmentFacts, CommentFacts, ProjectFacts, TaskFacts
from assigntask_sdk.details import nearest
from assigntask_sdk.errors import Invalid

cli = typer.Typer()
commands = group("List, show, add, edit and comment tasks.")
cli.add_typer(commands, name="tasks")

Text = Annotated[str | None, typer.Option(show_default=False)]
Several = Annotated[list[str] | None, typer.Option(show_default=False)]
Project = Annotated[str | None, typer.Option(metavar="P", help="A project's name or id.", show_default=False)]
DueOption = Annotated[
    str | None,
    typer.Option(
        metavar="WHEN", help="YYYY-MM-DD, or YYYY-MM-DDTHH:MM in the organisation's time zone.", show_default=False
    ),
]
StartOption = Annotated[str | None, typer.Option(metavar="YYYY-MM-DD", show_default=False)]
Assign = Annotated[
    list[str] | None, typer.Option("--assign", metavar="PERSON", help="May be repeated.", show_default=False)
]
Labels = Annotated[
    list[str] | None, typer.Option("--label", metavar="LABEL", help="May be repeated.", show_default=False)
]


@command(commands, "list", changes=False)
async def list_tasks(
    here: Here,
    project: Project = None,
    status: Annotated[str | None, typer.Option(metavar="STATUS", show_default=False)] = None,
    assignee: Annotated[str | None, typer.Option(metavar="PERSON", show_default=False)] = None,
    everything: Annotated[bool, typer.Option("--all", help="Archived ones too.")] = False,
) -> Answer:
    """Tasks, in the order of the board where a project is named, else in order of creation."""
    found, known, names = await here.platform.db.read(_listed, here.id, project, status, assignee, everything)
    data = [task_words.task_json(task, known, names) for task in found]
    return Answer(data, lambda page: task_words.write_tasks(page, found, known, names))


@command(commands, "show", changes=False)
async def show_task(here: Here, task: TaskArgument) -> Answer:
    """One task, with its checklists, comments and attachments."""

    def look(conn: Connection) -> tuple[TaskFacts, list[CommentFacts], list[AttachmentFacts], Names, dict[str, str]]:
        found = actions_names.task(conn, here.id, task)
        said = comments.of_task(conn, here.id, found.id)
        links = attachments.of_task(conn, here.id, found.id)
        names = people.load(conn, here.id, task_words.people_in([found], said, links))
        return found, said, links, names, {found.project: projects.get(conn, here.id, found.project).name}

    found, said, links, names, known = await here.platform.db.read(look)
    data = {
        **task_words.task_json(found, known, names),
        "comments": [task_words.comment_json(each, names) for each in said],
        "attachments": [task_words.attachment_json(each, names) for each in links],
    }

    def show(page: Page) -> None:
        task_words.write_task(page, found, known, names)
        task_words.write_story(page, said, links, names)

    return Answer(data, show)


@command(commands, "add")
async def add(
    here: Here,
    summary: Annotated[str, typer.Argument(metavar="SUMMARY", show_default=False)],
    project: Project = None,
    description: Text = None,
    status: Text = None,
    type_: Annotated[str | None, typer.Option("--type", show_default=False)] = None,
    due: DueOption = None,
    start: StartOption = None,
    assign: Assign = None,
    label: Labels = None,
) -> Answer:
    """Add a task. --project may be left out where there is one only."""
    wanted = _fields(here, description=description, status=status, type=type_, due=due, start=start)
    if assign:
        wanted["assignees"] = assign
    if label:
        wanted["labels"] = label

    def resolve(conn: Connection) -> tuple[str, TaskChanges]:
        chosen = _project(conn, here.id, project)
        return chosen.id, actions_names.resolve(conn, here.id, chosen.id, wanted)

    project_id, changes = await here.platform.db.read(resolve)
    added = await here.platform.tasks.create(here.doer, project=project_id, summary=summary, changes=changes)
    return await _changed(here, added, f"Task #{added.number} was added.")


@command(commands, "edit")
async def edit(
    here: Here,
    task: TaskArgument,
    summary: Text = None,
    description: Text = None,
    status: Text = None,
    type_: Annotated[str | None, typer.Option("--type", show_default=False)] = None,
    no_type: Annotated[bool, typer.Option("--no-type")] = False,
    due: DueOption = None,
    no_due: Annotated[bool, typer.Option("--no-due")] = False,
    start: StartOption = None,
    no_start: Annotated[bool, typer.Option("--no-start")] = False,
    assign: Assign = None,
    unassign: Annotated[list[str] | None, typer.Option(metavar="PERSON", show_default=False)] = None,
    label: Labels = None,
    unlabel: Annotated[list[str] | None, typer.Option(metavar="LABEL", show_default=False)] = None,
    archive: Annotated[bool | None, typer.Option("--archive/--unarchive", show_default=False)] = None,
    if_version: Annotated[
        int | None, typer.Option(metavar="N", help="Only where the task is still at this version.", show_default=False)
    ] = None,
) -> Answer:
    """Change a task; what is not named stays as it is."""
    wanted = _fields(here, summary=summary, description=description, status=status, type=type_, due=due, start=start)
    for field, emptied in (("type", no_type), ("due", no_due), ("start", no_start)):
        if emptied and field in wanted:
            raise typer.BadParameter(f"give either --{field} or --no-{field}")
        if emptied:
            wanted[field] = None  # type: ignore[literal-required]  # one of the three
    if archive is not None:
        wanted["archived"] = archive
    around = _Around(assign or (), unassign or (), label or (), unlabel or ())
    before, changes = await here.platform.db.read(_resolved, here.id, task, wanted, around)
    if not changes:
        raise Invalid({"options": "name what is to be changed; --help shows what can be"})
    # What is added or taken away starts from what was read a moment ago.
    version = before.version if if_version is None and around.any else if_version
    after = await here.platform.tasks.edit(here.doer, before.id, changes, if_version=version)
    what = "is as it was: nothing differs" if after.version == before.version else "was changed"
    return await _changed(here, after, f"Task #{after.number} {what}.")


@command(commands, "comment")
async def comment(
    here: Here, task: TaskArgument, text: Annotated[str, typer.Argument(metavar="TEXT", show_default=False)]
) -> Answer:
    """Comment a task. @user_name mentions somebody."""
    found = await here.platform.db.read(actions_names.task, here.id, task)
    made = await here.platform.tasks.comment(here.doer, found.id, text)
    names = await here.platform.db.read(people.load, here.id, task_words.people_in([], [made]))
    return Answer(
        {**task_words.comment_json(made, names), "number": found.number},
        lambda page: page.line(f"The comment was added to #{found.number}."),
    )


class _Around:
    """What is added to, and taken from, the people and the labels that a task has."""

    def __init__(
        self, assign: Sequence[str], unassign: Sequence[str], label: Sequence[str], unlabel: Sequence[str]
    ) -> None:
        self.people, self.no_people = list(assign), list(unassign)
        self.labels, self.no_labels = list(label), list(unlabel)

    @property
    def any(self) -> bool:
        return bool(self.people or self.no_people or self.labels or self.no_labels)


def _fields(here: Here, **typed: str | None) -> NamedFields:
    """What was typed, less what was not; dates are read."""
    wanted: dict[str, Any] = {name: value for name, value in typed.items() if value is not None}
    if "due" in wanted:
        wanted["due"] = task_words.parse_due(wanted["due"], here.organisation.time_zone)
    if "start" in wanted:
        wanted["start"] = task_words.parse_day("start", wanted["start"])
    return cast(NamedFields, wanted)


def _resolved(
    conn: Connection, organisation_id: str, text: str, wanted: NamedFields, around: _Around
) -> tuple[TaskFacts, TaskChanges]:
    """The task as it is, and what is to become of it."""
    before = actions_names.task(conn, organisation_id, text)

    def ids(**named: Any) -> TaskChanges:
        return actions_names.resolve(conn, organisation_id, before.project, cast(NamedFields, named))

    changes = ids(**wanted)
    if around.people or around.no_people:
        gone = set(ids(assignees=around.no_people)["assignees"])
        come = ids(assignees=around.people)["assignees"]
        stay = (each for each in before.assignees if each not in gone)
        changes["assignees"] = list(dict.fromkeys((*stay, *come)))
    if around.labels or around.no_labels:
        gone = set(ids(labels=around.no_labels)["labels"])
        come = ids(labels=around.labels)["labels"]
        changes["labels"] = [*(each.id for each in before.labels if each.id not in gone), *come]
    return before, changes


async def _changed(here: Here, task: TaskFacts, words: str) -> Answer:
    def look(conn: Connection) -> tuple[dict[str, str], Mapping[str, PersonFacts]]:
        known = {task.project: projects.get(conn, here.id, task.project).name}
        return known, people.load(conn, here.id, task_words.people_in([task]))

    known, names = await here.platform.db.read(look)

    def show(page: Page) -> None:
        page.line(words)
        if task.unchecked_by:
            page.line(f"It was saved without being checked by {', '.join(task.unchecked_by)}, which did not answer.")
        task_words.write_task(page, task, known, names)

    return Answer(task_words.task_json(task, known, names), show)


def _project(conn: Connection, organisation_id: str, text: str | None) -> ProjectFacts:
    """The one that is named, or the only one. Raises HostError `project_needed`, `project_unknown`."""
    if text is not None:
        return actions_names.project(conn, organisation_id, text)
    known = projects.listed(conn, organisation_id)
    if len(known) == 1:
        return known[0]
    names = [each.name for each in known]
    raise HostError(
        "project_needed", f"Name the project with --project: {', '.join(names) or 'there is none yet'}.", projects=names
    )


def _listed(
    conn: Connection,
    organisation_id: str,
    project: str | None,
    status: str | None,
    assignee: str | None,
    everything: bool,
) -> tuple[list[TaskFacts], dict[str, str], Names]:
    archived = None if everything else False
    every = projects.listed(conn, organisation_id, archived=None)
    if project is not None:
        chosen = actions_names.project(conn, organisation_id, project)
        found = tasks.board(conn, organisation_id, chosen.id, archived=archived)
        every = [chosen]
    else:
        found = _everything(conn, organisation_id, archived)
    if status is not None:
        wanted = _statuses(every, status)
        found = [task for task in found if task.status.id in wanted]
    if assignee is not None:
        person = people.find(conn, organisation_id, assignee)
        found = [task for task in found if person.id in task.assignees]
    names = people.load(conn, organisation_id, task_words.people_in(found))
    return found, {each.id: each.name for each in every}, names


def _everything(conn: Connection, organisation_id: str, archived: bool | None) -> list[TaskFacts]:
    found: list[TaskFacts] = []
    after = None
    while page := tasks.page(conn, organisation_id, archived=archived, after=after):
        found += page
        after = (page[-1].created, page[-1].id)
    return found


def _statuses(every: Sequence[ProjectFacts], text: str) -> set[str]:
    """The ids of the statuses of that name, or id, in these projects. Raises Invalid."""
    known = [status for project in every for status in project.statuses]
    wanted = {each.id for each in known if text == each.id or text.strip().casefold() == each.name.casefold()}
    if not wanted:
        meant = nearest(text, [each.name for each in known])
        hint = f"; did you mean {meant!r}?" if meant else ""
        raise Invalid({"status": f"there is no status {text!r}{hint}"})
    return wanted
