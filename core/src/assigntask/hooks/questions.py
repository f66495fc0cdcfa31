"""What the host asks apps: before a task is saved, and for what they show on pages."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence

from assigntask.actions.hooks import Guard
from assigntask.db.database import Database
from assigntask.gate.gate import Gate
from assigntask.grants.grants import Grants
from assigntask.people.facts import Doer
from assigntask.tasks.facts import AttachmentFacts, ProjectFacts, TaskFacts
from assigntask_sdk.blocks import Chart, Table

from .asking import Asking
from .badges import Badges, BadgesShown
from .guards import SPEC as GUARD
from .guards import AppGuard
from .listeners import Listeners
from .panels import Panel, Panels
from .proxy import Proxies


class Questions:
    """`today` is the viewer's day. `strict`: blocks over the limits are an error instead of being cut."""

    def __init__(
        self,
        db: Database,
        gate: Gate,
        grants: Grants,
        proxies: Proxies,
        clock: Callable[[], dt.datetime],
        *,
        strict: bool = False,
    ) -> None:
        self._asking = Asking(db, gate, grants, proxies)
        self._listeners = Listeners(db, grants)
        self._badges = Badges(self._asking, self._listeners)
        self._panels = Panels(db, self._asking, self._listeners, clock, strict=strict)

    async def guards(self, organisation_id: str) -> Sequence[Guard]:
        """In install order. Without guards this costs no query beside the check of the organisation's epoch."""
        return [AppGuard(self._asking, one) for one in await self._listeners.of(organisation_id, GUARD.name)]

    async def badges(self, doer: Doer, tasks: Sequence[TaskFacts], today: dt.date) -> BadgesShown:
        return await self._badges.shown(doer, tasks, today)

    async def board_panel(self, doer: Doer, project: ProjectFacts, today: dt.date) -> Sequence[Panel]:
        return await self._panels.board(doer, project, today)

    async def task_panel(
        self, doer: Doer, task: TaskFacts, attachments: Sequence[AttachmentFacts], today: dt.date
    ) -> Sequence[Panel]:
        return await self._panels.task(doer, task, attachments, today)

    async def report(
        self, doer: Doer, app_id: str, since: dt.date, until: dt.date, today: dt.date
    ) -> Sequence[Table | Chart]:
        """Days are inclusive. Raises HostError `no_report`, `days_swapped`; CallFailed; Invalid, TryLater."""
        return await self._panels.report(doer, app_id, since, until, today)

    async def refresh(self, organisation_id: str, installation_id: str, task_id: str) -> None:
        """The app says that what it shows on the task is out of date. Known in this process."""
        self._badges.known.forget(installation_id, task_id)
