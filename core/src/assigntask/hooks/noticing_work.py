"""What notices say about tasks, and what hangs on them, and projects."""

from __future__ import annotations

from sqlalchemy.engine import Connection

from assigntask.events.deliveries import Delivery
from assigntask.gate.gate import Slot
from assigntask.grants.grant import Grant
from assigntask.tasks import attachments, comments, projects, tasks
from assigntask.tasks.facts import AttachmentFacts
from assigntask_sdk.errors import NotFound

from .listeners import Listener
from .telling import NothingToTell, Telling, changed_of, changer, opened_of, same

ONLY_ITS_TASK = frozenset({"attachment.task"})


def task_changed(conn: Connection, delivery: Delivery, listener: Listener, grant: Grant) -> Telling:
    task = tasks.get(conn, delivery.organisation_id, delivery.event.record_id)
    if task is None:
        raise NothingToTell("record_gone")
    if not grant.reaches(task.project):
        raise NothingToTell("not_shared")
    changed = changed_of(delivery, opened_of("task", listener, grant))
    slots = {"task": Slot(task), "by": changer(conn, delivery)}
    return Telling(slots, {**same(delivery), "changed": changed}, needed="task")


def comment_added(conn: Connection, delivery: Delivery, listener: Listener, grant: Grant) -> Telling:
    comment_id = delivery.event.record_id
    comment = comments.load(conn, delivery.organisation_id, [comment_id]).get(comment_id)
    if comment is None:
        raise NothingToTell("record_gone")
    opened_of("comment", listener, grant)
    return Telling({"comment": Slot(comment)}, same(delivery), needed="comment")


def attachment_added(conn: Connection, delivery: Delivery, listener: Listener, grant: Grant) -> Telling:
    """The task comes with it for a hook that names details of tasks: else its id would be passed for nothing."""
    attachment_id = delivery.event.record_id
    attachment = attachments.load(conn, delivery.organisation_id, [attachment_id]).get(attachment_id)
    if attachment is None:
        raise NothingToTell("record_gone")
    opened_of("attachment", listener, grant)
    wants_task = any(name.startswith("task.") for name in grant.opens(listener.details))
    task = tasks.get(conn, delivery.organisation_id, attachment.task) if wants_task else None
    slots = {"attachment": Slot(attachment), "task": Slot(task), "by": changer(conn, delivery)}
    return Telling(slots, same(delivery), needed="attachment")


def attachment_removed(conn: Connection, delivery: Delivery, listener: Listener, grant: Grant) -> Telling:
    """Of what is gone only its id and its task's are left, and who had added it, which decides whether it is told."""
    event = delivery.event
    opened_of("attachment", listener, grant)
    gone = AttachmentFacts(
        id=event.record_id,
        version=event.version,
        task=str(event.facts["task"]),
        project=str(event.facts["project"]),
        name="",
        url=None,
        created=event.at,
        author=event.facts["author"],
    )
    slots = {"attachment": Slot(gone, needs=ONLY_ITS_TASK), "by": changer(conn, delivery)}
    return Telling(slots, same(delivery), needed="attachment")


def project_changed(conn: Connection, delivery: Delivery, listener: Listener, grant: Grant) -> Telling:
    try:
        project = projects.get(conn, delivery.organisation_id, delivery.event.record_id)
    except NotFound:
        raise NothingToTell("record_gone") from None
    if not grant.reaches(project.id):
        raise NothingToTell("not_shared")
    changed = changed_of(delivery, opened_of("project", listener, grant))
    slots = {"project": Slot(project), "by": changer(conn, delivery)}
    return Telling(slots, {**same(delivery), "changed": changed}, needed="project")
