"""Stores the tasks of a board that is being imported, with their checklists, comments and attachments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from sqlalchemy.engine import Connection

from assigntask.db.ids import new_id
from assigntask.people import people
from assigntask.people.organisations import lock
from assigntask.people.text import storable
from assigntask_sdk.errors import Invalid
from assigntask_sdk.records import Checklist, ChecklistItem, Due

from . import attachments, checklists, comments, mentions, tasks
from .facts import AttachmentFacts, CommentFacts, TaskFacts
from .import_ground import DONE_DATES, FILE_DETAILS, ITEM_DETAILS, LINKS, Ground, Prepared, Step, known_ids
from .importers import board as outside

_T = TypeVar("_T")


def store_tasks(conn: Connection, ground: Ground, prepared: Prepared, some: Sequence[outside.Task]) -> Step:
    """These tasks, with all that hangs on them. Two imports at once take turns, and find what the other stored."""
    lock(conn, ground.organisation_id)
    step = Step()
    ids = known_ids(conn, ground, "task", (task.source_id for task in some), step, "tasks")
    fresh = [task for task in some if task.source_id not in ids]
    number = tasks.allocate_numbers(conn, ground.organisation_id, len(fresh)) if fresh else 0
    facts = [_task(task, number + place, ground, prepared, step) for place, task in enumerate(fresh)]
    tasks.insert(conn, ground.organisation_id, facts)
    made = {task.source_id: stored.id for task, stored in zip(fresh, facts, strict=True)}
    ground.sources.remember(conn, "task", {ground.named(source_id): made[source_id] for source_id in made})
    step.stored["tasks"] += len(made)
    ids |= made
    listed = _store_checklists(conn, ground, some, ids, step)
    tasks.touch(conn, ground.organisation_id, listed - set(made.values()), ground.now)
    _store_comments(conn, ground, prepared, some, ids, step)
    _store_attachments(conn, ground, prepared, some, ids, step)
    return step


def _task(task: outside.Task, number: int, ground: Ground, prepared: Prepared, step: Step) -> TaskFacts:
    status = prepared.statuses[task.status]
    created = task.created_at or task.updated_at or ground.now
    updated = task.updated_at or created
    done = task.done_at
    if done is None and (task.done or status.done):
        done = updated
        step.left_out[DONE_DATES] += 1
    assignees = (prepared.people.get(source_id) for source_id in task.assignees)
    return TaskFacts(
        id=new_id(),
        version=1,
        number=number,
        project=prepared.project_id,
        summary=storable(task.summary),
        description=_text(task.description, ground, prepared),
        type=None,
        status=status,
        labels=tasks.in_order(prepared.labels[source_id] for source_id in task.labels if source_id in prepared.labels),
        start=task.start,
        due=_due(task.due),
        created=created,
        updated=updated,
        done=done,
        archived=task.archived,
        checklists=(),
        assignees=tuple(dict.fromkeys(person_id for person_id in assignees if person_id is not None)),
        creator=prepared.people.get(task.created_by) if task.created_by else None,
        position=prepared.positions[task.source_id],
        unchecked_by=(),
    )


def _store_checklists(
    conn: Connection, ground: Ground, some: Sequence[outside.Task], ids: Mapping[str, str], step: Step
) -> set[str]:
    """The ids of the tasks that got one."""
    named = {
        ground.named(task.source_id, one.source_id or f"place:{place}"): (task, one)
        for task in some
        for place, one in enumerate(task.checklists)
    }
    fresh = _fresh(conn, ground, "checklist", named, step, "checklists")
    made: dict[str, checklists.Placed] = {}
    for name, (task, one) in fresh.items():
        items = tuple(ChecklistItem(new_id(), storable(item.text), item.done) for item in one.items)
        checklist = Checklist(new_id(), storable(one.name), items)
        made[name] = checklists.Placed(ids[task.source_id], one.position, checklist)
        step.stored["checklist items"] += len(items)
        step.left_out[ITEM_DETAILS] += sum(1 for item in one.items if item.due or item.assignee)
    checklists.insert(conn, ground.organisation_id, list(made.values()))
    ground.sources.remember(conn, "checklist", {name: placed.checklist.id for name, placed in made.items()})
    step.stored["checklists"] += len(made)
    return {placed.task_id for placed in made.values()}


def _store_comments(
    conn: Connection,
    ground: Ground,
    prepared: Prepared,
    some: Sequence[outside.Task],
    ids: Mapping[str, str],
    step: Step,
) -> None:
    named = {ground.named(one.source_id): (task, one) for task in some for one in task.comments}
    made = {
        name: CommentFacts(
            id=new_id(),
            version=1,
            task=ids[task.source_id],
            project=prepared.project_id,
            text=_text(one.text, ground, prepared),
            created=one.created_at or task.created_at or ground.now,
            edited=one.edited_at,
            author=prepared.people.get(one.author) if one.author else None,
        )
        for name, (task, one) in _fresh(conn, ground, "comment", named, step, "comments").items()
    }
    comments.insert(conn, ground.organisation_id, list(made.values()))
    ground.sources.remember(conn, "comment", {name: comment.id for name, comment in made.items()})
    step.stored["comments"] += len(made)


def _store_attachments(
    conn: Connection,
    ground: Ground,
    prepared: Prepared,
    some: Sequence[outside.Task],
    ids: Mapping[str, str],
    step: Step,
) -> None:
    named = {ground.named(task.source_id, one.source_id): (task, one) for task in some for one in task.attachments}
    made: dict[str, AttachmentFacts] = {}
    for name, (task, one) in _fresh(conn, ground, "attachment", named, step, "attachments").items():
        try:
            url = attachments.checked_url(storable(one.url))
        except Invalid:
            step.left_out[LINKS] += 1
            continue
        made[name] = AttachmentFacts(
            id=new_id(),
            version=1,
            task=ids[task.source_id],
            project=prepared.project_id,
            name=storable(one.name),
            url=url,
            created=one.created_at or task.created_at or ground.now,
            author=prepared.people.get(one.author) if one.author else None,
        )
        step.left_out[FILE_DETAILS] += int(one.mime is not None or one.size is not None)
    attachments.insert(conn, ground.organisation_id, list(made.values()))
    ground.sources.remember(conn, "attachment", {name: attachment.id for name, attachment in made.items()})
    step.stored["attachments"] += len(made)


def _fresh(
    conn: Connection, ground: Ground, kind: str, named: Mapping[str, _T], step: Step, counted: str
) -> dict[str, _T]:
    known = ground.sources.known(conn, kind, named)
    step.known[counted] += len(known)
    return {name: thing for name, thing in named.items() if name not in known}


def _text(text: str, ground: Ground, prepared: Prepared) -> str:
    """With mentions as references; of somebody who was forgotten not even the user name comes back."""
    if "@" not in text:
        return storable(text)
    by_name = {person.user_name.lower(): person.source_id for person in ground.board.people if person.user_name}

    def reference(name: str) -> str | None:
        source_id = by_name.get(name.lower())
        if source_id is None:
            return None
        person_id = prepared.people[source_id]
        return people.FORGOTTEN if person_id is None else f"<@{person_id}>"

    return mentions.rewrite(storable(text), reference)


def _due(due: outside.Due | None) -> Due | None:
    return None if due is None else Due(due.day, due.at)
