"""Tasks: reading, creating, changing, archiving."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from assigntask_sdk.context import TaskFilters
from assigntask_sdk.records import Due, ProjectId, Task, TaskId

from .. import conditions
from ..bodies import PATCH_TYPES, Body, Keyed
from ..operation import Call, Form, Operation, Shape
from ..parameters import flag, moment, text
from ..problems import bad_query
from ..replies import REVALIDATE, Reply, created, not_modified, nothing, page, record, said, tagged
from ..services import BASE
from .common import CURSOR, LIMIT, NO_CONTENT, PAGE, each_version, fields, ids

FILTERS = ("project", "archived", "done", "updated_since", "created_since")


@dataclass(frozen=True, slots=True)
class Created:
    """`version`: where the record has one."""

    id: str
    version: int = 1


@dataclass(frozen=True, slots=True)
class Changed:
    id: str
    version: int


class TaskCreate(Keyed):
    project: str
    summary: str
    description: str = ""
    type: str | None = None
    status: str = ""
    due: Due | None = None
    start: dt.date | None = None
    assignees: Sequence[str] = ()
    labels: Sequence[str] = ()


class TaskPatch(Body):
    """A field that is left out stays as it is; null empties it."""

    summary: str | None = None
    description: str | None = None
    type: str | None = None
    status: str | None = None
    due: Due | None = None
    start: dt.date | None = None
    assignees: Sequence[str] | None = None
    labels: Sequence[str] | None = None


async def listed(call: Call) -> Reply:
    query = call.query
    wanted = query.get("fields")
    if "ids" in query:
        if others := query.keys() & {"cursor", "limit", *FILTERS}:
            raise bad_query(dict.fromkeys(sorted(others), "leave it out where ids are given"))
        found = await call.ctx.tasks.get_many([TaskId(one) for one in query["ids"]], fields=wanted)
        return page(found.values(), None)
    filters: TaskFilters = {name: query[name] for name in FILTERS if name in query}  # type: ignore[assignment]
    tasks, following = await call.ctx.tasks.page(wanted, filters, query.get("cursor"), query.get("limit", PAGE))
    return page(tasks, following)


async def get(call: Call) -> Reply:
    """With If-None-Match the stamp is asked for first: a 304 releases nothing, and is not recorded."""
    task_id, wanted = TaskId(call.path["id"]), call.query.get("fields")
    tasks = call.ctx.tasks
    if call.if_none_match is not None:
        given = conditions.tags(call.if_none_match, "If-None-Match")
        stamp = await tasks.stamp(task_id, wanted)
        for _weak, tag in given or ():
            if tag.partition("-")[2] == stamp:
                return not_modified(tag)
        if given is None:
            return Reply(304, cache=REVALIDATE)
    task = await tasks.get(task_id, fields=wanted)
    return tagged(record(task), f"{task.version}-{tasks.stamp_at(task_id, task.version, wanted)}")


async def create(call: Call) -> Reply:
    given = call.body.given()
    project, summary = ProjectId(given.pop("project")), given.pop("summary")
    given.pop("key", None)
    made = await call.ctx.tasks.create(summary, project=project, key=call.ctx_key(), **given)
    return created(made, location=f"{BASE}/tasks/{made}", version=1)


async def patch(call: Call) -> Reply:
    tasks, task_id, given = call.ctx.tasks, TaskId(call.path["id"]), call.body.given()
    return _changed(call, task_id, await each_version(call, lambda v: tasks.edit(task_id, if_version=v, **given)))


async def archive(call: Call) -> Reply:
    tasks, task_id = call.ctx.tasks, TaskId(call.path["id"])
    return _changed(call, task_id, await each_version(call, lambda v: tasks.archive_version(task_id, v)))


async def refresh(call: Call) -> Reply:
    await call.ctx.refresh(TaskId(call.path["id"]))
    return nothing()


def _changed(call: Call, id: TaskId, version: int) -> Reply:
    """The tag is that of the whole task, as it is read without `fields`."""
    return tagged(said({"id": id, "version": version}), f"{version}-{call.ctx.tasks.stamp_at(id, version)}")


OPERATIONS = (
    Operation(
        id="listTasks",
        method="GET",
        path="/tasks",
        summary="Tasks, in order of creation",
        words="Without `archived` only those that are not. To keep a copy up to date, ask for `updated_since`.",
        handler=listed,
        answer=Shape(200, "A page of tasks.", Task, page=True),
        scope="tasks:read",
        record="task",
        query=(
            text("project", "Only those in this project.", longest=100),
            flag("archived", "Only those that are archived, or only those that are not."),
            flag("done", "Only those that are done, or only those that are not."),
            moment("updated_since", "Only those that changed then or later."),
            moment("created_since", "Only those that were created then or later."),
            ids("task"),
            fields("task"),
            LIMIT,
            CURSOR,
        ),
        problems=frozenset({"not_found"}),
    ),
    Operation(
        id="createTask",
        method="POST",
        path="/tasks",
        summary="Create a task",
        words="Apps that guard tasks are asked first, and may refuse or amend it.",
        handler=create,
        answer=Shape(201, "It was created; the same answer for the same Idempotency-Key.", Created),
        scope="tasks:write",
        power=True,
        form=Form(TaskCreate),
        problems=frozenset({"not_found", "vetoed", "conflict"}),
    ),
    Operation(
        id="getTask",
        method="GET",
        path="/tasks/{id}",
        summary="One task",
        handler=get,
        answer=Shape(200, "The task.", Task),
        scope="tasks:read",
        record="task",
        query=(fields("task"),),
        tagged=True,
    ),
    Operation(
        id="editTask",
        method="PATCH",
        path="/tasks/{id}",
        summary="Change a task",
        words="With If-Match only where it is still at that version. Apps that guard tasks are asked first.",
        handler=patch,
        answer=Shape(200, "It was changed, or was so already.", Changed),
        scope="tasks:write",
        power=True,
        form=Form(TaskPatch, PATCH_TYPES),
        if_match=True,
        problems=frozenset({"vetoed", "conflict"}),
    ),
    Operation(
        id="archiveTask",
        method="POST",
        path="/tasks/{id}/archive",
        summary="Archive a task",
        handler=archive,
        answer=Shape(200, "It is archived.", Changed),
        scope="tasks:write",
        power=True,
        if_match=True,
        problems=frozenset({"vetoed", "conflict", "invalid"}),
    ),
    Operation(
        id="refreshTask",
        method="POST",
        path="/tasks/{id}/refresh",
        summary="Say that what this app shows on a task is out of date",
        handler=refresh,
        answer=NO_CONTENT,
        anybodys=True,
    ),
)
