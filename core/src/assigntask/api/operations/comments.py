"""Comments on a task."""

from __future__ import annotations

from assigntask_sdk.records import Comment, TaskId

from ..bodies import Keyed
from ..operation import Call, Form, Operation, Shape
from ..replies import Reply, created, page
from .tasks import Created


class CommentCreate(Keyed):
    """To mention somebody, write @ and the id that this app was given."""

    text: str


async def listed(call: Call) -> Reply:
    return page(await call.ctx.comments.list(TaskId(call.path["id"])), None)


async def write(call: Call) -> Reply:
    made = await call.ctx.tasks.comment(TaskId(call.path["id"]), call.body.text, key=call.key_or_new())
    return created(made, version=1)


OPERATIONS = (
    Operation(
        id="listComments",
        method="GET",
        path="/tasks/{id}/comments",
        summary="The comments on a task, oldest first",
        handler=listed,
        answer=Shape(200, "All of them: `next` is always null.", Comment, page=True),
        scope="comments:read",
        record="comment",
    ),
    Operation(
        id="writeComment",
        method="POST",
        path="/tasks/{id}/comments",
        summary="Write a comment",
        handler=write,
        answer=Shape(201, "It was written.", Created),
        scope="comments:write",
        power=True,
        form=Form(CommentCreate),
        problems=frozenset({"gone"}),
    ),
)
