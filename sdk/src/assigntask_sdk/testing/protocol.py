"""What an app's test can do with the host. The host implements it; apps' tests only see this."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from ..apps import InstalledApp
from ..blocks import Badge, Block, Chart, Table
from ..context import Ctx
from ..records import AttachmentId, Due, Job, PersonId, TaskId
from .needed import ScopesNeeded


@dataclass(frozen=True, slots=True)
class PersonUnderTest:
    """Somebody of the organisation. `id` is the host's own; the app knows the person by `HostUnderTest.known_as`."""

    id: str
    name: str
    email: str | None = None
    role: Literal["member", "admin"] = "member"


@dataclass(frozen=True, slots=True)
class TaskUnderTest:
    """A task as it was saved. `unchecked_by` names the apps that should have checked it and could not."""

    id: TaskId
    number: int
    version: int
    unchecked_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One release to the app. `records` are "task:<id>", `subjects` the ids of `PersonUnderTest`."""

    channel: str
    details: frozenset[str]
    records: frozenset[str]
    subjects: frozenset[str]


@dataclass(frozen=True, slots=True)
class ReportedProblem:
    """What admins see of a problem: reported by the app, or by the host about the app."""

    key: str
    text: str
    severity: str
    count: int


class Clock(Protocol):
    """The host's time. It stands still until it is moved, and never goes back."""

    def now(self) -> dt.datetime:
        """Aware, UTC."""
        ...

    def advance(self, by: dt.timedelta) -> None: ...


class HostUnderTest(Protocol):
    """The real host, in memory, with one organisation, one project and the app installed with all its scopes.

    Where `by` is left out, the admin acts; where `viewer` is left out, the admin looks. Days are in UTC.
    """

    @property
    def app(self) -> InstalledApp: ...

    @property
    def admin(self) -> PersonUnderTest: ...

    @property
    def clock(self) -> Clock: ...

    def ctx(self) -> Ctx:
        """The installation's own, as a notice has it."""
        ...

    async def person(
        self,
        name: str,
        *,
        email: str | None = None,
        department: str | None = None,
        job_title: str | None = None,
        role: Literal["member", "admin"] = "member",
    ) -> PersonUnderTest: ...

    async def edit_person(
        self, person: PersonUnderTest, *, by: PersonUnderTest | None = None, **changes: Any
    ) -> PersonUnderTest:
        """Takes what `person` takes; each change is one notice `person_changed`. Raises Invalid."""
        ...

    async def leave(self, person: PersonUnderTest) -> None:
        """The person is no longer active; what they wrote stays."""
        ...

    async def known_as(self, person: PersonUnderTest) -> PersonId | None:
        """The id by which the app knows the person; None where the person is withheld from it."""
        ...

    async def create_task(
        self,
        summary: str,
        *,
        by: PersonUnderTest | None = None,
        project: str | None = None,
        description: str = "",
        type: str | None = None,
        status: str | None = None,
        start: dt.date | None = None,
        due: Due | dt.date | None = None,
        assignees: Sequence[PersonUnderTest] = (),
        labels: Sequence[str] = (),
    ) -> TaskUnderTest:
        """Asks `task_saving` first. `project`, `type` and `status` by name; unknown ones are made.

        Raises Vetoed, Invalid.
        """
        ...

    async def edit_task(
        self, task: TaskUnderTest | TaskId, *, by: PersonUnderTest | None = None, **changes: Any
    ) -> TaskUnderTest:
        """Takes what `create_task` takes, and `archived`. Raises Vetoed, Invalid, NotFound."""
        ...

    async def comment(self, task: TaskUnderTest | TaskId, text: str, *, by: PersonUnderTest | None = None) -> None: ...

    async def attach(
        self, task: TaskUnderTest | TaskId, name: str, url: str, *, by: PersonUnderTest | None = None
    ) -> AttachmentId:
        """A link. Raises Invalid."""
        ...

    async def detach(self, attachment: AttachmentId, *, by: PersonUnderTest | None = None) -> None:
        """Raises NotFound."""
        ...

    async def edit_project(
        self,
        project: str | None = None,
        *,
        name: str | None = None,
        description: str | None = None,
        archived: bool | None = None,
    ) -> None:
        """The one of that name; left out: the one in which tasks are made. Raises Invalid, NotFound."""
        ...

    async def badges(
        self, task: TaskUnderTest | TaskId | None = None, *, viewer: PersonUnderTest | None = None
    ) -> dict[TaskId, list[Badge]]:
        """Of one task, or of all that are not archived; tasks without a badge are left out.

        Raises whatever the app raised.
        """
        ...

    async def board_panel(self, *, viewer: PersonUnderTest | None = None) -> list[Block]:
        """Raises OverLimit, and whatever the app raised."""
        ...

    async def task_panel(self, task: TaskUnderTest | TaskId, *, viewer: PersonUnderTest | None = None) -> list[Block]:
        """Raises OverLimit, and whatever the app raised."""
        ...

    async def report(self, since: dt.date, until: dt.date) -> list[Table | Chart]:
        """Both days inclusive. Raises whatever the app raised."""
        ...

    async def settings(self, **values: Any) -> None:
        """Sets these settings of the installation. Raises Invalid."""
        ...

    async def drain(self, *, kill_at_every_step: bool = False) -> int:
        """Delivers all notices that wait, also those that follow from them; how many there were.

        With `kill_at_every_step` that is then done over, from the beginning and each time on a copy of this host, once
        for each step of the hooks' calls: the call is killed right before, or right after, something that it changes
        through its ctx, and repeated as the host repeats it. Each time as much must come of it as came of the unharmed
        run, in tasks and what hangs on them, in ctx.storage, jobs and problems. The clock stands still meanwhile.

        Raises what a hook raised, NotResumable.
        """
        ...

    async def scheduled(self, name: str, *, kill_at_every_step: bool = False) -> None:
        """Runs this schedule of app.toml as if it were due now, until it has no more to do, and delivers as `drain`.

        Raises NotFound where app.toml has no such schedule, and what `drain` raises.
        """
        ...

    async def run_job(
        self, name: str, args: Any = None, *, key: str | None = None, kill_at_every_step: bool = False
    ) -> Job:
        """Starts a job as the app does, runs it until it has ended, and delivers as `drain`; how it ended.

        Raises Invalid, and what `drain` raises.
        """
        ...

    async def object(self, person: PersonUnderTest) -> None:
        """The person objects to the app."""
        ...

    async def withdraw_objection(self, person: PersonUnderTest) -> None: ...

    async def restrict(self, person: PersonUnderTest) -> None: ...

    async def forget(self, person: PersonUnderTest) -> None: ...

    async def disable(self) -> None: ...

    async def enable(self) -> None: ...

    async def uninstall(self) -> None: ...

    async def restore(self) -> None: ...

    async def problems(self) -> list[ReportedProblem]: ...

    async def ledger(self, person: PersonUnderTest | None = None) -> list[LedgerEntry]:
        """What the app was given since it was installed, oldest first; with `person`, what was about that person."""
        ...

    async def unread_details(self) -> frozenset[str]:
        """Details that the manifest's hooks name, that were granted, and that were never released."""
        ...

    async def scopes_needed(self) -> ScopesNeeded:
        """What the app needed so far. `assigntask-sdk check` compares it, over all tests, with what app.toml asks."""
        ...
