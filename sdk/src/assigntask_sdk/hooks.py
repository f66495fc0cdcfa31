"""What an app can be asked. A hook is `@hook.NAME async def anything(ctx: Ctx, ask: …) -> answer`.

Questions: the host waits, nothing is durable, the actor is the viewer. Notices: after the change was
committed, at least once, in order; `ask.id` is the same each time. `ask` only ever gains fields.
"""

from __future__ import annotations

import datetime as dt
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeAlias, TypeVar

import pluggy
from pydantic import TypeAdapter

from .blocks import Badge, Block, Chart, Table
from .context import Ctx, TaskEdit
from .details import nearest
from .records import Attachment, Comment, JobId, Person, Project, Task, TaskId

PROJECT = "assigntask"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@dataclass(frozen=True, slots=True)
class Veto:
    """Refuse the change. `reason` is shown to the person; `field` says where ("due")."""

    reason: str
    field: str | None = None
    is_: Literal["veto"] = "veto"


@dataclass(frozen=True, slots=True)
class Amend:
    """Take the change, with these fields set so."""

    changes: TaskEdit
    is_: Literal["amend"] = "amend"


@dataclass(frozen=True, slots=True)
class More:
    """Call again at once. Progress is what was committed."""

    is_: Literal["more"] = "more"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Base of notices. `id` is the same when a notice is delivered again."""

    id: str
    at: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed(Notice):
    """`contacts` has the fields that the manifest asked for and the admin agreed to, by contact."""

    by: Person | None = None
    contacts: Mapping[Literal["installer", "technical", "billing"], Person] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgraded(Notice):
    from_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Uninstalling(Notice):
    """The goodbye. Storage is kept until `wiped_at`, so that an admin can restore the app."""

    wiped_at: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonForgotten(Notice):
    """Erase what you hold about this person. `person` has nothing but the id that you knew."""

    person: Person


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonWithdrawn(Notice):
    """The person may no longer be known to this app. `person` has nothing but the id that you knew."""

    person: Person


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskChanged(Notice):
    """`changed` names the changed fields that were released. `by` is None without `viewer:change`."""

    task: Task
    changed: Sequence[str]
    by: Person | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentAdded(Notice):
    comment: Comment


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentAdded(Notice):
    """`task` is None unless the hook names details of tasks, and `by` is None without `viewer:change`."""

    attachment: Attachment
    task: Task | None = None
    by: Person | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentRemoved(Notice):
    """`attachment` has its id, its version and, if the hook names `attachment.task`, its task: the rest is gone.

    Also told of an attachment that was removed before this app was told that it had been added.
    """

    attachment: Attachment
    by: Person | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectChanged(Notice):
    """`changed` names the changed fields that were released; of a new project, all that were. `by`: as for tasks.

    A board that comes in by an import is one notice, after all of it is there.
    """

    project: Project
    changed: Sequence[str]
    by: Person | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonChanged(Notice):
    """`changed` names the changed fields that were released: of who joined, those that say anything.

    That somebody left is told where the hook names `person.active`.
    """

    person: Person
    change: Literal["joined", "left", "changed"]
    changed: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobAsk(Notice):
    """A piece of the job that this app started. `id` is the job's, for `ctx.jobs.progress`; `at`: when it was started.

    Answer `More()` to be called again; what was committed so far is where the next call goes on.
    """

    id: JobId
    name: str
    args: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled(Notice):
    """`name` is that of a schedule in app.toml, `due_at` (aware, UTC) the last moment for which it fell due.

    Moments that passed while the host or the app was away are made up for by one run. Answer `More()` to be called
    again, with the same `id`; what was committed so far is where the next call goes on.
    """

    name: str
    due_at: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSaving:
    """The task as it would be; `before` is None for a new one."""

    task: Task
    before: Task | None
    changed: Sequence[str]
    source: Literal["person", "app", "import"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskBadges:
    """At most 200 tasks. `today` is the viewer's day."""

    tasks: Sequence[Task]
    today: dt.date


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardPanel:
    project: Project
    today: dt.date


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPanel:
    task: Task
    attachments: Sequence[Attachment]
    today: dt.date


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Days are inclusive, in the organisation's time zone."""

    since: dt.date
    until: dt.date
    today: dt.date


Guard: TypeAlias = Veto | Amend | None
Badges: TypeAlias = Mapping[TaskId, Sequence[Badge]]
Panel: TypeAlias = Sequence[Block]
Tables: TypeAlias = Sequence[Table | Chart]

