"""One life of one app in one organisation, from the dry run to the goodbye: the same steps in either way of running."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import to_jsonable_python
from sqlalchemy.engine import Connection

from assigntask.grants.grant import Actor
from assigntask.hooks.panels import Panel
from assigntask.installations import admission, installations
from assigntask.kit import fields
from assigntask.people import doers, organisations, people
from assigntask.people.facts import Doer
from assigntask.tasks import attachments, projects, tasks
from assigntask.tasks.facts import TaskFacts
from assigntask_sdk.errors import AppError
from assigntask_sdk.hooks import Hooks
from assigntask_sdk.manifest import Manifest
from assigntask_sdk.records import Due, TaskId

from .both_ways import Way
from .both_ways_account import Names, entries_of, rows_of

STAFF = {"Ada": "Yard", "Ben": "Yard", "Cy": "Yard", "Di": "Yard", "Eve": "Yard", "Flo": "Office", "Gus": "Office"}
"""Name to department. Ada is an admin; Cy objects, Di is restricted and Eve is forgotten."""

NOT_ALIKE = {"assurance", "assurance_words", "origin", "notice_digest"}
"""What a dry run says of where the app runs, and the digest of these words."""


HELD = {"breaker", "delivery", "problem"}
"""Tables that say how often an app was tried, and in what way it failed."""

NO_ANSWER = {"hook_blocked", "hook_timeout", "breaker_open"}


@dataclass(frozen=True)
class Extra:
    """What else one app is told, beside what its manifest says by itself.

    `summaries` of tasks that it acts on; `pace`: seconds after which what failed is tried again; `brief`: each call
    takes long, so only the beginning of its life is told.
    """

    summaries: Sequence[str] = ()
    pace: float = 8
    brief: bool = False


@dataclass
class Account:
    """All that can be compared of one life."""

    steps: list[tuple[str, Any]] = field(default_factory=list)
    heard: list[Any] = field(default_factory=list)
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    entries: list[Any] = field(default_factory=list)
    assurances: set[str] = field(default_factory=set)

    def compared(self) -> dict[str, Any]:
        steps = {f"{number} {name}": outcome for number, (name, outcome) in enumerate(self.steps)}
        return {"steps": steps, "heard": self.heard, "rows": self.rows, "entries": self.entries}

    def compared_while_held(self) -> dict[str, Any]:
        """Of an app that holds its thread: in what way it got no answer, and how often it was tried, may differ."""
        whole = self.compared()
        rows = {
            chapter: {table: found for table, found in tables.items() if table not in HELD}
            for chapter, tables in self.rows.items()
        }
        entries = {str([entry.get(name) for name in ("kind", "channel", "actor", "details")]) for entry in self.entries}
        return {"steps": _unanswered(whole["steps"]), "rows": rows, "entries": sorted(entries)}


class Story:
    def __init__(self, way: Way, extra: Extra) -> None:
        self.way, self.extra, self.account = way, extra, Account()
        self.platform, self.app_id = way.platform, way.app_id
        self.here, self.project = "", ""
        self.people: dict[str, str] = {}
        self.names = Names(way.platform, "")

    async def told(self) -> Account:
        await self.platform.db.write(self._furnish)
        self.names = Names(self.platform, self.here)
        beginning = self._agree, self._work
        rest = self._more_work, self._questions, self._job, self._rights, self._newer_version, self._pause, self._return
        for chapter in (*beginning, self._first_questions) if self.extra.brief else (*beginning, *rest):
            await chapter()
            await self._rest(chapter.__name__)
        self.account.entries, self.account.assurances = await entries_of(self.platform, self.here, self.names)
        self.account.heard = [self.names.said(note) for note in self.way.notebook.notes]
        self.account.steps = [(name, self.names.said(outcome)) for name, outcome in self.account.steps]
        return self.account

    # Chapters

    async def _agree(self) -> None:
        preview = await self.platform.installing.install(await self._doer(), self.app_id, dry_run=True)
        seen = {name: value for name, value in preview.to_json().items() if name not in NOT_ALIKE}
        self.account.steps.append(("dry run", seen))
        await self._step("install", self.platform.installing.install(await self._doer(), self.app_id))
        manifest = await self._manifest()
        values = {name: _other(setting.type, setting.default, setting.choices) for name, setting in _all(manifest)}
        if manifest.settings:
            await self._step("set", self.platform.app_settings.set(await self._doer(), self.app_id, values))

    async def _work(self) -> None:
        due = Due(self._today() + dt.timedelta(days=3))
        people_there = [self.people["Ben"], self.people["Cy"]]
        await self._create("Oil the hinge", due=due, assignees=people_there, labels=["red"], description="The gate.")
        await self._create("No date")
        if self.extra.brief:
            await self._create("Late", due=Due(self._today() - dt.timedelta(days=9)))
            await self._step("summary", self._edit((await self._tasks())[0], "Ben", summary="Twice"))
            return
        moment = dt.datetime.combine(self._today(), dt.time(12), dt.UTC)
        await self._create("Paint", by="Ben", due=Due(self._today(), moment), start=self._today())
        await self._create("Late", due=Due(self._today() - dt.timedelta(days=9)), assignees=[self.people["Eve"]])
        for number, task in enumerate((await self._tasks())[:3]):
            await self._step(f"summary {number}", self._edit(task, "Ben", summary=f"{task.summary}, twice"))
            await self._step(f"status {number}", self._edit(task, "Ada", status="Done" if number % 2 else "To do"))
            await self._step(f"due {number}", self._edit(task, "Ada", due=None))
            await self._step(f"due again {number}", self._edit(task, "Ada", due=due, assignees=people_there[:1]))

    async def _more_work(self) -> None:
        for task in (await self._tasks())[:2]:
            actions, doer = self.platform.tasks, await self._doer("Cy")
            await self._step("comment", actions.comment(doer, task.id, "Mind the paint, @ben"))
            await self._step("attach", actions.attach(doer, task.id, "Plan", "https://plans.example/1"))
            old = await actions.attach(doer, task.id, "Old plan", "https://plans.example/0")
            await self._step("detach", actions.detach(doer, old.id))
            await self._step("checklist", self.platform.checklists.add(doer, task.id, "Steps", ["one", "two"], key="s"))
        await self._step("rename", self.platform.people.rename(await self._doer(), self.people["Ben"], "Benno"))
        await self._step("project", self.platform.projects.edit(await self._doer(), self.project, name="New gates"))
        for summary in self.extra.summaries:
            await self._create(summary, due=Due(self._today()), assignees=[self.people["Ben"]])
            await self.settle()

    async def _questions(self) -> None:
        for name in ("Ada", "Ben", "Ben"):  # what the host remembers is as good
            await self._ask(name)

    async def _first_questions(self) -> None:
        await self._ask("Ada")

    async def _job(self) -> None:
        if "job" in (await self._manifest()).hooks:
            ctx = await self._ctx()
            await self._step("start a job", ctx.jobs.start("count", {"to": 2}, key="first"))

    async def _rights(self) -> None:
        objections, forgetting = self.platform.objections, self.platform.forgetting
        await self._step("object", objections.object(await self._doer("Cy"), self.app_id))
        await self.settle()
        await self._ask("Cy")
        await self._step("withdraw", objections.withdraw(await self._doer("Cy"), self.app_id))
        await self._step("restrict", objections.restrict(await self._doer(), self.people["Di"]))
        await self._step("forget", forgetting.forget(await self._doer(), self.people["Eve"]))
        await self.settle()
        await self._step("leave", self.platform.people.leave(await self._doer(), self.people["Gus"]))
        await self._ask("Ada")

    async def _newer_version(self) -> None:
        await self.way.newer()
        await self._step("newer", self.platform.follow())
        await self._create("After the upgrade", due=Due(self._today()))
        await self._ask("Ada")

    async def _pause(self) -> None:
        await self._step("disable", self.platform.leaving.disable(await self._doer(), self.app_id))
        await self._create("While it was disabled", due=Due(self._today()))
        await self._ask("Ada")
        await self._step("enable", self.platform.leaving.enable(await self._doer(), self.app_id))
        await self._create("Enabled", due=Due(self._today()))
        for task in (await self._tasks())[:1]:
            await self._step("archive", self.platform.tasks.archive(await self._doer(), task.id))

    async def _return(self) -> None:
        leaving = self.platform.leaving
        await self._step("uninstall", leaving.uninstall(await self._doer(), self.app_id))
        await self._rest("uninstalled")
        await self._ask("Ada")
        await self._step("restore", leaving.restore(await self._doer(), self.app_id))
        await self._step("enable", leaving.enable(await self._doer(), self.app_id))
        await self.settle()  # it has credentials again
        await self._create("Back again", due=Due(self._today()), assignees=[self.people["Ben"]])
        await self.settle()
        await self._ask("Ben")
        await self._step("uninstall", leaving.uninstall(await self._doer(), self.app_id))

    # Steps

    async def _step(self, name: str, doing: Awaitable[Any]) -> Any:
        try:
            outcome = await doing
        except AppError as error:
            self.account.steps.append((name, {"error": error.to_json()}))
            return None
        told = None if isinstance(outcome, TaskFacts) else to_jsonable_python(_less(outcome), fallback=str)
        self.account.steps.append((name, told))
        return outcome

    async def _create(self, summary: str, by: str = "Ada", **given: Any) -> None:
        changes = await self.platform.db.write(fields.ready, self.here, self.project, given)
        creating = self.platform.tasks.create(
            await self._doer(by), project=self.project, summary=summary, changes=changes
        )
        await self._step(f"create {summary}", creating)

    async def _edit(self, task: TaskFacts, by: str, **given: Any) -> TaskFacts:
        changes = await self.platform.db.write(fields.ready, self.here, task.project, given)
        return await self.platform.tasks.edit(await self._doer(by), TaskId(task.id), changes)

    async def _ask(self, name: str) -> None:
        """All questions that a page asks, as this person."""
        questions, doer, today = self.platform.questions, await self._doer(name), self._today()
        shown = await self._tasks()
        project = await self.platform.db.read(projects.get, self.here, self.project)
        await self._step(f"badges for {name}", questions.badges(doer, shown, today))
        await self._panels(f"board for {name}", questions.board_panel(doer, project, today))
        for task in shown[:2]:
            attached = await self.platform.db.read(attachments.of_task, self.here, task.id)
            await self._panels(f"task for {name}", questions.task_panel(doer, task, attached, today))
        since = today - dt.timedelta(days=27)
        asking = questions.report(doer, self.app_id, since, today, today)
        await self._answer(f"report for {name}", "report", asking)

    async def _panels(self, name: str, asking: Awaitable[Sequence[Panel]]) -> None:
        hook = "board_panel" if name.startswith("board") else "task_panel"

        async def drawn() -> Any:
            return [
                {"blocks": Hooks.all[hook].answer.dump_python(panel.blocks, mode="json"), "failed": panel.failed}
                for panel in await asking
            ]

        await self._step(name, drawn())

    async def _answer(self, name: str, hook: str, asking: Awaitable[Any]) -> None:
        async def answered() -> Any:
            return Hooks.all[hook].answer.dump_python(await asking, mode="json")

        await self._step(name, answered())

    async def settle(self) -> None:
        """Everything that waits is told; what failed is tried again, twice."""
        for _ in range(3):
            while await self.platform.drain():
                pass
            await self.names.learn()
            self.way.clock.later(seconds=self.extra.pace)

    async def _rest(self, name: str) -> None:
        await self.settle()
        self.account.rows[name] = await rows_of(self.platform, self.here, self.names)

    # What there is

    def _furnish(self, conn: Connection) -> None:
        now = self.way.clock()
        self.here = organisations.create(conn, "Harbour", "UTC", now).id
        self.project = projects.create(conn, self.here, "Gates", now=now)
        projects.ensure_type(conn, self.here, "Repair")
        for name, group in STAFF.items():
            self.people[name] = people.add(
                conn,
                self.here,
                name=name,
                email=f"{name.lower()}@harbour.example",
                user_name=name.lower(),
                department=group,
                role="admin" if name == "Ada" else "member",
                now=now,
            ).id

    async def _doer(self, name: str = "Ada") -> Doer:
        return await self.platform.db.read(doers.doer, self.here, self.people[name])

    async def _tasks(self) -> list[TaskFacts]:
        return await self.platform.db.read(tasks.page, self.here, limit=200)

    async def _manifest(self) -> Manifest:
        def read(conn: Connection) -> Manifest:
            found = installations.require(conn, self.here, self.app_id)
            return admission.manifest_of(conn, self.app_id, found.version)

        return await self.platform.db.read(read)

    async def _ctx(self) -> Any:
        installed = await self.platform.db.read(installations.require, self.here, self.app_id)
        grant = await self.platform.grants.current(self.here, installed.id, Actor.installation())
        deadline = self.way.clock() + dt.timedelta(seconds=30)
        return self.platform.contexts.make(
            grant, deadline=deadline, settings=installed.settings, manifest=await self._manifest()
        )

    def _today(self) -> dt.date:
        return self.way.clock().date()


def _less(outcome: Any) -> Any:
    """An outcome without what is random, or says where the app runs."""
    if isinstance(outcome, installations.Installation):
        return {"state": outcome.state, "version": outcome.version, "scopes": sorted(outcome.scopes)}
    return outcome


def _all(manifest: Manifest) -> list[tuple[str, Any]]:
    return list(manifest.settings.items())


def _other(kind: str, default: Any, choices: Sequence[str]) -> Any:
    """A value that is not the default."""
    others: Mapping[str, Callable[[], Any]] = {
        "number": lambda: default + 1,
        "check": lambda: not default,
        "choice": lambda: choices[-1],
        "text": lambda: f"{default}, and more",
    }
    return others[kind]()


def _unanswered(told: Any) -> Any:
    """The same without the words for why there is no answer."""
    if isinstance(told, Mapping):
        if told.get("code") in NO_ANSWER:
            return "no answer"
        return {name: _unanswered(inner) for name, inner in told.items()}
    return [_unanswered(inner) for inner in told] if isinstance(told, list) else told
