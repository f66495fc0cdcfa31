"""Files: sent and fetched as streams."""

from __future__ import annotations

from collections.abc import AsyncIterator

from assigntask_sdk.errors import AppError
from assigntask_sdk.records import AttachmentId, TaskId

from ..operation import Call, Form, Operation, Shape
from ..parameters import text
from ..problems import bad_query
from ..replies import Cut, Reply, created
from ..services import BASE
from .tasks import Created

OCTETS = "application/octet-stream"
HEADERS = [
    # Whatever a file says it is, no browser opens it here.
    (b"content-type", OCTETS.encode()),
    (b"content-disposition", b"attachment"),
    (b"content-security-policy", b"default-src 'none'; sandbox"),
    (b"cross-origin-resource-policy", b"same-origin"),
]


async def send(call: Call) -> Reply:
    if "name" not in call.query:
        raise bad_query({"name": "say what the file is called"})
    assert call.stream is not None  # noqa: S101 - the operation takes bytes
    task, name = TaskId(call.path["id"]), call.query["name"]
    made = await call.ctx.attachments.add_file(task, name, call.stream, key=call.key_or_new())
    return created(made, location=f"{BASE}/attachments/{made}/content", version=1)


async def content(call: Call) -> Reply:
    return Reply(200, headers=list(HEADERS), stream=_checked(call))


async def _checked(call: Call) -> AsyncIterator[bytes]:
    """The file; ended where the token stops to be valid or the grant to open it. ctx asks for the grant itself."""
    begun = False
    try:
        async for piece in call.ctx.attachments.content(AttachmentId(call.path["id"])):
            if begun:
                await call.recheck()
            yield piece
            begun = True
    except AppError as error:
        if not begun:
            raise
        raise Cut from error


OPERATIONS = (
    Operation(
        id="attachFile",
        method="POST",
        path="/tasks/{id}/files",
        summary="Attach a file",
        words="The body is the file itself. What kind of file it is, its first bytes say and not its sender.",
        handler=send,
        answer=Shape(201, "It was attached.", Created),
        scope="attachments:write",
        power=True,
        query=(
            text("name", "What the file is called. It has to be given.", example="name=plan.pdf", longest=500),
            text(
                "key",
                "With the same one again the same is answered. Left out: the Idempotency-Key.",
                longest=500,
                controls=True,
            ),
        ),
        form=Form(None, (OCTETS,), None),
        problems=frozenset({"file_too_large", "gone"}),
    ),
    Operation(
        id="getContent",
        method="GET",
        path="/attachments/{id}/content",
        summary="The content of a file",
        words="It comes as a download, whatever it is. The stream ends early where the token stops to be valid.",
        handler=content,
        answer=Shape(200, "The file.", media=OCTETS),
        scope="attachments:content",
        power=True,
        problems=frozenset({"invalid"}),
    ),
)
