"""Work that the app gives itself."""

from __future__ import annotations

from typing import Any

from assigntask_sdk.records import Job, JobId

from ..bodies import Body, Keyed
from ..operation import Call, Form, Operation, Shape
from ..replies import Reply, created, items, nothing, said
from ..services import BASE
from .common import NO_CONTENT
from .tasks import Created


class JobStart(Keyed):
    """`args`: any JSON, at most 64 KiB."""

    name: str
    args: Any = None


class JobProgress(Body):
    """What is left out stays as it is."""

    done: int | None = None
    total: int | None = None
    text: str | None = None


async def listed(call: Call) -> Reply:
    return items(await call.ctx.jobs.list())


async def get(call: Call) -> Reply:
    return said(await call.ctx.jobs.get(JobId(call.path["id"])))


async def start(call: Call) -> Reply:
    made = await call.ctx.jobs.start(call.body.name, call.body.args, key=call.key_or_new())
    return created(made, location=f"{BASE}/jobs/{made}")


async def progress(call: Call) -> Reply:
    body = call.body
    await call.ctx.jobs.progress(JobId(call.path["id"]), body.done, body.total, body.text)
    return nothing()


OPERATIONS = (
    Operation(
        id="listJobs",
        method="GET",
        path="/jobs",
        summary="The newest 100 jobs, the newest first",
        handler=listed,
        answer=Shape(200, "All of them: `next` is always null.", Job, page=True),
    ),
    Operation(
        id="startJob",
        method="POST",
        path="/jobs",
        summary="Start a job: the host calls the hook `job` until it is done",
        handler=start,
        answer=Shape(201, "It was started, or had been with this key.", Created),
        form=Form(JobStart),
        problems=frozenset({"gone"}),
    ),
    Operation(
        id="getJob",
        method="GET",
        path="/jobs/{id}",
        summary="One job, and how far it is",
        handler=get,
        answer=Shape(200, "The job.", Job),
    ),
    Operation(
        id="setJobProgress",
        method="PUT",
        path="/jobs/{id}/progress",
        summary="Say how far a job is",
        handler=progress,
        answer=NO_CONTENT,
        form=Form(JobProgress),
    ),
)
