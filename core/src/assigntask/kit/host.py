"""The host as a test sees it: each call goes the way that people's and apps' calls go."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.app import Platform
from assigntask.db import tables as t
from assigntask.db.ids import new_id
from assigntask.errors import HostError
from assigntask.grants import grants
from assigntask.grants.grant import Actor, Grant
from assigntask.hooks import problems
from assigntask.hooks.asking import AppNote
from assigntask.installations import admission, installations
from assigntask.installations.installations import Installation
from assigntask.people import doers, people
from assigntask.people.facts import Doer, OrganisationFacts, PersonFacts
from assigntask.schedules import runs
from assigntask.tasks import attachments, projects, tasks
from assigntask.tasks.facts import TaskFacts
from assigntask_sdk.apps import InstalledApp
from assigntask_sdk.blocks import Badge, Block, Chart, Table
from assigntask_sdk.context import Ctx
from assigntask_sdk.details import DETAILS, details_of
from assigntask_sdk.errors import NotFound
from assigntask_sdk.hooks import Hooks
from assigntask_sdk.manifest import Manifest
from assigntask_sdk.records import AttachmentId, Due, Job, PersonId, TaskId
from assigntask_sdk.testing import (
    LedgerEntry,
    PersonUnderTest,
    ReportedProblem,
    ScopesNeeded,
    TaskUnderTest,
    within_limits,
)

from . import fields
from .changes import edit_person, project_named
from .clock import StandingClock
from .killing import MANY, Whose, killed_at_every_step
from .notices import raise_failures, standing
from .platforms import Opening
from .witness import Witness

R = TypeVar("R")


class KitHost:
    """Implements `assigntask_sdk.testing.HostUnderTest`. The host's own tests reach what is behind it too."""

    def __init__(
        self,
        platform: Platform,
        app: InstalledApp,
        witness: Witness,
        clock: StandingClock,
        organisation: OrganisationFacts,
        admin: PersonFacts,
        project_id: str,
        opening: Opening,
    ) -> None:
        self.platform = platform
        self.organisation_id = organisation.id
        self.project_id = project_id
        self.app = app
        self.clock = clock
        self.admin = _person(admin)
        self.installation_id = ""
        self._witness = witness
        self._opening = opening

    async def install(
        self, without: Collection[str], projects: Collection[str], settings: Mapping[str, Any], beside: Collection[str]
    ) -> None:
        admin, installing = await self.doer(), self.platform.installing
        installed = await installing.install(admin, self.app.id, without=without, projects=projects)
        self.installation_id = installed.id
        if settings:
            await self.settings(**settings)
        for app_id in beside:
            await installing.install(admin, app_id)

    async def doer(self, by: PersonUnderTest | None = None) -> Doer:
        """The admin where nobody is named. Raises HostError `person_inactive`."""
        return await self.platform.db.read(doers.doer, self.organisation_id, (by or self.admin).id)

    # The app's side

    def ctx(self) -> Ctx:
        # Whoever calls this is no coroutine; a read of a database in memory takes microseconds.
        installation, manifest, grant = self.platform.db.read_inline(
            _own, self.organisation_id, self.installation_id, self.platform.keys.pairwise()
        )
        if grant.state == "disabled":  # a ctx that was made before: its first call finds out
            grant = replace(grant, state="active")
        deadline = self.clock.now() + dt.timedelta(seconds=Hooks.all["task_changed"].limit)
        made = self.platform.contexts.make(grant, deadline=deadline, settings=installation.settings, manifest=manifest)
        return self._witness.needs.watching(made)

    async def known_as(self, person: PersonUnderTest) -> PersonId | None:
        grant = await self._grant()
        return None if grant.withholds(person.id) else PersonId(grant.pairwise(person.id))

    # People and tasks

    async def person(
        self,
        name: str,
        *,
        email: str | None = None,
        department: str | None = None,
        job_title: str | None = None,
        role: Literal["member", "admin"] = "member",
    ) -> PersonUnderTest:
        added = await self.platform.people.add(
            await self.doer(), name=name, email=email, department=department, job_title=job_title, role=role
        )
        return _person(added)

    async def edit_person(
        self, person: PersonUnderTest, *, by: PersonUnderTest | None = None, **changes: Any
    ) -> PersonUnderTest:
        await edit_person(self.platform, await self.doer(by), person.id, changes)
        return _person(await self.platform.db.read(people.get, self.organisation_id, person.id))

    async def leave(self, person: PersonUnderTest) -> None:
        await self.platform.people.leave(await self.doer(), person.id)

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
        given = {
            "description": description,
            "type": type,
            "status": status,
            "start": start,
            "due": due,
            "assignees": assignees,
            "labels": labels,
        }
        given = {name: value for name, value in given.items() if value}
        db, organisation_id = self.platform.db, self.organisation_id
        project_id = self.project_id
        if project is not None:
            project_id = await project_named(self.platform, await self.doer(), project, make=True)
        changes = await db.write(fields.ready, organisation_id, project_id, given)
        doer = await self.doer(by)
        created = await self.platform.tasks.create(doer, project=project_id, summary=summary, changes=changes)
        return _task(created)

    async def edit_task(
        self, task: TaskUnderTest | TaskId, *, by: PersonUnderTest | None = None, **changes: Any
    ) -> TaskUnderTest:
        before = await self._task(task)
        resolved = await self.platform.db.write(fields.ready, self.organisation_id, before.project, changes)
        return _task(await self.platform.tasks.edit(await self.doer(by), before.id, resolved))

    async def comment(self, task: TaskUnderTest | TaskId, text: str, *, by: PersonUnderTest | None = None) -> None:
        await self.platform.tasks.comment(await self.doer(by), _id(task), text)

    async def attach(
        self, task: TaskUnderTest | TaskId, name: str, url: str, *, by: PersonUnderTest | None = None
    ) -> AttachmentId:
        return AttachmentId((await self.platform.tasks.attach(await self.doer(by), _id(task), name, url)).id)

    async def detach(self, attachment: AttachmentId, *, by: PersonUnderTest | None = None) -> None:
        await self.platform.tasks.detach(await self.doer(by), attachment)

    async def edit_project(self, project: str | None = None, **changes: Any) -> None:
        doer, project_id = await self.doer(), self.project_id
        if project is not None:
            project_id = await project_named(self.platform, doer, project)
        await self.platform.projects.edit(doer, project_id, **changes)

    # What the app shows

    async def badges(
        self, task: TaskUnderTest | TaskId | None = None, *, viewer: PersonUnderTest | None = None
    ) -> dict[TaskId, list[Badge]]:
        asked = [await self._task(task)] if task is not None else await self._open_tasks()
        self._witness.forget()
        shown = await self.platform.questions.badges(await self.doer(viewer), asked, self._today())
        for failed in shown.failed:
            self._raise(failed, "task_badges")
        own = {
            TaskId(task_id): [one.badge for one in badges if one.installation_id == self.installation_id]
            for task_id, badges in shown.by_task.items()
        }
        return {task_id: badges for task_id, badges in own.items() if badges}

    async def board_panel(self, *, viewer: PersonUnderTest | None = None) -> list[Block]:
        project = await self.platform.db.read(projects.get, self.organisation_id, self.project_id)
        asking = self.platform.questions.board_panel(await self.doer(viewer), project, self._today())
        return await self._panel("board_panel", asking)

    async def task_panel(self, task: TaskUnderTest | TaskId, *, viewer: PersonUnderTest | None = None) -> list[Block]:
        shown = await self._task(task)
        attached = await self.platform.db.read(attachments.of_task, self.organisation_id, shown.id)
        asking = self.platform.questions.task_panel(await self.doer(viewer), shown, attached, self._today())
        return await self._panel("task_panel", asking)

    async def report(self, since: dt.date, until: dt.date) -> list[Table | Chart]:
        asking = self.platform.questions.report(await self.doer(), self.app.id, since, until, self._today())
        return list(await self._asked("report", asking))

    # What is told to the app, and set for it

    async def settings(self, **values: Any) -> None:
        await self.platform.app_settings.set(await self.doer(), self.app.id, values)

    async def drain(self, *, kill_at_every_step: bool = False) -> int:
        if not kill_at_every_step:
            return await self._drain()
        whose = Whose(self.organisation_id, self.installation_id)
        return await killed_at_every_step(self._opening, self.platform, self._witness, whose, self._drain)

    async def scheduled(self, name: str, *, kill_at_every_step: bool = False) -> None:
        manifest = await self._manifest()
        if name not in manifest.schedule:
            raise NotFound(f"app.toml has no schedule {name!r} under [schedule].")
        now = self.clock.now()
        await self.platform.db.write(runs.start, self.organisation_id, self.installation_id, name, now, now)
        await self.drain(kill_at_every_step=kill_at_every_step)

    async def run_job(
        self, name: str, args: Any = None, *, key: str | None = None, kill_at_every_step: bool = False
    ) -> Job:
        job_id = await self.ctx().jobs.start(name, args, key=key or f"run_job {new_id()}")
        await self.drain(kill_at_every_step=kill_at_every_step)
        return await self.ctx().jobs.get(job_id)

    async def _drain(self) -> int:
        db, organisation_id = self.platform.db, self.organisation_id
        before = await db.read(standing, organisation_id)
        self._witness.forget()
        told = 0
        while count := await self.platform.notices.drain_due(limit=MANY):
            told += count
        raise_failures(before, await db.read(standing, organisation_id), self._witness)
        return told

    # What people decide

    async def object(self, person: PersonUnderTest) -> None:
        await self.platform.objections.object(await self.doer(person), self.app.id)

    async def withdraw_objection(self, person: PersonUnderTest) -> None:
        await self.platform.objections.withdraw(await self.doer(person), self.app.id)

    async def restrict(self, person: PersonUnderTest) -> None:
        await self.platform.objections.restrict(await self.doer(), person.id)

    async def forget(self, person: PersonUnderTest) -> None:
        await self.platform.forgetting.forget(await self.doer(), person.id)

    async def disable(self) -> None:
        await self.platform.leaving.disable(await self.doer(), self.app.id)

    async def enable(self) -> None:
        await self.platform.leaving.enable(await self.doer(), self.app.id)

    async def uninstall(self) -> None:
        await self.platform.leaving.uninstall(await self.doer(), self.app.id)

    async def restore(self) -> None:
        """To disabled, as an admin finds it: `enable` follows."""
        await self.platform.leaving.restore(await self.doer(), self.app.id)

    # What is known of it

    async def problems(self) -> list[ReportedProblem]:
        listed = await self.platform.db.read(problems.listed, self.organisation_id, self.installation_id)
        return [ReportedProblem(one.key, one.text, one.severity, one.count) for one in listed]

    async def ledger(self, person: PersonUnderTest | None = None) -> list[LedgerEntry]:
        facts: PersonFacts | None = None
        if person is not None:
            facts = await self.platform.db.read(people.get, self.organisation_id, person.id)
        entries = await self.platform.ledger.given(self.organisation_id, app_id=self.app.id, person=facts)
        return [
            LedgerEntry(
                channel=entry.channel or "",
                details=frozenset(entry.details),
                records=frozenset(f"{kind}:{name}" for kind, name, _ in entry.records),
                subjects=frozenset(entry.subjects),
            )
            for entry in entries
            if entry.kind == "release" and entry.installation == self.installation_id
        ]

    async def unread_details(self) -> frozenset[str]:
        installation, manifest = await self._installation(), await self._manifest()
        named = frozenset(detail for details in manifest.hooks.values() for detail in details)
        given = frozenset(detail for entry in await self.ledger() for detail in entry.details)
        return (named & details_of(installation.scopes)) - given

    async def scopes_needed(self) -> ScopesNeeded:
        granted = (await self._installation()).scopes
        released = {detail for entry in await self.ledger() for detail in entry.details}
        opened = {DETAILS[detail].scope for detail in released & details_of(granted)}  # contacts are asked for apart
        powers, refused = self._witness.needs.powers, self._witness.needs.refused
        return ScopesNeeded(frozenset(opened | powers & granted), frozenset(refused | powers - granted))

    async def _manifest(self) -> Manifest:
        """The accepted one."""
        version = (await self._installation()).version
        return await self.platform.db.read(admission.manifest_of, self.app.id, version)

    async def _installation(self) -> Installation:
        return await self.platform.db.read(installations.get, self.organisation_id, self.installation_id)

    async def _grant(self) -> Grant:
        return await self.platform.grants.current(
            self.organisation_id, self.installation_id, Actor.installation(), any_state=True
        )

    async def _task(self, task: TaskUnderTest | TaskId) -> TaskFacts:
        found = await self.platform.db.read(tasks.get, self.organisation_id, _id(task))
        if found is None:
            raise NotFound("There is no such task.")
        return found

    async def _open_tasks(self) -> list[TaskFacts]:
        return await self.platform.db.read(tasks.page, self.organisation_id, limit=MANY)

    def _today(self) -> dt.date:
        return self.clock.now().date()

    async def _panel(self, hook: str, asking: Awaitable[Sequence[Any]]) -> list[Block]:
        shown = await self._asked(hook, asking)
        own = [panel for panel in shown if panel.installation_id == self.installation_id]
        for panel in own:
            if panel.failed is not None:
                self._raise(panel.failed, hook)
        return list(within_limits(hook, [block for panel in own for block in panel.blocks]))

    async def _asked(self, hook: str, asking: Awaitable[R]) -> R:
        """Raises what the app raised, OverLimit, or how the host says that there is no answer."""
        self._witness.forget()
        try:
            return await asking
        except HostError as failed:
            if failed.code == "blocks_too_large":
                within_limits(hook, self._witness.answer(hook, self.app.id))
            raise self._witness.raised(hook, self.app.id) or failed from None

    def _raise(self, failed: AppNote, hook: str) -> None:
        if failed.app_id == self.app.id:
            raise self._witness.raised(hook, self.app.id) or HostError(failed.code, failed.words)


def _own(
    conn: Connection, organisation_id: str, installation_id: str, pairwise_key: bytes
) -> tuple[Installation, Manifest, Grant]:
    installation = installations.get(conn, organisation_id, installation_id)
    manifest = admission.manifest_of(conn, installation.app_id, installation.version)
    epoch = conn.execute(sa.select(t.organisation.c.epoch).where(t.organisation.c.id == organisation_id)).scalar_one()
    grant = grants.load(conn, organisation_id, installation_id, Actor.installation(), pairwise_key, epoch)
    return installation, manifest, grant


def _person(facts: PersonFacts) -> PersonUnderTest:
    return PersonUnderTest(facts.id, facts.name, facts.email, facts.role)


def _task(facts: TaskFacts) -> TaskUnderTest:
    return TaskUnderTest(TaskId(facts.id), facts.number, facts.version, facts.unchecked_by)


def _id(task: TaskUnderTest | TaskId) -> TaskId:
    return task.id if isinstance(task, TaskUnderTest) else task
