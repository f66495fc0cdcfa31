"""Tasks as the terminal writes them: what people type for dates, and how tasks are shown."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from assigntask.cli.page import Page, moment, moment_or_none, shown
from assigntask.people.facts import PersonFacts
from assigntask.tasks import mentions
from assigntask.tasks.facts import AttachmentFacts, CommentFacts, TaskFacts
from assigntask_sdk.errors import Invalid
from assigntask_sdk.records import Due

Names = Mapping[str, PersonFacts]


def parse_day(field: str, text: str) -> dt.date:
    """Raises Invalid, naming `field`."""
    try:
        return dt.date.fromisoformat(text.strip())
    except ValueError:
        raise Invalid({field: f"{text!r} is no day; write one such as 2026-05-31"}) from None


def parse_due(text: str, zone: str) -> Due:
    """A day, or a moment, which is in `zone` where it says no zone itself. Raises Invalid."""
    text = text.strip()
    if "T" not in text:
        return Due(parse_day("due", text))
    try:
        at = dt.datetime.fromisoformat(text)
        at = at if at.tzinfo is not None else at.replace(tzinfo=ZoneInfo(zone))
        return Due(at.date(), at.astimezone(dt.UTC))
    except (ValueError, OverflowError):
        raise Invalid({"due": f"{text!r} is no moment; write one such as 2026-05-31T17:00"}) from None


def people_in(
    tasks: Sequence[TaskFacts], comments: Sequence[CommentFacts] = (), attachments: Sequence[AttachmentFacts] = ()
) -> set[str]:
    """The ids of all whose names are needed to show these."""
    found = {person_id for task in tasks for person_id in (*task.assignees, task.creator or "")}
    found |= {person_id for task in tasks for person_id in mentions.people_in(task.description)}
    found |= {person_id for each in comments for person_id in (each.author or "", *mentions.people_in(each.text))}
    found |= {each.author or "" for each in attachments}
    return found - {""}


def person_ref(person_id: str | None, names: Names) -> dict[str, Any] | None:
    """Who it is, as far as JSON about a task says."""
    if person_id is None:
        return None
    person = names.get(person_id)
    if person is None:
        return {"id": person_id, "name": None, "user_name": None, "email": None}
    return {"id": person.id, "name": person.name, "user_name": person.user_name, "email": person.email}


def named(text: str, names: Names) -> str:
    """Mentions become names."""
    return mentions.to_names(text, lambda person_id: names[person_id].name if person_id in names else None)


def task_json(task: TaskFacts, projects: Mapping[str, str], names: Names) -> dict[str, Any]:
    """`projects`: id → name."""
    return {
        "id": task.id,
        "number": task.number,
        "version": task.version,
        "project": projects.get(task.project),
        "project_id": task.project,
        "summary": task.summary,
        "description": named(task.description, names),
        "type": task.type.name if task.type else None,
        "status": task.status.name,
        "labels": [label.name or label.colour for label in task.labels],
        "start": task.start.isoformat() if task.start else None,
        "due": due_json(task.due),
        "done": moment_or_none(task.done),
        "created": moment(task.created),
        "updated": moment(task.updated),
        "archived": task.archived,
        "assignees": [person_ref(person_id, names) for person_id in task.assignees],
        "creator": person_ref(task.creator, names),
        "checklists": [
            {"name": each.name, "items": [{"text": item.text, "done": item.done} for item in each.items]}
            for each in task.checklists
        ],
        "unchecked_by": list(task.unchecked_by),
    }


def due_json(due: Due | None) -> dict[str, Any] | None:
    return None if due is None else {"day": due.day.isoformat(), "at": moment_or_none(due.at)}


def comment_json(comment: CommentFacts, names: Names) -> dict[str, Any]:
    return {
        "id": comment.id,
        "task": comment.task,
        "text": named(comment.text, names),
        "author": person_ref(comment.author, names),
        "created": moment(comment.created),
        "edited": moment_or_none(comment.edited),
    }


def attachment_json(attachment: AttachmentFacts, names: Names) -> dict[str, Any]:
    return {
        "id": attachment.id,
        "name": attachment.name,
        "url": attachment.url,
        "media_type": attachment.media_type,
        "size": attachment.size,
        "sha256": attachment.sha256,
        "author": person_ref(attachment.author, names),
        "created": moment(attachment.created),
    }


def write_tasks(page: Page, tasks: Sequence[TaskFacts], projects: Mapping[str, str], names: Names) -> None:
    several = len({task.project for task in tasks}) > 1
    head = ("#", "Summary", "Status", "Type", "Due", "Assigned to", *(("Project",) if several else ()))
    page.table(
        head,
        (
            (
                task.number,
                " ".join(task.summary.split()) + (" (archived)" if task.archived else ""),
                task.status.name,
                task.type.name if task.type else "",
                task.due.day.isoformat() if task.due else "",
                who(task.assignees, names),
                *((projects.get(task.project),) if several else ()),
            )
            for task in tasks
        ),
        nothing="No tasks.",
    )


def write_task(page: Page, task: TaskFacts, projects: Mapping[str, str], names: Names) -> None:
    page.heading(f"#{task.number} {task.summary}")
    page.facts(
        {
            "Project": projects.get(task.project),
            "Status": task.status.name + (" (archived task)" if task.archived else ""),
            "Type": task.type.name if task.type else None,
            "Labels": ", ".join(label.name or label.colour or "" for label in task.labels),
            "Start": task.start,
            "Due": (shown(task.due.at) or task.due.day) if task.due else None,
            "Done": shown(task.done),
            "Assigned to": who(task.assignees, names),
            "Created": f"{shown(task.created)} {by(task.creator, names)}",
            "Changed": shown(task.updated),
            "Not checked by": ", ".join(task.unchecked_by),
            "Id": task.id,
        }
    )
    if task.description:
        page.line()
        page.line(named(task.description, names))
    for checklist in task.checklists:
        page.line()
        page.heading(checklist.name or "Checklist")
        for item in checklist.items:
            page.indented(f"{'[x]' if item.done else '[ ]'} {item.text}")


def write_story(
    page: Page, comments: Sequence[CommentFacts], attachments: Sequence[AttachmentFacts], names: Names
) -> None:
    """What hangs on a task."""
    if attachments:
        page.line()
        page.heading("Attachments")
        for attachment in attachments:
            page.indented(f"{attachment.name}  {attachment.url or file_words(attachment)}")
    for comment in comments:
        page.line()
        page.heading(f"{shown(comment.created)} {by(comment.author, names)}".strip())
        page.indented(named(comment.text, names))


def file_words(attachment: AttachmentFacts) -> str:
    return f"a file, {attachment.media_type}, {attachment.size} bytes"


def who(person_ids: Collection[str], names: Names) -> str:
    return ", ".join(names[each].name if each in names else "somebody" for each in person_ids)


def by(person_id: str | None, names: Names) -> str:
    return f"by {who([person_id], names)}" if person_id else ""
