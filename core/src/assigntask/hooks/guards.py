"""Guards: the apps that are asked before a task is saved, and what their answers mean in the host's own ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from assigntask.actions.hooks import GuardUnanswered, Source
from assigntask.context.edits import resolved, with_withheld
from assigntask.gate.gate import Slot
from assigntask.gate.released import Released
from assigntask.grants.grant import Grant
from assigntask.people.facts import Doer
from assigntask.tasks import drafts
from assigntask.tasks.drafts import TaskChanges
from assigntask.tasks.facts import TaskFacts
from assigntask_sdk.errors import AppError, Invalid
from assigntask_sdk.hooks import Amend, Hooks, Veto

from .asking import Asking, NothingToAsk
from .listeners import Listener

SPEC = Hooks.all["task_saving"]


@dataclass(frozen=True, slots=True)
class AppGuard:
    """One installation that was granted `tasks:guard` and has the hook. Implements actions' Guard."""

    asking: Asking
    listener: Listener

    @property
    def app_id(self) -> str:
        return self.listener.app_id

    @property
    def app_name(self) -> str:
        return self.listener.app_name

    @property
    def on_failure(self) -> Literal["allow", "refuse"]:
        return self.listener.manifest.on_failure

    async def ask(
        self, doer: Doer, after: TaskFacts, before: TaskFacts | None, changed: Sequence[str], source: Source
    ) -> Veto | TaskChanges | None:
        """None also where the task is out of the installation's reach. Raises GuardUnanswered."""

        def plain(released: Released) -> dict[str, Any]:
            named = [name for name in drafts.derived(changed) if f"task.{name}" in released.details]
            return {"changed": named, "source": source}

        slots = {"task": Slot(after, draft=True), "before": Slot(before)}
        try:
            grant = await self.asking.grant(self.listener, doer)
            answer = await self.asking.ask(
                self.listener, grant, SPEC, slots, plain, project=after.project, needed="task"
            )
            return await self._meant(grant, answer, after) if isinstance(answer, Amend) else answer
        except NothingToAsk:
            return None
        except AppError as error:
            raise GuardUnanswered(f"{self.app_name}: {error.code}") from error

    async def _meant(self, grant: Grant, amend: Amend, after: TaskFacts) -> TaskChanges:
        """Raises CallFailed where it names what is not there, or somebody whom it was never given."""
        asking = self.asking
        try:
            changes = await resolved(asking.db, asking.grants, grant, after.project, amend.changes)
        except Invalid as invalid:
            raise await asking.proxies.misanswered(grant, SPEC, invalid.message) from invalid
        if "assignees" in changes:
            changes["assignees"] = with_withheld(changes["assignees"], after.assignees, grant.withheld)
        return changes
