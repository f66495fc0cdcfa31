"""`ctx.projects`: those within the installation's reach."""

from __future__ import annotations

from collections.abc import Sequence

from assigntask.context.access import Access, opened
from assigntask.context.boundary import for_app, not_found
from assigntask.context.fields import could_be_id, details_of_record
from assigntask.gate.gate import Slot
from assigntask.grants.grant import Grant
from assigntask.tasks import projects as rows
from assigntask_sdk.records import Project, ProjectId


class CtxProjects:
    def __init__(self, access: Access) -> None:
        self._access = access

    @for_app
    async def get(self, id: ProjectId) -> Project:
        grant = await self._opened()
        if not could_be_id(id) or not grant.reaches(id):
            raise not_found("project")
        found = await self._released(grant, [id])
        if not found:
            raise not_found("project")
        return found[0]

    @for_app
    async def list(self) -> Sequence[Project]:
        """By name, archived ones too."""
        grant = await self._opened()
        return await self._released(grant, grant.projects)

    async def _opened(self) -> Grant:
        grant = await self._access.grant()
        opened(grant, "project", "tasks:read")
        return grant

    async def _released(self, grant: Grant, ids: Sequence[str] | frozenset[str] | None) -> Sequence[Project]:
        facts = await self._access.services.db.read(rows.listed, grant.organisation_id, projects=ids, archived=None)
        values = await self._access.release(grant, details_of_record("project"), {"projects": Slot(facts)})
        projects: Sequence[Project] = values["projects"]
        return projects
