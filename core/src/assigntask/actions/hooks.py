"""What actions need of the installed apps: to be asked before a task is saved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from assigntask.people.facts import Doer
from assigntask.tasks.drafts import TaskChanges
from assigntask.tasks.facts import TaskFacts
from assigntask_sdk.hooks import Veto

Source = Literal["person", "app", "import"]


class GuardUnanswered(Exception):
    """A guard failed: it hung, raised, or gave an answer that can't be used. `on_failure` says what follows."""


class Guard(Protocol):
    """One installed app that may refuse or amend a change. What it proposes has the host's own ids."""

    @property
    def app_id(self) -> str: ...

    @property
    def app_name(self) -> str: ...

    @property
    def on_failure(self) -> Literal["allow", "refuse"]: ...

    async def ask(
        self, doer: Doer, after: TaskFacts, before: TaskFacts | None, changed: Sequence[str], source: Source
    ) -> Veto | TaskChanges | None:
        """`before` is None for a new task. Raises GuardUnanswered, and nothing else."""
        ...


class SavingHooks(Protocol):
    async def guards(self, organisation_id: str) -> Sequence[Guard]:
        """In the order of installation; mostly none, so this must be quick."""
        ...


class NoHooks:
    """For a host without apps."""

    async def guards(self, organisation_id: str) -> Sequence[Guard]:
        return ()
