"""Two organisations side by side, with the same apps and alike data: nothing done in one reads or changes the other.

Every statement that runs meanwhile is looked at: each table of an organisation's data is held to one organisation, and
the organisation is the one in which something is done.
"""

from __future__ import annotations

import inspect
import re
import sys
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.actions.deliveries import Since
from assigntask.actions.files import FileActions
from assigntask.app import Platform
from assigntask.db import Database
from assigntask.db import tables as t
from assigntask.delivery.dialled import DueLines
from assigntask.grants.grant import Actor
from assigntask.hooks import lines
from assigntask.installations import installations
from assigntask.installations.directory import Directory
from assigntask.installations.installations import Installation
from assigntask.jobs import rows as app_jobs
from assigntask.kit.clock import StandingClock
from assigntask.oauth import clients, metadata
from assigntask.oauth.authorizing import Consent
from assigntask.oauth.exchange import TokenRequest
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
    checklist: str = ""
    item: str = ""
    file: str = ""
    job: str = ""
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
    side.checklist = await platform.checklists.add(side.member, task.id, f"Steps {name}", key="steps")
    side.item = await platform.checklists.add_item(side.member, side.checklist, f"Clean {name}", key="clean")
    files = FileActions(platform.db, platform.clock, 1000)
    side.file = (await files.attach(side.member, task.id, f"{name}.txt", _pieces(name), key="file")).id
    app = (side.installations or {})[CONTRACT]
    side.job = await platform.db.write(app_jobs.start, side.id, app, "import", name, "k", platform.clock())
    await platform.tasks.comment(side.member, task.id, f"Half done {name}")
    await platform.settle()
    return side


async def _pieces(*words: str) -> AsyncIterator[bytes]:
    for word in words:
        yield word.encode()


async def _file_and_back(ctx: Ctx, side: Side) -> list[str]:
    """Another file, and what is in both."""
    made = await ctx.attachments.add_file(side.task, "b", _pieces(side.name), key="b")  # type: ignore[arg-type]
    both = [ctx.attachments.content(made), ctx.attachments.content(side.file)]  # type: ignore[arg-type]
    return [chunk.decode() for content in both async for chunk in content]


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
    settings = Settings(database_url, None, "sqlite://", Settings.in_memory().environ, url="https://tasks.example")
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


async def _in_and_out(p: Platform, s: Side) -> Any:
    link = await p.signing_in.make_link(Doer(s.id, None, None, operator=True), s.member.person_id or "")
    cookie, session = await p.signing_in.sign_in(link, None)
    seen = await p.signing_in.current(cookie)
    await p.signing_in.sign_out(session)
    return session, seen


async def _authorized(p: Platform, s: Side) -> Any:
    """A member lets an app act for them: page, code, tokens, another token, and the end of all of them."""
    verifier, back = "v" * 43, "https://host.example/back"
    client = await p.credentials.client(await _installation(p, s))
    asked = {
        "response_type": "code",
        "client_id": client.id,
        "redirect_uri": back,
        "code_challenge": urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("="),
        "code_challenge_method": "S256",
    }
    shown = await p.authorizing.open(urlencode(asked).encode(), s.member)
    assert isinstance(shown, Consent), shown
    again = await p.authorizing.again(s.member, shown.pending)
    denied = await p.authorizing.deny(s.member, shown.pending)
    sent = await p.authorizing.allow(s.member, shown.pending, (), again.offered)
    code = parse_qs(urlsplit(sent.url).query)["code"][0]
    issued = await p.credentials.rotate(s.admin, LISTENING)
    proof = {"client_id": issued.client_id, "client_secret": issued.client_secret}
    redeemed = await p.oauth.token(
        TokenRequest(
            {"grant_type": "authorization_code", "code": code, "redirect_uri": back, "code_verifier": verifier, **proof}
        )
    )
    refresh = {"grant_type": "refresh_token", "refresh_token": (redeemed.body or {})["refresh_token"]}
    token = ((await p.oauth.token(TokenRequest({**refresh, **proof}))).body or {})["access_token"]
    bearer = await p.tokens.check(token)
    looked = await p.oauth.introspect(TokenRequest({"token": token, **proof}))
    ended = await p.oauth.revoke(TokenRequest({"token": token, **proof}))
    return shown, denied, bearer, looked, ended, await p.credentials.show(s.admin, LISTENING)


async def _handed_over(p: Platform, s: Side) -> Any:
    installation = await _installation(p, s)
    issued = await p.credentials.issue(installation)
    await p.credentials.delivered(installation, 1)
    proof = TokenRequest({"client_id": issued.client_id, "client_secret": issued.client_secret})
    return await p.oauth.authenticate(proof), await p.oauth.admitted(proof, metadata.PUSH)


async def _told_again(p: Platform, s: Side) -> Any:
    own = _inst(s, LISTENING)
    found = await p.deliveries.list(s.admin, own)
    assert found
    last = found[0].id
    return [found, await p.deliveries.get(s.admin, own, last), await p.deliveries.replay(s.admin, own, last)]


