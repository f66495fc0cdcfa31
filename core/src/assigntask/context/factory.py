"""Makes the ctx that an app is called with. It lives in the host's loop."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from assigntask.context.access import Access, Services, fenced
from assigntask.context.attachments import CtxAttachments
from assigntask.context.boundary import for_app
from assigntask.context.checklists import CtxChecklists
from assigntask.context.comments import CtxComments
from assigntask.context.events import CtxEvents, EventReader
from assigntask.context.jobs import CtxJobs
from assigntask.context.log import AppLog
from assigntask.context.organisations import CtxDepartments, CtxOrganisation, CtxTaskTypes
from assigntask.context.people import CtxPeople
from assigntask.context.problems import CtxProblems, ProblemRows
from assigntask.context.projects import CtxProjects
from assigntask.context.reach import reached_task
from assigntask.context.stores import CheckedStorage
from assigntask.context.tasks import CtxTasks
from assigntask.events.fences import Fence
from assigntask.grants.grant import Grant
from assigntask_sdk.manifest import Manifest
from assigntask_sdk.records import PersonId, TaskId


class HostCtx:
    """One call's ctx. Every method loads the grant anew; `granted` tells of the last one that was loaded.

    An installation that is no longer active meets Gone; see `boundary` for what else an app is told.
    """

    def __init__(
        self,
        access: Access,
        problems: ProblemRows,
        events: EventReader,
        *,
        deadline: dt.datetime,
        settings: Mapping[str, Any],
        viewer: PersonId | None,
    ) -> None:
        self._access = access
        self._problems = problems
        self._events = events
        self.viewer = viewer
        self.settings = settings
        self.deadline = deadline
        self.tasks = CtxTasks(access)
        self.comments = CtxComments(access)
        self.people = CtxPeople(access)
        self.projects = CtxProjects(access)
        self.organisation = CtxOrganisation(access)
        self.departments = CtxDepartments(access)
        self.task_types = CtxTaskTypes(access)
        self.checklists = CtxChecklists(access)
        self.attachments = CtxAttachments(access)
        self.storage = CheckedStorage(access)
        self.problems = CtxProblems(access, problems)
        self.events = CtxEvents(access, events)
        self.jobs = CtxJobs(access)
        self.log = AppLog(access.app_id, access.installation_id)

    def now(self) -> dt.datetime:
        return self._access.services.clock()

    def granted(self, scope: str) -> bool:
        return self._access.last.has(scope)

    def as_person(self, person: PersonId) -> HostCtx:
        """Nothing is asked here: whether there is such a person, each call of what this returns finds out."""
        access = self._access.as_person(person)
        return HostCtx(
            access,
            self._problems,
            self._events,
            deadline=self.deadline,
            settings=self.settings,
            viewer=self.viewer,
        )

    @for_app
    async def refresh(self, task: TaskId) -> None:
        grant = await self._access.grant()
        await reached_task(self._access, grant, task)
        await self._access.services.refresh(grant.organisation_id, grant.installation_id, task)


class ContextFactory:
    def __init__(self, services: Services, problems: ProblemRows, events: EventReader) -> None:
        self._services = services
        self._problems = problems
        self._events = events

    def make(
        self,
        grant: Grant,
        *,
        deadline: dt.datetime,
        settings: Mapping[str, Any],
        manifest: Manifest | None = None,
        viewer: PersonId | None = None,
        scopes: frozenset[str] | None = None,
        fence: Fence | None = None,
    ) -> HostCtx:
        """`settings` as they are stored; with the accepted `manifest`, its defaults stand for what is missing.

        `viewer`: whoever looks on, as the gate released them and not otherwise. A grant of an installation
        that is not active makes the ctx of a goodbye: storage, problems and log. `scopes`: every grant is
        narrowed to them, as a token asks that was given with less than the grant has. `fence`: of the delivery that
        the call is for; once it is no longer the call's own, whatever would write raises Superseded.
        """
        filled = settings if manifest is None else manifest.settings_with(settings)
        services = self._services if fence is None else fenced(self._services, fence)
        access = Access(services, grant, scopes)
        return HostCtx(
            access,
            self._problems,
            self._events,
            deadline=deadline,
            settings=MappingProxyType(dict(filled)),
            viewer=viewer,
        )
