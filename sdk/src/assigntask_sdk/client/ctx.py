"""`WireCtx`: the ctx of a hook that is called on another machine than the host's."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

import structlog

from ..context import (
    Attachments,
    Checklists,
    Comments,
    Ctx,
    Departments,
    Events,
    Jobs,
    Log,
    Organisations,
    People,
    Problems,
    Projects,
    Storage,
    Tasks,
    TaskTypes,
)
from ..records import PersonId, TaskId
from .client import Client

_log = structlog.get_logger("assigntask_sdk.app")


class WireCtx:
    """What the host sent along with the call is at hand; all else goes through `client`.

    `deadline` is the host's (aware, UTC), `now_offset` what its clock is ahead of this machine's.
    """

    def __init__(
        self,
        client: Client,
        *,
        viewer: PersonId | None,
        settings: Mapping[str, Any],
        deadline: dt.datetime,
        granted: Collection[str],
        now_offset: dt.timedelta = dt.timedelta(0),
        log: Log | None = None,
    ) -> None:
        self._client = client
        self._granted = frozenset(granted)
        self._now_offset = now_offset
        self.viewer = viewer
        self.settings: Mapping[str, Any] = MappingProxyType(dict(settings))
        self.deadline = deadline
        self.tasks: Tasks = client.tasks
        self.comments: Comments = client.comments
        self.checklists: Checklists = client.checklists
        self.people: People = client.people
        self.projects: Projects = client.projects
        self.organisation: Organisations = client.organisation
        self.departments: Departments = client.departments
        self.task_types: TaskTypes = client.task_types
        self.attachments: Attachments = client.attachments
        self.storage: Storage = client.storage
        self.problems: Problems = client.problems
        self.events: Events = client.events
        self.jobs: Jobs = client.jobs
        self.log: Log = WireLog() if log is None else log

    def now(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC) + self._now_offset

    def granted(self, scope: str) -> bool:
        return scope in self._granted

    def as_person(self, person: PersonId) -> Ctx:
        return WireCtx(
            self._client.as_person(person),
            viewer=self.viewer,
            settings=self.settings,
            deadline=self.deadline,
            granted=self._granted,
            now_offset=self._now_offset,
            log=self.log,
        )

    async def refresh(self, task: TaskId) -> None:
        await self._client.refresh(task)


class WireLog:
    """Goes to this service's own log: the host's operator does not see it. `bound` facts stand on every line."""

    def __init__(self, **bound: Any) -> None:
        self._bound = _log.bind(**bound)

    def info(self, event: str, **facts: Any) -> None:
        self._bound.info("app", said=event, facts=facts)

    def warning(self, event: str, **facts: Any) -> None:
        self._bound.warning("app", said=event, facts=facts)
