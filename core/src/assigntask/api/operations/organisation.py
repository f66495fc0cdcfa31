"""The organisation, and what its tasks and people share."""

from __future__ import annotations

from assigntask_sdk.records import Department, Organisation, Project, ProjectId, TaskType

from ..operation import Call, Operation, Shape
from ..replies import Reply, items, page, record


async def get(call: Call) -> Reply:
    return record(await call.ctx.organisation.get())


async def departments(call: Call) -> Reply:
    return page(await call.ctx.departments.list(), None)


async def projects(call: Call) -> Reply:
    return page(await call.ctx.projects.list(), None)


async def project(call: Call) -> Reply:
    return record(await call.ctx.projects.get(ProjectId(call.path["id"])))


async def task_types(call: Call) -> Reply:
    return items(await call.ctx.task_types.list())


OPERATIONS = (
    Operation(
        id="getOrganisation",
        method="GET",
        path="/organisation",
        summary="The organisation that the app is installed in",
        handler=get,
        answer=Shape(200, "The organisation.", Organisation),
        scope="organisation:read",
        record="organisation",
    ),
    Operation(
        id="listDepartments",
        method="GET",
        path="/departments",
        summary="All departments, by name",
        handler=departments,
        answer=Shape(200, "All of them: `next` is always null.", Department, page=True),
        scope="organisation:read",
        record="department",
    ),
    Operation(
        id="listProjects",
        method="GET",
        path="/projects",
        summary="The projects within reach, by name, archived ones too",
        handler=projects,
        answer=Shape(200, "All of them: `next` is always null.", Project, page=True),
        scope="tasks:read",
        record="project",
    ),
    Operation(
        id="getProject",
        method="GET",
        path="/projects/{id}",
        summary="One project",
        handler=project,
        answer=Shape(200, "The project.", Project),
        scope="tasks:read",
        record="project",
    ),
    Operation(
        id="listTaskTypes",
        method="GET",
        path="/task-types",
        summary="The types that a task can have, by name",
        handler=task_types,
        answer=Shape(200, "All of them: `next` is always null.", TaskType, page=True),
        scope="tasks:read",
        record="task_type",
    ),
)
