"""Badges on cards: one call per app and page, and only about tasks whose badges aren't known yet.

Known is what the app said of this version of the task, to this viewer, on this day, with these settings,
in this epoch of the organisation (so an objection or another role makes all of it unknown).
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assigntask.gate.gate import Slot
from assigntask.grants.grant import Grant
from assigntask.people.facts import Doer
from assigntask.tasks.facts import TaskFacts
from assigntask_sdk.blocks import Badge
from assigntask_sdk.hooks import Hooks

from .asking import AppNote, Asking, NothingToAsk, note
from .listeners import Listener, Listeners

SPEC = Hooks.all["task_badges"]
TASKS_A_CALL = 200
KEPT_TASKS = 50_000
KEPT_VIEWS = 20
"""Of one task: by viewer, day, version."""

View = tuple[int, int, str | None, str, dt.date]


@dataclass(frozen=True, slots=True)
class AppBadge:
    app_id: str
    installation_id: str
    badge: Badge


@dataclass(frozen=True, slots=True)
class BadgesShown:
    """By task id, in install order of the apps; `failed` names apps whose badges are missing."""

    by_task: Mapping[str, Sequence[AppBadge]]
    failed: Sequence[AppNote]


class Known:
    """Bounded. What is refreshed while an app is being asked is not kept."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], OrderedDict[View, tuple[Badge, ...]]] = OrderedDict()
        self._refreshed: dict[str, int] = {}

    def get(self, installation_id: str, task_id: str, view: View) -> tuple[Badge, ...] | None:
        views = self._kept.get((installation_id, task_id))
        return None if views is None else views.get(view)

    def put(self, installation_id: str, task_id: str, view: View, badges: tuple[Badge, ...]) -> None:
        place = (installation_id, task_id)
        views = self._kept.setdefault(place, OrderedDict())
        self._kept.move_to_end(place)
        views[view] = badges
        while len(views) > KEPT_VIEWS:
            views.popitem(last=False)
        while len(self._kept) > KEPT_TASKS:
            self._kept.popitem(last=False)

    def forget(self, installation_id: str, task_id: str) -> None:
        self._refreshed[installation_id] = self.refreshes(installation_id) + 1
        self._kept.pop((installation_id, task_id), None)

    def refreshes(self, installation_id: str) -> int:
        return self._refreshed.get(installation_id, 0)


class Badges:
    def __init__(self, asking: Asking, listeners: Listeners) -> None:
        self._asking = asking
        self._listeners = listeners
        self.known = Known()

    async def shown(self, doer: Doer, tasks: Sequence[TaskFacts], today: dt.date) -> BadgesShown:
        """`today` is the viewer's day. Apps are asked beside each other; one that fails is left out and named."""
        listeners = await self._listeners.of(doer.organisation_id, SPEC.name) if tasks else ()
        viewer = await self._asking.viewer_slot(listeners, doer)
        answers = await asyncio.gather(*(self._of(one, doer, tasks, today, viewer) for one in listeners))
        by_task: dict[str, list[AppBadge]] = {}
        for listener, (found, _) in zip(listeners, answers, strict=True):
            for task_id, badges in found.items():
                told = [AppBadge(listener.app_id, listener.installation_id, badge) for badge in badges]
                if told:
                    by_task.setdefault(task_id, []).extend(told)
        return BadgesShown(by_task, [failed for _, failed in answers if failed is not None])

    async def _of(
        self,
        listener: Listener,
        doer: Doer,
        tasks: Sequence[TaskFacts],
        today: dt.date,
        viewer: Mapping[str, Slot],
    ) -> tuple[Mapping[str, tuple[Badge, ...]], AppNote | None]:
        """One app's badges by task id, as far as they are to be had, and what went wrong."""
        found: dict[str, tuple[Badge, ...]] = {}
        try:
            grant = await self._asking.grant(listener, doer)
            settings = json.dumps(listener.settings, sort_keys=True)
            unknown: dict[str, tuple[TaskFacts, View]] = {}
            for task in tasks:
                if not grant.reaches(task.project):
                    continue
                view = (task.version, grant.epoch, doer.person_id, settings, today)
                badges = self.known.get(listener.installation_id, task.id, view)
                if badges is None:
                    unknown[task.id] = (task, view)
                else:
                    found[task.id] = badges
            waiting = list(unknown.values())
            for start in range(0, len(waiting), TASKS_A_CALL):
                found |= await self._ask(listener, grant, waiting[start : start + TASKS_A_CALL], today, viewer)
        except NothingToAsk:
            return found, None
        except Exception as error:
            return found, note(listener, error)
        return found, None

    async def _ask(
        self,
        listener: Listener,
        grant: Grant,
        page: Sequence[tuple[TaskFacts, View]],
        today: dt.date,
        viewer: Mapping[str, Slot],
    ) -> Mapping[str, tuple[Badge, ...]]:
        refreshes = self.known.refreshes(listener.installation_id)
        slots = {**viewer, "tasks": Slot([task for task, _ in page])}
        answer = await self._asking.ask(listener, grant, SPEC, slots, lambda _: {"today": today}, needed="tasks")
        found = {task.id: tuple(answer.get(task.id, ())) for task, _ in page}  # no word on other tasks is taken
        if refreshes == self.known.refreshes(listener.installation_id):
            for task, view in page:
                self.known.put(listener.installation_id, task.id, view, found[task.id])
        return found
