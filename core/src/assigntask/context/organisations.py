"""`ctx.organisation`, `ctx.departments`, `ctx.task_types`: what all of the organisation's tasks and people share."""

from __future__ import annotations

from collections.abc import Sequence

from assigntask.context.access import Access, opened
from assigntask.context.boundary import for_app
from assigntask.context.fields import details_of_record
from assigntask.gate.gate import Slot
from assigntask.people import departments, organisations
from assigntask.tasks import projects
from assigntask_sdk.records import Department, Organisation, TaskType

SCOPE = "organisation:read"
TYPES_SCOPE = "tasks:read"


class CtxOrganisation:
    def __init__(self, access: Access) -> None:
        self._access = access

    @for_app
    async def get(self) -> Organisation:
        """Raises Refused."""
        grant = await self._access.grant()
        opened(grant, "organisation", SCOPE)
        facts = await self._access.services.db.read(organisations.get, grant.organisation_id)
        values = await self._access.release(grant, details_of_record("organisation"), {"organisation": Slot(facts)})
        organisation: Organisation = values["organisation"]
        return organisation


class CtxDepartments:
    def __init__(self, access: Access) -> None:
        self._access = access

    @for_app
    async def list(self) -> Sequence[Department]:
        """By name, also those in which nobody is. Raises Refused."""
        grant = await self._access.grant()
        opened(grant, "department", SCOPE)
        facts = await self._access.services.db.read(departments.listed, grant.organisation_id)
        values = await self._access.release(grant, details_of_record("department"), {"departments": Slot(facts)})
        found: Sequence[Department] = values["departments"]
        return found


class CtxTaskTypes:
    def __init__(self, access: Access) -> None:
        self._access = access

    @for_app
    async def list(self) -> Sequence[TaskType]:
        """By name. Raises Refused."""
        grant = await self._access.grant()
        opened(grant, "task_type", TYPES_SCOPE)
        facts = await self._access.services.db.read(projects.type_facts, grant.organisation_id)
        values = await self._access.release(grant, details_of_record("task_type"), {"types": Slot(facts)})
        return tuple(TaskType(record.id, record.name) for record in values["types"])
