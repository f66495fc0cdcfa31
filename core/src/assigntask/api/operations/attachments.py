"""Attachments of a task: links, and files as far as their names and sizes go."""

from __future__ import annotations

from assigntask_sdk.records import Attachment, AttachmentId, TaskId

from ..bodies import Keyed
from ..operation import Call, Form, Operation, Shape
from ..replies import Reply, created, nothing, page
from .common import NO_CONTENT
from .tasks import Created


class LinkCreate(Keyed):
    """`url`: http or https. Without a `name` it is called by its address."""

    url: str
    name: str = ""


async def listed(call: Call) -> Reply:
    return page(await call.ctx.attachments.list(TaskId(call.path["id"])), None)


async def add(call: Call) -> Reply:
    task, body = TaskId(call.path["id"]), call.body
    return created(await call.ctx.attachments.add(task, body.name, body.url, key=call.key_or_new()), version=1)


async def remove(call: Call) -> Reply:
    await call.ctx.attachments.remove(AttachmentId(call.path["id"]))
    return nothing()


OPERATIONS = (
    Operation(
        id="listAttachments",
        method="GET",
        path="/tasks/{id}/attachments",
        summary="What is attached to a task, oldest first",
        handler=listed,
        answer=Shape(200, "All of them: `next` is always null.", Attachment, page=True),
        scope="attachments:read",
        record="attachment",
    ),
    Operation(
        id="attachLink",
        method="POST",
        path="/tasks/{id}/attachments",
        summary="Attach a link",
        handler=add,
        answer=Shape(201, "It was attached.", Created),
        scope="attachments:write",
        power=True,
        form=Form(LinkCreate),
        problems=frozenset({"gone"}),
    ),
    Operation(
        id="removeAttachment",
        method="DELETE",
        path="/attachments/{id}",
        summary="Remove an attachment",
        handler=remove,
        answer=NO_CONTENT,
        scope="attachments:write",
        power=True,
    ),
)