Ask = TypeVar("Ask")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class HookSpec(Generic[Ask, Answer]):
    """One hook of the contract. `limit` in seconds; `records` names the records an ask can hold."""

    name: str
    ask: type[Ask]
    answer: TypeAdapter[Answer]
    notice: bool
    limit: float
    records: frozenset[str]

    def __call__(self, function: Callable[[Ctx, Ask], Awaitable[Answer]]) -> Callable[[Ctx, Ask], Awaitable[Answer]]:
        """Marks `function` as the app's answer to this hook."""
        if not inspect.iscoroutinefunction(function):
            raise TypeError(f"@hook.{self.name}: write `async def {getattr(function, '__name__', '…')}(ctx, ask)`")
        names = list(inspect.signature(function).parameters)
        if names != ["ctx", "ask"]:
            raise TypeError(f"@hook.{self.name}: the parameters are (ctx, ask), not ({', '.join(names)})")
        return hookimpl(specname=self.name)(function)


def _spec(name: str, ask: type[Ask], answer: Any, limit: float, *, notice: bool = False, records: str = "") -> Any:
    return HookSpec(name, ask, TypeAdapter(answer), notice, limit, frozenset(records.split()))


class Hooks:
    """`hook.task_saving`, `hook.installed` …: the decorators, one for each hook of the contract."""

    all: ClassVar[Mapping[str, HookSpec[Any, Any]]] = {
        spec.name: spec
        for spec in (
            _spec("installed", Installed, None, 30, notice=True, records="person viewer"),
            _spec("upgraded", Upgraded, More | None, 60, notice=True),
            _spec("uninstalling", Uninstalling, None, 30, notice=True),
            _spec("person_forgotten", PersonForgotten, None, 30, notice=True),
            _spec("person_withdrawn", PersonWithdrawn, None, 30, notice=True),
            _spec("task_changed", TaskChanged, None, 15, notice=True, records="task person viewer"),
            _spec("comment_added", CommentAdded, None, 15, notice=True, records="comment person"),
            _spec("attachment_added", AttachmentAdded, None, 15, notice=True, records="attachment task person viewer"),
            _spec("attachment_removed", AttachmentRemoved, None, 15, notice=True, records="attachment person viewer"),
            _spec("project_changed", ProjectChanged, None, 15, notice=True, records="project person viewer"),
            _spec("person_changed", PersonChanged, None, 15, notice=True, records="person"),
            _spec("job", JobAsk, More | None, 60, notice=True),
            _spec("scheduled", Scheduled, More | None, 60, notice=True),
            _spec("task_saving", TaskSaving, Guard, 1, records="task person"),
            _spec("task_badges", TaskBadges, Badges, 0.3, records="task person viewer"),
            _spec("board_panel", BoardPanel, Panel, 2, records="project viewer"),
            _spec("task_panel", TaskPanel, Panel, 2, records="task attachment person viewer"),
            _spec("report", Report, Tables, 30, records="viewer"),
        )
    }

    if TYPE_CHECKING:
        installed: HookSpec[Installed, None]
        upgraded: HookSpec[Upgraded, More | None]
        uninstalling: HookSpec[Uninstalling, None]
        person_forgotten: HookSpec[PersonForgotten, None]
        person_withdrawn: HookSpec[PersonWithdrawn, None]
        task_changed: HookSpec[TaskChanged, None]
        comment_added: HookSpec[CommentAdded, None]
        attachment_added: HookSpec[AttachmentAdded, None]
        attachment_removed: HookSpec[AttachmentRemoved, None]
        project_changed: HookSpec[ProjectChanged, None]
        person_changed: HookSpec[PersonChanged, None]
        job: HookSpec[JobAsk, More | None]
        scheduled: HookSpec[Scheduled, More | None]
        task_saving: HookSpec[TaskSaving, Guard]
        task_badges: HookSpec[TaskBadges, Badges]
        board_panel: HookSpec[BoardPanel, Panel]
        task_panel: HookSpec[TaskPanel, Panel]
        report: HookSpec[Report, Tables]
    else:

        def __getattr__(self, name: str) -> HookSpec[Any, Any]:
            spec = self.all.get(name)
            if spec is None:
                meant = nearest(name, self.all)
                raise AttributeError(f"there is no hook {name!r}" + (f"; did you mean {meant!r}?" if meant else ""))
            return spec


hook = Hooks()


def specifications() -> type:
    """The hooks as a class that pluggy's `PluginManager.add_hookspecs` takes."""

    def specification(name: str) -> Any:
        def function(ctx: Ctx, ask: Any) -> Any: ...

        function.__name__ = name
        return staticmethod(hookspec(function))

    return type("Specifications", (), {name: specification(name) for name in Hooks.all})
