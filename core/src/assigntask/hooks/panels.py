"""Panels and reports: blocks that apps draw. A panel that fails shows its last good answer, with its age."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from assigntask.db.database import Database
from assigntask.errors import HostError
from assigntask.gate.gate import Slot
from assigntask.people.facts import Doer
from assigntask.tasks.facts import AttachmentFacts, ProjectFacts, TaskFacts
from assigntask_sdk import blocks
from assigntask_sdk.blocks import Block, Chart, Table
from assigntask_sdk.hooks import Hooks, HookSpec

from . import problems
from .asking import AppNote, Asking, NothingToAsk, note
from .listeners import Listener, Listeners

BOARD = Hooks.all["board_panel"]
TASK = Hooks.all["task_panel"]
REPORT = Hooks.all["report"]
KEPT = 5_000

Place = tuple[str, str, str, str | None, int]
"""Installation, hook, record, viewer, epoch: shown to nobody else, and to nobody after a change of rights."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One app's part of a page. `answered_at` is aware, in UTC; `failed` says why the blocks are old or missing."""

    app_id: str
    app_name: str
    installation_id: str
    blocks: Sequence[Block]
    answered_at: dt.datetime | None
    failed: AppNote | None


@dataclass(frozen=True, slots=True)
class _Page:
    """Where panels are asked for. `about` names the slot without which there is nothing to ask."""

    doer: Doer
    spec: HookSpec[Any, Any]
    about: str
    record_id: str
    project_id: str
    slots: Mapping[str, Slot]
    today: dt.date


class Panels:
    """`strict`: blocks over the limits are an error instead of being cut."""

    def __init__(
        self,
        db: Database,
        asking: Asking,
        listeners: Listeners,
        clock: Callable[[], dt.datetime],
        *,
        strict: bool = False,
    ) -> None:
        self._db = db
        self._asking = asking
        self._listeners = listeners
        self._clock = clock
        self._strict = strict
        self._last: OrderedDict[Place, tuple[Sequence[Block], dt.datetime]] = OrderedDict()

    async def board(self, doer: Doer, project: ProjectFacts, today: dt.date) -> Sequence[Panel]:
        slots = {"project": Slot(project)}
        return await self._panels(_Page(doer, BOARD, "project", project.id, project.id, slots, today))

    async def task(
        self, doer: Doer, task: TaskFacts, attachments: Sequence[AttachmentFacts], today: dt.date
    ) -> Sequence[Panel]:
        slots = {"task": Slot(task), "attachments": Slot(list(attachments))}
        return await self._panels(_Page(doer, TASK, "task", task.id, task.project, slots, today))

    async def report(
        self, doer: Doer, app_id: str, since: dt.date, until: dt.date, today: dt.date
    ) -> Sequence[Table | Chart]:
        """Days are inclusive. Raises HostError `no_report`, `blocks_too_large` when strict, CallFailed, Invalid."""
        if since > until:
            raise HostError("days_swapped", "The first day is after the last: swap them.")
        listeners = await self._listeners.of(doer.organisation_id, REPORT.name, app_id)
        if not listeners:
            raise _no_report(app_id)
        listener = listeners[0]
        viewer = await self._asking.viewer_slot(listeners, doer)
        try:
            grant = await self._asking.grant(listener, doer)
        except NothingToAsk:
            raise _no_report(app_id) from None
        plain = {"since": since, "until": until, "today": today}
        answer = await self._asking.ask(listener, grant, REPORT, viewer, lambda _: plain)
        return await self._fitted(listener, REPORT, answer)

    async def _panels(self, page: _Page) -> Sequence[Panel]:
        listeners = await self._listeners.of(page.doer.organisation_id, page.spec.name)
        viewer = await self._asking.viewer_slot(listeners, page.doer)
        page = replace(page, slots={**viewer, **page.slots})
        panels = await asyncio.gather(*(self._panel(one, page) for one in listeners))
        return [panel for panel in panels if panel is not None]

    async def _panel(self, listener: Listener, page: _Page) -> Panel | None:
        """None where this app may see nothing of it."""
        about = (listener.app_id, listener.app_name, listener.installation_id)
        place: Place | None = None
        try:
            grant = await self._asking.grant(listener, page.doer)
            place = (listener.installation_id, page.spec.name, page.record_id, page.doer.person_id, grant.epoch)
            plain = {"today": page.today}
            answer = await self._asking.ask(
                listener, grant, page.spec, page.slots, lambda _: plain, project=page.project_id, needed=page.about
            )
            fitted = await self._fitted(listener, page.spec, answer)
        except NothingToAsk:
            return None
        except Exception as error:
            failed = note(listener, error)
            if self._strict and failed.code == "blocks_too_large":
                raise
            last, at = self._last.get(place, ((), None)) if place is not None else ((), None)
            return Panel(*about, last, at, failed)
        now = self._clock()
        self._keep(place, fitted, now)
        return Panel(*about, fitted, now, None)

    def _keep(self, place: Place, answer: Sequence[Block], now: dt.datetime) -> None:
        self._last[place] = (answer, now)
        self._last.move_to_end(place)
        while len(self._last) > KEPT:
            self._last.popitem(last=False)

    async def _fitted(self, listener: Listener, spec: HookSpec[Any, Any], answer: Sequence[Any]) -> Sequence[Any]:
        """Within the limits. What had to go is a problem of the installation."""
        kept, excess = blocks.cut(answer)
        if not excess:
            return kept
        words = "; ".join(str(one) for one in excess)
        if self._strict:
            raise HostError("blocks_too_large", f"{listener.app_name}: {spec.name} draws too much: {words}.")
        await self._db.write(
            problems.report,
            listener.organisation_id,
            listener.installation_id,
            f"blocks.{spec.name}",
            f"{spec.name} draws too much and was cut: {words}.",
            now=self._clock(),
            by_host=True,
        )
        return kept


def _no_report(app_id: str) -> HostError:
    return HostError("no_report", f"{app_id} is not active here, or it has no report.", app=app_id)
