"""Two organisations side by side, with the same apps and alike data: nothing done in one reads or changes the other.

Every statement that runs meanwhile is looked at: each table of an organisation's data is held to one organisation, and
the organisation is the one in which something is done.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.app import Platform
from assigntask.db import Database
from assigntask.db import tables as t
from assigntask.grants.grant import Actor
from assigntask.installations.directory import Directory
from assigntask.kit.clock import StandingClock
from assigntask.people import organisations, people
from assigntask.people.facts import Doer
from assigntask.sample import load as sample_board
from assigntask.settings import Settings
from assigntask.tasks import attachments, projects, tasks
from assigntask.tasks.importers import trello
from assigntask_sdk.apps import InstalledApp
from assigntask_sdk.context import Ctx
from assigntask_sdk.errors import AppError

BenchApp = Callable[[str], InstalledApp]
Watching = Callable[[], AbstractContextManager[Any]]

CONTRACT, LISTENING, DRAWING, GUARDING, WAITING = (
    "contract-app", "listening-app", "drawing-app", "guarding-app", "waiting-app",
)  # fmt: skip

# --- two organisations ------------------------------------------------------------------------------------------


@dataclass
class Side:
    """One organisation. Its name is in every text that its people wrote."""

    name: str
    id: str
    admin: Doer
    member: Doer
    leaver: str
    forgotten: str
    board: str
    task: str = ""
    attachment: str = ""
    installations: Mapping[str, str] | None = None


def _founded(conn: Connection, name: str, clock: StandingClock) -> Side:
    now, own = clock.now(), organisations.create(conn, name, "UTC", clock.now()).id
    ids = [
        people.add(
            conn, own, name=f"{who} {name}", email=f"{who}@host.example".lower(), department="Works",
            role="admin" if who == "Ada" else "member", now=now,
        ).id
        for who in ("Ada", "Bo", "Cy", "Di")
    ]  # fmt: skip
    board = projects.create(conn, own, f"Board {name}", now=now)
    return Side(name, own, Doer(own, ids[0], "admin"), Doer(own, ids[1], "member"), ids[2], ids[3], board)


async def furnished(platform: Platform, name: str, clock: StandingClock) -> Side:
    side = await platform.db.write(_founded, name, clock)
    side.installations = {
        app: (await platform.installing.install(side.admin, app)).id for app in (CONTRACT, LISTENING, DRAWING)
    }
    everybody = [side.member.person_id or "", side.leaver, side.forgotten]
    task = await platform.tasks.create(
        side.member, project=side.board, summary=f"Oil {name}", changes={"assignees": everybody}
    )
    side.task = task.id
    side.attachment = (await platform.tasks.attach(side.member, task.id, name, "https://x.example")).id
    await platform.tasks.comment(side.member, task.id, f"Half done {name}")
    await platform.settle()
    return side


@dataclass
class Two:
    platform: Platform
    north: Side
    south: Side
    offered: list[InstalledApp]
    watch: Any

    async def rows_of(self, side: Side) -> Mapping[str, list[tuple[Any, ...]]]:
        return await self.platform.db.read(_rows_of, side.id)

    async def ctx(self, side: Side) -> Ctx:
        grant = await self.platform.grants.current(side.id, (side.installations or {})[CONTRACT], Actor.installation())
        return self.platform.contexts.make(grant, deadline=self.platform.clock(), settings={})

    @contextmanager
    def acting_in(self, side: Side) -> Iterator[None]:
        self.watch.acting, self.watch.others = side.id, frozenset({self.north.id, self.south.id} - {side.id})
        yield
        self.watch.acting, self.watch.others = None, frozenset()


def _rows_of(conn: Connection, organisation_id: str) -> Mapping[str, list[tuple[Any, ...]]]:
    found = {
        "organisation": list(conn.execute(sa.select(t.organisation).where(t.organisation.c.id == organisation_id)))
    }
    for table in t.metadata.sorted_tables:
        if "organisation_id" in table.c:
            found[table.name] = list(conn.execute(sa.select(table).where(table.c.organisation_id == organisation_id)))
    return {name: sorted((tuple(row) for row in rows), key=str) for name, rows in found.items()}


@pytest.fixture
async def two(database_url: str, bench_app: BenchApp, watching: Watching) -> AsyncIterator[Two]:
    names = ("contract_app", "listening_app", "drawing_app", "guarding_app", "waiting_app")
    offered, clock = [bench_app(name) for name in names], StandingClock()
    settings = Settings(database_url, None, "sqlite://", Settings.in_memory().environ)
    async with Platform.open(settings, clock=clock.now, directory=Directory(lambda: offered)) as platform:
        with watching() as watch:
            north, south = await furnished(platform, "North", clock), await furnished(platform, "South", clock)
            yield Two(platform, north, south, offered, watch)


# --- what is done -----------------------------------------------------------------------------------------------

Act = Callable[[Platform, Side], Awaitable[Any]]


async def _facts(p: Platform, s: Side) -> Any:
    found = await p.db.read(tasks.get, s.id, s.task)
    assert found is not None
    return found


async def _task_panel(p: Platform, s: Side) -> Any:
    links = await p.db.read(attachments.of_task, s.id, s.task)
    return await p.questions.task_panel(s.member, await _facts(p, s), links, p.clock().date())


async def _badges(p: Platform, s: Side) -> Any:
    return await p.questions.badges(s.member, [await _facts(p, s)], p.clock().date())


async def _board_panel(p: Platform, s: Side) -> Any:
    project = await p.db.read(projects.get, s.id, s.board)
    return await p.questions.board_panel(s.member, project, p.clock().date())


async def _person_of(p: Platform, s: Side) -> Any:
    grant = await p.grants.current(s.id, _inst(s, CONTRACT), Actor.installation())
    return await p.grants.person_of(grant, grant.pairwise(s.member.person_id or ""))


def _inst(side: Side, app: str) -> str:
    return (side.installations or {})[app]


def _sample(p: Platform) -> Any:
    return trello.read(sample_board(p.clock().date())[0])


ACTS: Mapping[str, Act] = {
    "tasks.create": lambda p, s: p.tasks.create(s.member, project=s.board, summary=f"New {s.name}", key="k"),
    "tasks.edit": lambda p, s: p.tasks.edit(s.member, s.task, {"summary": f"Grease {s.name}"}),
    "tasks.comment": lambda p, s: p.tasks.comment(s.member, s.task, f"Well {s.name}", key="k"),
    "tasks.attach": lambda p, s: p.tasks.attach(s.member, s.task, f"Plan {s.name}", "https://y.example", key="k"),
    "tasks.detach": lambda p, s: p.tasks.detach(s.member, s.attachment),
    "questions.guards": lambda p, s: p.questions.guards(s.id),
    "questions.badges": _badges,
    "questions.board_panel": _board_panel,
    "questions.task_panel": _task_panel,
    "questions.report": lambda p, s: p.questions.report(
        s.member, DRAWING, p.clock().date(), p.clock().date(), p.clock().date()
    ),
    "questions.refresh": lambda p, s: p.questions.refresh(s.id, _inst(s, DRAWING), s.task),
    "notices.drain": lambda p, s: p.notices.drain(s.id, _inst(s, LISTENING)),
    "tasks.archive": lambda p, s: p.tasks.archive(s.member, s.task),
    "people.add": lambda p, s: p.people.add(s.admin, name=f"Eve {s.name}", email="eve@host.example", department="Shop"),
    "people.role": lambda p, s: p.people.role(s.admin, s.leaver, "admin"),
    "people.department": lambda p, s: p.people.department(s.admin, s.leaver, "Shop"),
    "people.job_title": lambda p, s: p.people.job_title(s.admin, s.leaver, "Smith"),
    "people.rename": lambda p, s: p.people.rename(s.admin, s.leaver, f"Cyra {s.name}"),
    "people.email": lambda p, s: p.people.email(s.admin, s.leaver, "cyra@host.example"),
    "people.contact": lambda p, s: p.people.contact(s.admin, "technical", s.leaver),
    "people.policy": lambda p, s: p.people.policy(s.admin, members_may_install="self"),
    "people.leave": lambda p, s: p.people.leave(s.admin, s.leaver),
    "objections.object": lambda p, s: p.objections.object(s.member, CONTRACT),
    "objections.withdraw": lambda p, s: p.objections.withdraw(s.member, CONTRACT),
    "objections.restrict": lambda p, s: p.objections.restrict(s.admin, s.member.person_id or ""),
    "objections.lift": lambda p, s: p.objections.lift(s.admin, s.member.person_id or ""),
    "forgetting.forget": lambda p, s: p.forgetting.forget(s.admin, s.forgotten),
    "imports.run": lambda p, s: p.imports.run(s.admin, _sample(p)),
    "installing.request": lambda p, s: p.installing.request(s.member, GUARDING),
    "installing.decline": lambda p, s: p.installing.decline(s.admin, GUARDING),
    "installing.install": lambda p, s: p.installing.install(s.admin, WAITING, projects=[s.board]),
    "installing.install, dry": lambda p, s: p.installing.install(s.admin, GUARDING, dry_run=True),
    "app_settings.set": lambda p, s: p.app_settings.set(s.admin, CONTRACT, {"colour": "blue"}),
    "app_settings.get": lambda p, s: p.app_settings.get(s.admin, CONTRACT),
    "app_settings.set_own": lambda p, s: p.app_settings.set_own(s.member, CONTRACT, {}),
    "app_settings.get_own": lambda p, s: p.app_settings.get_own(s.member, CONTRACT),
    "upgrading.upgrade": lambda p, s: p.upgrading.upgrade(s.admin, CONTRACT),
    "leaving.disable": lambda p, s: p.leaving.disable(s.admin, LISTENING),
    "leaving.enable": lambda p, s: p.leaving.enable(s.admin, LISTENING),
    "leaving.uninstall": lambda p, s: p.leaving.uninstall(s.admin, LISTENING),
    "leaving.restore": lambda p, s: p.leaving.restore(s.admin, LISTENING),
    "grants.current": lambda p, s: p.grants.current(s.id, _inst(s, CONTRACT), Actor.viewer(s.member)),
    "grants.person_of": _person_of,
    "grants.subscriptions": lambda p, s: p.grants.subscriptions(s.id, "task_changed"),
    "ledger.given": lambda p, s: p.ledger.given(s.id, app_id=CONTRACT),
    "ledger.seal": lambda p, s: p.ledger.seal(s.id),
    "ledger.checkpoint": lambda p, s: p.ledger.checkpoint(s.id),
    "ledger.verify": lambda p, s: p.ledger.verify(s.id),
}

ELSEWHERE = {
    "forgetting.sweep": "the host's own, over all organisations",
    "leaving.sweep": "the host's own, over all organisations",
    "notices.drain_due": "the host's own, over all organisations",
    "upgrading.check": "the host's own, over all organisations",
    "founding.organisation": "makes an organisation: there is no other one in it",
    "founding.ensure": "makes an organisation: there is no other one in it",
    "ledger.record": "what the gate calls: every act that reads goes through it",
    "ledger.close": "waits for what is being written",
}
"""Public acts that are not in the table, and why."""


def test_every_public_act_is_in_the_table() -> None:
    named = {name.partition(",")[0] for name in ACTS} | ELSEWHERE.keys()
    services = {name.partition(".")[0] for name in named}
    annotated = inspect.getsource(Platform.__init__)
    classes = {name: re.search(rf"self\.{name} = (\w+)\(", annotated) for name in services}
    public = set()
    for service, made in classes.items():
        assert made is not None, service
        kind = vars(sys.modules[Platform.__module__])[made[1]]
        members = inspect.getmembers(kind, inspect.iscoroutinefunction)
        public |= {f"{service}.{name}" for name, _ in members if not name.startswith("_")}
    assert public == named


async def test_what_is_done_in_one_organisation_reads_and_changes_nothing_of_the_other(two: Two) -> None:
    wrong: list[str] = []
    before = await two.rows_of(two.south)
    ids = {value for rows in before.values() for row in rows for value in row if _is_id(value)}
    [contract] = [app for app in two.offered if app.id == CONTRACT]
    assert contract.manifest is not None
    newer = contract.manifest.model_copy(update={"version": "1.1.0", "retention_days": 20})
    for name, act in ACTS.items():
        if name == "upgrading.upgrade":
            two.offered[0] = replace(contract, manifest=newer)
        with two.acting_in(two.north):
            given = await act(two.platform, two.north)
        told = repr(given)
        wrong += [f"{name} tells {known} of the other one" for known in ids if known in told]
        wrong += [f"{name} tells a text of the other one"] if "South" in told else []
        after = await two.rows_of(two.south)
        wrong += [f"{name} changes {table} of the other one" for table in before if before[table] != after[table]]
        before = after
    assert wrong == []
    assert two.watch.complaints == []
    assert two.watch.seen > 10 * len(ACTS)


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", value) is not None


async def test_ctx_reads_and_changes_nothing_of_another_organisation(two: Two) -> None:
    before = await two.rows_of(two.south)
    with two.acting_in(two.north):
        ctx = await two.ctx(two.north)
        told = [
            [task async for task in ctx.tasks.list()],
            [task async for task in ctx.tasks.list(archived=True)],
            [person async for person in ctx.people.list(fields=["name", "email"])],
            await ctx.projects.list(),
            await ctx.comments.list(two.north.task),  # type: ignore[arg-type]
            await ctx.attachments.list(two.north.task),  # type: ignore[arg-type]
        ]
    assert "North" in repr(told)
    assert "South" not in repr(told)
    assert await two.rows_of(two.south) == before
    assert two.watch.complaints == []


# --- reaching across --------------------------------------------------------------------------------------------


def trespasses(p: Platform, own: Side, theirs: Side, ctx: Ctx) -> Mapping[str, Callable[[], Awaitable[Any]]]:
    """What somebody of `own` might try with the ids of `theirs`."""
    their_member, posing = theirs.member.person_id or "", Doer(own.id, theirs.admin.person_id, "admin")
    task: Any = theirs.task
    attached, board, listening = theirs.attachment, theirs.board, _inst(theirs, LISTENING)
    return {
        "edit": lambda: p.tasks.edit(own.member, task, {"summary": "Mine"}),
        "archive": lambda: p.tasks.archive(own.member, task),
        "comment": lambda: p.tasks.comment(own.member, task, "Mine"),
        "attach": lambda: p.tasks.attach(own.member, task, "Mine", "https://x.example"),
        "detach": lambda: p.tasks.detach(own.member, attached),
        "create in their project": lambda: p.tasks.create(own.member, project=board, summary="Mine"),
        "assign their people": lambda: p.tasks.edit(own.member, own.task, {"assignees": [their_member]}),
        "role": lambda: p.people.role(own.admin, their_member, "admin"),
        "department": lambda: p.people.department(own.admin, their_member, "Mine"),
        "leave": lambda: p.people.leave(own.admin, their_member),
        "contact": lambda: p.people.contact(own.admin, "billing", their_member),
        "restrict": lambda: p.objections.restrict(own.admin, their_member),
        "forget": lambda: p.forgetting.forget(own.admin, their_member),
        "install for their project": lambda: p.installing.install(own.admin, WAITING, projects=[board]),
        "pose as their admin": lambda: p.leaving.uninstall(posing, LISTENING),
        "object as their member": lambda: p.objections.object(Doer(own.id, their_member, "member"), LISTENING),
        "their installation's grant": lambda: p.grants.current(own.id, listening, Actor.installation()),
        "their installation's line": lambda: p.notices.drain(own.id, listening),
        "ctx task": lambda: ctx.tasks.get(task),
        "ctx tasks": lambda: ctx.tasks.get_many([task]),
        "ctx project": lambda: ctx.projects.get(board),  # type: ignore[arg-type]
        "ctx comments": lambda: ctx.comments.list(task),
        "ctx attachments": lambda: ctx.attachments.list(task),
        "ctx detach": lambda: ctx.attachments.remove(attached),  # type: ignore[arg-type]
        "ctx edit": lambda: ctx.tasks.edit(task, summary="Mine"),
        "ctx create": lambda: ctx.tasks.create("Mine", project=board),  # type: ignore[arg-type]
        "ctx person": lambda: ctx.people.get(their_member),  # type: ignore[arg-type]
        "ctx store of a task": lambda: ctx.storage.task(task).get("k"),
    }


async def test_ids_of_another_organisation_lead_nowhere(two: Two) -> None:
    before = await two.rows_of(two.south), await two.rows_of(two.north)
    tried = trespasses(two.platform, two.north, two.south, await two.ctx(two.north))
    got: dict[str, Any] = {}
    for name, attempt in tried.items():
        try:
            got[name] = await attempt()
        except AppError as refused:
            assert "South" not in refused.message
    assert {name: given for name, given in got.items() if given} == {}
    assert (await two.rows_of(two.south), await two.rows_of(two.north)) == before


# --- the watch itself -------------------------------------------------------------------------------------------


async def test_what_is_the_hosts_own_is_known_by_name(two: Two) -> None:
    platform = two.platform
    await platform.leaving.uninstall(two.north.admin, CONTRACT)
    await platform.forgetting.forget(two.north.admin, two.north.leaver)
    await platform.sweep()
    await platform.db.read(organisations.by_name, "North")
    await platform.upgrading.check()
    await platform.db.read(organisations.listed)
    assert two.watch.complaints == []
    assert two.watch.host_wide == two.watch.allowed.keys()


@pytest.mark.parametrize(
    "loose",
    [
        sa.select(t.task.c.id),
        sa.select(t.task.c.id).where(t.task.c.id == "x"),
        sa.select(t.task.c.id, t.task.c.organisation_id),
        sa.select(t.task.c.id).join(t.comment, t.comment.c.task_id == t.task.c.id).where(
            t.task.c.organisation_id == "x"
        ),
        sa.update(t.person).values(name="x"),
        sa.delete(t.store).where(t.store.c.owner_id == "x"),
        sa.select(t.organisation.c.name),
    ],
    ids=str,
)  # fmt: skip
async def test_a_statement_that_is_held_to_no_organisation_is_found(
    database: Database, watching: Watching, loose: Any
) -> None:
    with watching() as watch:
        await database.write(lambda conn: conn.execute(loose).close())
    assert len(watch.complaints) == 1


async def test_a_statement_held_to_another_organisation_is_found(database: Database, watching: Watching) -> None:
    with watching() as watch:
        watch.acting, watch.others = "mine", frozenset({"theirs"})
        await database.read(
            lambda conn: conn.execute(sa.select(t.task.c.id).where(t.task.c.organisation_id == "mine")).all()
        )
        assert watch.complaints == []
        await database.read(
            lambda conn: conn.execute(sa.select(t.task.c.id).where(t.task.c.organisation_id == "theirs")).all()
        )
    assert len(watch.complaints) == 1