async def _installation(p: Platform, s: Side) -> Installation:
    return await p.db.read(installations.require, s.id, LISTENING)


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
    "checklists.add": lambda p, s: p.checklists.add(s.member, s.task, f"More {s.name}", ["Dry"], key="k"),
    "checklists.add_item": lambda p, s: p.checklists.add_item(s.member, s.checklist, f"Dry {s.name}", key="k"),
    "checklists.set_done": lambda p, s: p.checklists.set_done(s.member, s.item, True),
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
    "projects.create": lambda p, s: p.projects.create(s.admin, f"Sheds {s.name}"),
    "projects.edit": lambda p, s: p.projects.edit(s.admin, s.board, description=f"Of {s.name}"),
    "projects.add_status": lambda p, s: p.projects.add_status(s.admin, s.board, "Waiting"),
    "signing_in.make_link": _in_and_out,
    "signing_in.sign_in": _in_and_out,
    "signing_in.current": _in_and_out,
    "signing_in.sign_out": _in_and_out,
    **dict.fromkeys((f"authorizing.{name}" for name in ("open", "again", "allow", "deny")), _authorized),
    **dict.fromkeys((f"oauth.{name}" for name in ("token", "introspect", "revoke")), _authorized),
    **dict.fromkeys((f"credentials.{name}" for name in ("client", "rotate", "show")), _authorized),
    **dict.fromkeys((f"credentials.{name}" for name in ("issue", "delivered")), _handed_over),
    **dict.fromkeys((f"oauth.{name}" for name in ("authenticate", "admitted")), _handed_over),
    "tokens.check": _authorized,
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
    **dict.fromkeys((f"deliveries.{name}" for name in ("list", "get", "replay")), _told_again),
    "deliveries.replay_since": lambda p, s: p.deliveries.replay_since(
        s.admin, _inst(s, LISTENING), Since(p.clock().replace(year=2020))
    ),
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
    "grants.epoch": lambda p, s: p.grants.epoch(s.id),
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
    "signing_in.sweep": "the host's own, over all organisations",
    "notices.drain_due": "the host's own, over all organisations",
    "notices.start_due": "the host's own, over all organisations",
    "notices.run": "notices.drain, until nothing is due",
    "notices.close": "the end of the host's own work",
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
            await ctx.organisation.get(),
            await ctx.departments.list(),
            await ctx.task_types.list(),
            await ctx.problems.list(),
            await ctx.events.list(),
            await _file_and_back(ctx, two.north),
            await ctx.jobs.start("import", {}, key="k"),
            await ctx.jobs.list(),
            await ctx.checklists.add(two.north.task, "Steps", ["Oil"], key="k"),  # type: ignore[arg-type]
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
        "rename a project": lambda: p.projects.edit(own.admin, board, name="Mine"),
        "add a status": lambda: p.projects.add_status(own.admin, board, "Mine"),
        "checklist": lambda: p.checklists.add(own.member, task, "Mine", key="k"),
        "checklist item": lambda: p.checklists.add_item(own.member, theirs.checklist, "Mine", key="k"),
        "checklist item done": lambda: p.checklists.set_done(own.member, theirs.item, True),
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
        "their deliveries": lambda: p.deliveries.list(own.admin, listening),
        "their app told again": lambda: p.deliveries.replay_since(
            own.admin, listening, Since(p.clock().replace(year=2020))
        ),
        "ctx task": lambda: ctx.tasks.get(task),
        "ctx tasks": lambda: ctx.tasks.get_many([task]),
        "ctx project": lambda: ctx.projects.get(board),  # type: ignore[arg-type]
        "ctx comments": lambda: ctx.comments.list(task),
        "ctx attachments": lambda: ctx.attachments.list(task),
        "ctx detach": lambda: ctx.attachments.remove(attached),  # type: ignore[arg-type]
        "ctx checklist": lambda: ctx.checklists.add(task, "Mine", key="k"),
        "ctx item": lambda: ctx.checklists.add_item(theirs.checklist, "Mine", key="k"),  # type: ignore[arg-type]
        "ctx done": lambda: ctx.checklists.set_done(theirs.item, True),  # type: ignore[arg-type]
        "ctx file": lambda: ctx.attachments.add_file(task, "a", _pieces(theirs.name), key="k"),
        "ctx content": lambda: anext(ctx.attachments.content(theirs.file)),  # type: ignore[arg-type]
        "ctx job": lambda: ctx.jobs.get(theirs.job),  # type: ignore[arg-type]
        "ctx progress": lambda: ctx.jobs.progress(theirs.job, 1),  # type: ignore[arg-type]
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


async def _tokens(platform: Platform, side: Side) -> None:
    """An app gets one, and looks for others."""
    read, admin = platform.db.read, side.admin
    issued = await platform.credentials.rotate(admin, LISTENING)
    shown = {"client_id": issued.client_id, "client_secret": issued.client_secret}
    for grant in ("client_credentials", "authorization_code", "refresh_token"):
        sought = {"code": "ac_", "refresh_token": "rt_", "code_verifier": "v"}
        await platform.oauth.token(TokenRequest({"grant_type": grant, **sought, **shown}))
    answer = await platform.oauth.token(TokenRequest({"grant_type": "client_credentials", **shown}))
    assert answer.body is not None
    await platform.tokens.check(answer.body["access_token"])
    await platform.oauth.revoke(TokenRequest({"token": answer.body["access_token"], **shown}))
    assert await read(clients.by_metadata_url, "https://vendor.example/client.json") == []


async def _remote(platform: Platform) -> None:
    """An app that dials in comes, and is no longer offered."""
    await platform.remotes.add_connected("elsewhere")
    await platform.db.write(lines.wake, "elsewhere", platform.clock())
    await DueLines(platform.db, platform.connections, platform.clock)(None)
    await platform.remotes.remove("elsewhere")


async def test_what_is_the_hosts_own_is_known_by_name(two: Two) -> None:
    platform = two.platform
    await platform.leaving.uninstall(two.north.admin, CONTRACT)
    await platform.forgetting.forget(two.north.admin, two.north.leaver)
    await platform.sweep()
    await _in_and_out(platform, two.north)
    await _tokens(platform, two.north)
    await _remote(platform)
    await platform.db.read(organisations.by_name, "North")
    await platform.upgrading.check()
    await platform.db.read(organisations.listed)
    await platform.standing()
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
