"""`ctx.problems`: what an app reports about itself, for admins to see."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Protocol

from sqlalchemy.engine import Connection

from assigntask.context.access import Access
from assigntask.context.boundary import for_app
from assigntask.people.text import checked
from assigntask_sdk.records import Problem

MAX_KEY = 200
MAX_TEXT = 100_000  # what is kept of it may be less


class ProblemRows(Protocol):
    """Where problems are kept, as units of work. What the host itself reports stays apart from an app's."""

    def report(
        self,
        conn: Connection,
        organisation_id: str,
        installation_id: str,
        key: str,
        text: str,
        *,
        now: dt.datetime,
        severity: str = "warning",
    ) -> None: ...

    def clear(self, conn: Connection, organisation_id: str, installation_id: str, key: str) -> None: ...

    def reported(self, conn: Connection, organisation_id: str, installation_id: str) -> Sequence[Problem]:
        """What the installation's app itself reported, the latest first."""
        ...


class CtxProblems:
    def __init__(self, access: Access, rows: ProblemRows) -> None:
        self._access = access
        self._rows = rows

    @for_app
    async def report(self, key: str, text: str, *, severity: str = "warning") -> None:
        """Raises Invalid, also for more keys than an installation may have."""
        key, text = checked("key", key, limit=MAX_KEY), checked("text", text, limit=MAX_TEXT)
        now = self._access.services.clock()
        await self._access.own_grant()
        await self._access.services.db.write(
            self._rows.report, *self._mine(), key, text, now=now, severity=checked("severity", severity, limit=20)
        )

    @for_app
    async def clear(self, key: str) -> None:
        key = checked("key", key, limit=MAX_KEY)
        await self._access.own_grant()
        await self._access.services.db.write(self._rows.clear, *self._mine(), key)

    @for_app
    async def list(self) -> Sequence[Problem]:
        """The app's own, the latest first."""
        await self._access.own_grant()
        return await self._access.services.db.read(self._rows.reported, *self._mine())

    def _mine(self) -> tuple[str, str]:
        return self._access.organisation_id, self._access.installation_id
