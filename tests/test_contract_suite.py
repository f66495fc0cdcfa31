"""The contract's ctx as a table: what each call gives, or which error it raises, whatever carries it.

A transport brings calls to an installation's ctx: two run inside the host's process, one goes over HTTP as an app on
another machine does.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import pytest
import pytest_asyncio
from httpx2 import ASGITransport
from sqlalchemy.engine import Connection
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp

from assigntask.api.app import api
from assigntask.api.services import ApiServices
from assigntask.hooks.crossing import Crossing
from assigntask.kit import open_host
from assigntask.kit.host import KitHost
from assigntask.oauth.endpoints import endpoints
from assigntask.oauth.server import OAuthServer
from assigntask.oauth.tokens import Tokens
from assigntask.people import departments
from assigntask.tasks import projects
from assigntask_sdk import Delete, Put
from assigntask_sdk.apps import find_app
from assigntask_sdk.client import Client, ClientCredentials, Patience
from assigntask_sdk.client.ctx import WireCtx
from assigntask_sdk.errors import AppError, Conflict, Invalid, NotFound, NotShared, Refused
from assigntask_sdk.records import Due

NOWHERE = "0197a5a0-0000-7000-8000-000000000000"
DUE = Due(dt.date(2026, 3, 9))
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40


@dataclass(frozen=True)
class World:
    """What is there, by the ids that the app knows. Only "Board" is within its reach; `cy` objected to it."""

    board: str
    elsewhere: str
    task: str
    archived: str
    out_of_reach: str
    bo: str
    cy: str
    comment: str
    attachment: str
    far_checklist: str
    far_item: str


Call: TypeAlias = Callable[[Any, World], Awaitable[Any]]
Transport: TypeAlias = Callable[[KitHost, Call, World], Awaitable[Any]]


async def in_the_hosts_loop(host: KitHost, call: Call, world: World) -> Any:
    return await call(host.ctx(), world)


async def in_the_apps_loop(host: KitHost, call: Call, world: World) -> Any:
    ctx = host.ctx()
    return await host.platform.app_loop.run(lambda span: _called(call, Crossing(ctx, span), world), limit=20)


async def _called(call: Call, ctx: Any, world: World) -> Any:
    return await call(ctx, world)


@dataclass(frozen=True)
class Service:
    """The host's API and token endpoint, with what an app outside needs to call them."""

    app: ASGIApp
    auth: ClientCredentials


async def service_of(host: KitHost) -> Service:
    """Of its first caller's making; the same for one host."""
    if host not in SERVICES:
        platform, settings = host.platform, replace(host.platform.settings, url="http://localhost")
        parts = platform.db, platform.grants, platform.keys, platform.clock
        reached = ApiServices(
            platform.db,
            Tokens(*parts),
            platform.grants,
            platform.contexts,
            settings.limits,
            platform.clock,
            lambda: settings.url,
            platform.deliveries,
        )
        server = OAuthServer(*parts, settings, platform.outgoing.get)
        app = Starlette(routes=[*endpoints(server), Mount("/api/v1", api(reached))])
        credentials = await platform.credentials.issue(await host._installation())
        SERVICES[host] = Service(app, ClientCredentials(credentials.client_id, credentials.client_secret))
    return SERVICES[host]


async def over_the_wire(host: KitHost, call: Call, world: World) -> Any:
    """As an app on another machine: a token of its own, HTTP, JSON."""
    service, now = await service_of(host), host.clock.now()
    transport = ASGITransport(service.app)
    async with Client("http://localhost", service.auth, transport=transport, patience=Patience(tries=1)) as client:
        ctx = WireCtx(
            client,
            viewer=None,
            settings=await client.settings.get(),
            deadline=now + dt.timedelta(seconds=20),
            granted=(await client.installation())["granted"],
            now_offset=now - dt.datetime.now(dt.UTC),
        )
        return await call(ctx, world)


SERVICES: WeakKeyDictionary[KitHost, Service] = WeakKeyDictionary()

TRANSPORTS: Mapping[str, Transport] = {
    "host's loop": in_the_hosts_loop,
    "apps' loop": in_the_apps_loop,
    "wire": over_the_wire,
}


@dataclass(frozen=True)
class Case:
    """`expected`: a value, or made of the world, or the error. `without`: scopes that are declined, apart by spaces."""

    name: str
    call: Call
    expected: Any
    without: str = ""


async def listed(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]


async def fields_of(task: Awaitable[Any]) -> set[str]:
    return set(await task)


async def comments_of(ctx: Any, w: World) -> list[Any]:
    """Without those that other cases write."""
    found = await ctx.comments.list(w.task)
    return [(comment.id, comment.text) for comment in found if comment.text in ("Half done", "Not shared")]


async def attachments_of(ctx: Any, w: World) -> list[Any]:
    return [(link.id, link.url) for link in await ctx.attachments.list(w.task) if link.url.startswith("https://plans")]


async def people_of(ctx: Any, w: World) -> list[Any]:
    """The creator, then the assignees; None for who is withheld."""
    task = await ctx.tasks.get(w.task)
    return [None if person.withheld else person.id for person in (task.creator, *task.assignees)]


async def summaries(tasks: AsyncIterator[Any]) -> list[str]:
    return [task.summary async for task in tasks]


async def names_of(records: Awaitable[Any]) -> list[str]:
    return [record.name for record in await records]


async def of(record: Awaitable[Any], *names: str) -> list[Any]:
    found = await record
    return [getattr(found, name) for name in names]


async def new_task(ctx: Any, w: World, summary: str = "New") -> str:
    made = await ctx.tasks.create(summary, project=w.board)
    assert isinstance(made, str)
    return made


async def edit(ctx: Any, w: World, **fields: Any) -> Any:
    """The new task after an edit."""
    task = await new_task(ctx, w)
    version = await ctx.tasks.edit(task, **fields)
    found = await ctx.tasks.get(task)
    assert found.version == version
    return found


async def twice(act: Callable[[], Awaitable[Any]]) -> bool:
    return bool(await act() == await act())


async def stored(store: Any, *operations: Any, key: str = "k") -> Any:
    await store.commit(*operations)
    entry = await store.get(key)
    return None if entry is None else entry.value


async def conflicting(ctx: Any, _: World) -> None:
    store = ctx.storage
    await store.commit(Put("there", 1))
    try:
        await store.commit(Put("there", 2, if_version=0), Put("beside", 1), Delete("gone", if_version=7))
    except Conflict as conflict:
        assert sorted(conflict.keys) == ["gone", "there"]
        assert await store.get("beside") is None
        raise


async def many(ctx: Any, _: World) -> list[str]:
    async def operations() -> AsyncIterator[Put]:
        for number in range(1500):
            yield Put(f"many/{number:04}", number)

    await ctx.storage.apply(operations())
    keys = [key async for key, _ in ctx.storage.scan("many/", after="many/1496")]
    return [*keys, str(len(await listed(ctx.storage.scan("many/"))))]


async def same_key(ctx: Any, w: World) -> list[bool]:
    """Whether the same is made again: for another record, for other words."""
    task = await ctx.tasks.create("First", project=w.board, key="same")
    comment = await ctx.tasks.comment(w.archived, "First", key="same")
    again = await ctx.tasks.create("Second", project=w.board, key="same")
    return [comment == task, again == task, await ctx.tasks.comment(w.archived, "Second", key="same") == comment]


async def odd_keys(ctx: Any, _: World) -> bool:
    """Keys that stand for something in an address, and lines and spaces."""
    keys = ["odd/?a=b&c#d%2F", "odd/\n\x1f\x7f", "odd/ ", "odd/+", "odd/ü🙂", "odd/\\"]
    await ctx.storage.commit(*(Put(key, key) for key in keys))
    found = await ctx.storage.get_many([*keys, "odd/none"])
    listed = [key async for key, _ in ctx.storage.scan("odd/", after="odd/\n")]
    return {key: entry.value for key, entry in found.items()} == {key: key for key in keys} and listed == sorted(keys)


async def problems(ctx: Any, _: World) -> None:
    await ctx.problems.report("figures", "Some figures are missing", severity="info")
    await ctx.problems.clear("figures")


async def reported(ctx: Any, _: World) -> list[Any]:
    await ctx.problems.report("first", "One")
    await ctx.problems.report("second", "Two", severity="error")
    await ctx.problems.report("second", "Two again", severity="error")
    found = {each.key: each for each in await ctx.problems.list()}
    await ctx.problems.clear("first")
    await ctx.problems.clear("second")
    left = [each.key for each in await ctx.problems.list()]
    return [(found["second"].text, found["second"].severity, found["second"].count), found["first"].count, left]


async def with_steps(ctx: Any, w: World) -> tuple[str, str]:
    """A new task and its checklist of two."""
    task = await new_task(ctx, w)
    return task, await ctx.checklists.add(task, "Steps", ["Oil", "Dry"], key=f"steps {task}")


async def steps_of(ctx: Any, task: str) -> list[Any]:
    found = await ctx.tasks.get(task)
    return [(each.name, [(item.text, item.done) for item in each.items]) for each in found.checklists]


async def checklist(ctx: Any, w: World) -> list[Any]:
    task, steps = await with_steps(ctx, w)
    assert await ctx.checklists.add(task, "Other", key=f"steps {task}") == steps
    item = await ctx.checklists.add_item(steps, "Wipe", key=f"wipe {task}")
    assert await ctx.checklists.add_item(steps, "Other", key=f"wipe {task}") == item
    before = (await ctx.tasks.get(task)).version
    await ctx.checklists.set_done(item, True)
    await ctx.checklists.set_done(item, True)
    found = await ctx.tasks.get(task)
    assert item in [each.id for each in found.checklists[0].items]
    return [await steps_of(ctx, task), found.version - before]


async def unchecked(ctx: Any, w: World) -> list[Any]:
    task, _ = await with_steps(ctx, w)
    [steps] = (await ctx.tasks.get(task)).checklists
    await ctx.checklists.set_done(steps.items[0].id, True)
    await ctx.checklists.set_done(steps.items[0].id, False)
    return await steps_of(ctx, task)


async def types_of(ctx: Any, w: World) -> list[Any]:
    """Their names, and whether one of them is what a task has as its type."""
    types = await ctx.task_types.list()
    task = await edit(ctx, w, type="Repair")
    return [[each.name for each in types], task.type in types]


async def whole_line(ctx: Any, _: World, limit: int) -> list[Any]:
    found: list[Any] = []
    page = await ctx.events.list(limit=limit)
    while page.items or page.more:
        found += page.items
        page = await ctx.events.list(after=page.next, limit=limit)
    return found


async def events(ctx: Any, w: World) -> list[Any]:
    """Those about the one task: what each says, in order; and whether single steps find the same."""
    found = await whole_line(ctx, w, 200)
    mine = [event for event in found if event.hook == "task_changed" and event.ask.task.id == w.task]
    assert [event.id for event in await whole_line(ctx, w, 1)] == [event.id for event in found]
    return [[(each.hook, each.ask.task.summary, list(each.ask.changed)) for each in mine], set(mine[0].ask.task)]


async def in_pieces(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def attached(ctx: Any, w: World, *pieces: bytes, key: str, name: str = "drawings/plan.png") -> Any:
    return await ctx.attachments.add_file(w.task, name, in_pieces(*pieces), key=key)


async def file_and_back(ctx: Any, w: World) -> list[Any]:
    made = await attached(ctx, w, PNG, b"\x07" * 300_000, b"", key="file")
    assert await attached(ctx, w, b"other", key="file") == made
    [about] = [one for one in await ctx.attachments.list(w.task) if one.id == made]
    content = b"".join(await listed(ctx.attachments.content(made)))
    return [about.name, about.url, about.media_type, about.size, content == PNG + b"\x07" * 300_000]


async def removed_file(ctx: Any, w: World) -> None:
    made = await attached(ctx, w, PNG, key=f"removed {await new_task(ctx, w)}")
    await ctx.attachments.remove(made)
    await listed(ctx.attachments.content(made))


async def job(ctx: Any, w: World) -> list[Any]:
    """Of a key of its own, so that each way of calling has its own job."""
    key = await new_task(ctx, w)
    made = await ctx.jobs.start("import", {"from": ["ü", 1, None]}, key=key)
    await ctx.jobs.progress(made, 1, 3, "one of three")
    await ctx.jobs.progress(made, done=2)
    found = await ctx.jobs.get(made)
    assert made in [one.id for one in await ctx.jobs.list()]
    assert (await ctx.jobs.list())[0] == found
    same = await ctx.jobs.start("import", None, key=key) == made
    return [found.name, found.state, found.done, found.total, found.text, same]


async def at_hand(ctx: Any, _: World) -> list[Any]:
    ctx.log.info("tried", number=1)
    return [ctx.viewer, ctx.settings["colour"], ctx.now().utcoffset(), ctx.deadline > ctx.now(), ctx.granted("x:y")]


async def comment_as(ctx: Any, w: World) -> Any:
    await ctx.as_person(w.bo).tasks.comment(w.task, "As Bo", key="as-bo")
    [last] = [one for one in await ctx.comments.list(w.task) if one.text == "As Bo"]
    return last.author.id


READS = [
    Case("a task", lambda c, w: of(c.tasks.get(w.task), "summary", "due"), ["Oil the chain", DUE]),
    Case("its people", people_of, lambda w: [w.bo, w.bo, None]),
    Case("only these fields", lambda c, w: fields_of(c.tasks.get(w.task, fields=["due"])), {"id", "version", "due"}),
    Case("a field that is not there", lambda c, w: c.tasks.get(w.task, fields=["dew"]), Invalid),
    Case("a field that was not asked for", lambda c, w: of(c.tasks.get(w.task, fields=["due"]), "done"), NotShared),
    Case("a field without its scope", lambda c, w: of(c.tasks.get(w.task), "creator"), NotShared, "tasks:people"),
    Case("no such task", lambda c, w: c.tasks.get(NOWHERE), NotFound),
    Case("no id at all", lambda c, w: c.tasks.get("x"), NotFound),
    Case("a task out of reach", lambda c, w: c.tasks.get(w.out_of_reach), NotFound),
    Case("many tasks", lambda c, w: fields_of(c.tasks.get_many([w.task, NOWHERE, w.out_of_reach])), lambda w: {w.task}),
    Case("too many tasks", lambda c, w: c.tasks.get_many([NOWHERE] * 201), Invalid),
    Case("archived tasks", lambda c, w: summaries(c.tasks.list(archived=True)), ["Old"]),
    Case("of a project", lambda c, w: summaries(c.tasks.list(project=w.board, done=True)), []),
    Case("of a project out of reach", lambda c, w: listed(c.tasks.list(project=w.elsewhere)), NotFound),
    Case("changed since", lambda c, w: listed(c.tasks.list(updated_since=c.now() + dt.timedelta(days=1))), []),
    # A moment without a time zone, on purpose.
    Case("a moment without a zone", lambda c, w: listed(c.tasks.list(created_since=dt.datetime(2026, 3, 2))), Invalid),  # noqa: DTZ001
    Case("a filter that is not there", lambda c, w: listed(c.tasks.list(colour="red")), Invalid),
    Case("projects within reach", lambda c, w: of(c.projects.get(w.board), "name"), ["Board"]),
    Case("a project out of reach", lambda c, w: c.projects.get(w.elsewhere), NotFound),
    Case("comments without their scope", lambda c, w: c.comments.list(w.task), Refused,
         "comments:read comments:people"),
    Case("comments, less those of somebody who objected", comments_of, lambda w: [(w.comment, "Half done")]),
    Case("attachments", attachments_of, lambda w: [(w.attachment, "https://plans.example/1")]),
    Case("comments out of reach", lambda c, w: c.comments.list(w.out_of_reach), NotFound),
    Case("attachments out of reach", lambda c, w: c.attachments.list(w.out_of_reach), NotFound),
    Case("attachments without their scope", lambda c, w: c.attachments.list(w.task), Refused,
         "attachments:read attachments:people attachments:content"),
    Case("the organisation", lambda c, w: of(c.organisation.get(), "name", "version"), ["Organisation under test", 1]),
    Case("the organisation without its scope", lambda c, w: c.organisation.get(), Refused, "organisation:read"),
    Case("departments", lambda c, w: names_of(c.departments.list()), ["Sails", "Works"]),
    Case("departments without their scope", lambda c, w: c.departments.list(), Refused, "organisation:read"),
    Case("task types", types_of, [["Bug", "Repair"], True]),
    Case("events", events, [[("task_changed", "Oil the chain", ["summary"])], {"id", "version", "summary"}]),
    Case("events behind the last", lambda c, w: of(c.events.list(after="9" * 18), "items", "next", "more"),
         [(), "9" * 18, False]),
    Case("events behind nonsense", lambda c, w: c.events.list(after="x"), Invalid),
    Case("too many events", lambda c, w: c.events.list(limit=201), Invalid),
    Case("a person", lambda c, w: of(c.people.get(w.bo), "name", "email"), ["Bo", "bo@host.example"]),
    Case("a person's field alone", lambda c, w: fields_of(c.people.get(w.bo, fields=["name"])),
         {"id", "version", "withheld", "name"}),
    Case("an address without its scope", lambda c, w: of(c.people.get(w.bo), "email"), NotShared, "people:email"),
    Case("somebody who objected", lambda c, w: c.people.get(w.cy), NotFound),
    Case("nobody", lambda c, w: c.people.get("nobody"), NotFound),
    Case("many people", lambda c, w: fields_of(c.people.get_many([w.bo, w.cy, "nobody"])), lambda w: {w.bo}),
    Case("what is at hand", at_hand, [None, "green", dt.timedelta(0), True, False]),
]  # fmt: skip

FILES = [
    Case("a file", file_and_back, ["plan.png", None, "image/png", len(PNG) + 300_000, True]),
    Case("a file without a name", lambda c, w: attached(c, w, PNG, key="n", name=".."), Invalid),
    Case("a file without the power", lambda c, w: attached(c, w, PNG, key="p"), Refused, "attachments:write"),
    Case("a file out of reach", lambda c, w: c.attachments.add_file(w.out_of_reach, "a", in_pieces(PNG), key="o"),
         NotFound),
    Case("a file that was removed", removed_file, NotFound),
    Case("content without its scope", lambda c, w: listed(c.attachments.content(w.attachment)), Refused,
         "attachments:content"),
    Case("content of a link", lambda c, w: listed(c.attachments.content(w.attachment)), Invalid),
    Case("content that is not there", lambda c, w: listed(c.attachments.content(NOWHERE)), NotFound),
]  # fmt: skip

JOBS = [
    Case("a job", job, ["import", "waiting", 2, 3, "one of three", True]),
    Case("a job without a name", lambda c, w: c.jobs.start("", {}, key="n"), Invalid),
    Case("a job without a key", lambda c, w: c.jobs.start("import", {}, key=""), Invalid),
    Case("a job of too much", lambda c, w: c.jobs.start("import", "x" * 70_000, key="m"), Invalid),
    Case("no such job", lambda c, w: c.jobs.get(NOWHERE), NotFound),
    Case("progress of no job", lambda c, w: c.jobs.progress(NOWHERE, 1), NotFound),
    Case("progress backwards", lambda c, w: c.jobs.progress(NOWHERE, -1), Invalid),
]

WRITES = [
    Case("a task is made once", lambda c, w: twice(lambda: c.tasks.create("Once", project=w.board, key="once")), True),
    Case("a key that is used again", same_key, [False, True, True]),
    Case("a key of any text", lambda c, w: twice(lambda: c.tasks.create("Any", project=w.board, key="ü\n" * 99)), True),
    Case("an empty key for a task", lambda c, w: c.tasks.create("Once", project=w.board, key=""), Invalid),
    Case("an empty key for a comment", lambda c, w: c.tasks.comment(w.task, "Well", key=""), Invalid),
    Case("two tasks without a key", lambda c, w: twice(lambda: new_task(c, w)), False),
    Case("made without the power", new_task, Refused, "tasks:write"),
    Case("made out of reach", lambda c, w: c.tasks.create("New", project=w.elsewhere), NotFound),
    Case("made without words", lambda c, w: new_task(c, w, " "), Invalid),
    Case("an edit", lambda c, w: of(edit(c, w, summary="Newer", due=DUE), "summary", "due"), ["Newer", DUE]),
    Case("a status by name", lambda c, w: of(edit(c, w, status="done"), "version"), [2]),
    Case("nothing new", lambda c, w: of(edit(c, w, summary="New"), "version"), [1]),
    Case("emptied", lambda c, w: of(edit(c, w, due=None), "due"), [None]),
    Case("a status that is not there", lambda c, w: edit(c, w, status="Dun"), Invalid),
    Case("a field that can't be set", lambda c, w: edit(c, w, colour="red"), Invalid),
    Case("an older version", lambda c, w: edit(c, w, summary="Newer", if_version=7), Conflict),
    Case("somebody unknown", lambda c, w: edit(c, w, assignees=["nobody"]), Invalid),
    Case("an edit out of reach", lambda c, w: c.tasks.edit(w.out_of_reach, summary="x"), NotFound),
    Case("an edit without the power", lambda c, w: c.tasks.edit(w.task, summary="x"), Refused, "tasks:write"),
    Case("archived", lambda c, w: c.tasks.archive(w.archived), None),
    Case("archived out of reach", lambda c, w: c.tasks.archive(w.out_of_reach), NotFound),
    Case("a comment once", lambda c, w: twice(lambda: c.tasks.comment(w.task, "Well", key="well")), True),
    Case("an empty comment", lambda c, w: c.tasks.comment(w.task, "", key="empty"), Invalid),
    Case("a comment without the power", lambda c, w: c.tasks.comment(w.task, "x", key="x"), Refused, "comments:write"),
    Case("a comment as a person", comment_as, lambda w: w.bo),
    Case("as nobody", lambda c, w: c.as_person("nobody").tasks.get(w.task), NotFound),
    Case("as somebody who objected", lambda c, w: c.as_person(w.cy).tasks.get(w.task), NotFound),
    Case("a link once", lambda c, w: twice(lambda: c.attachments.add(w.task, "Plan", "https://x.example", key="a")),
         True),
    Case("a link that is none", lambda c, w: c.attachments.add(w.task, "x", "file:///etc/passwd", key="b"), Invalid),
    Case("a link without the power", lambda c, w: c.attachments.add(w.task, "x", "https://x.example", key="c"),
         Refused, "attachments:write"),
    Case("a link that is not there", lambda c, w: c.attachments.remove(NOWHERE), NotFound),
    Case("a checklist", checklist, [[("Steps", [("Oil", False), ("Dry", False), ("Wipe", True)])], 1]),
    Case("an item that is not done after all", unchecked, [("Steps", [("Oil", False), ("Dry", False)])]),
    Case("a checklist without a name", lambda c, w: c.checklists.add(w.task, " ", key="n"), Invalid),
    Case("a checklist of no list", lambda c, w: c.checklists.add(w.task, "Steps", "Oil", key="n"), Invalid),
    Case("a checklist without the power", lambda c, w: c.checklists.add(w.task, "Steps", key="p"), Refused,
         "tasks:write"),
    Case("a checklist out of reach", lambda c, w: c.checklists.add(w.out_of_reach, "Steps", key="o"), NotFound),
    Case("an item out of reach", lambda c, w: c.checklists.add_item(w.far_checklist, "Oil", key="o"), NotFound),
    Case("an item done out of reach", lambda c, w: c.checklists.set_done(w.far_item, True), NotFound),
    Case("an item that is not there", lambda c, w: c.checklists.set_done(NOWHERE, True), NotFound),
    Case("done without the power", lambda c, w: c.checklists.set_done(NOWHERE, True), Refused, "tasks:write"),
    Case("problems", problems, None),
    Case("problems, listed", reported, [("Two again", "error", 2), 1, []]),
    Case("a problem without a key", lambda c, w: c.problems.report("", "x"), Invalid),
    Case("shown anew", lambda c, w: c.refresh(w.task), None),
    Case("shown anew out of reach", lambda c, w: c.refresh(w.out_of_reach), NotFound),
]  # fmt: skip

STORAGE = [
    Case("nothing there", lambda c, w: c.storage.get("absent"), None),
    Case("a value", lambda c, w: stored(c.storage, Put("k", {"a": [1, "ü", None]})), {"a": [1, "ü", None]}),
    Case("bytes", lambda c, w: stored(c.storage, Put("k", b"\x00\xff")), b"\x00\xff"),
    Case("deleted", lambda c, w: stored(c.storage, Put("k", 1), Delete("other")), 1),
    Case("odd keys", odd_keys, True),
    Case("many keys", lambda c, w: fields_of(c.storage.get_many([str(n) for n in range(1000)])), set()),
    Case("too many keys", lambda c, w: c.storage.get_many([str(n) for n in range(1001)]), Invalid),
    Case("a key that is none", lambda c, w: c.storage.get("a\x00b"), Invalid),
    Case("a prefix of half a character", lambda c, w: listed(c.storage.scan("\ud800")), Invalid),
    Case("of nobody", lambda c, w: c.storage.person("no\nbody").get("k"), NotFound),
    Case("of a task", lambda c, w: stored(c.storage.task(w.task), Put("k", 1)), 1),
    Case("of a task out of reach", lambda c, w: c.storage.task(w.out_of_reach).get("k"), NotFound),
    Case("of a person", lambda c, w: stored(c.storage.person(w.bo), Put("k", 1)), 1),
    Case("of somebody who objected", lambda c, w: c.storage.person(w.cy).get("k"), NotFound),
    Case("all or nothing", conflicting, Conflict),
    Case("a key twice", lambda c, w: c.storage.commit(Put("k", 1), Put("k", 2)), Invalid),
    Case("an empty key", lambda c, w: c.storage.commit(Put("", 1)), Invalid),
    Case("no number", lambda c, w: c.storage.commit(Put("k", float("nan"))), Invalid),
    Case("too large", lambda c, w: c.storage.commit(Put("k", "x" * 300_000)), Invalid),
    Case("too many", lambda c, w: c.storage.commit(*(Put(str(n), n) for n in range(1001))), Invalid),
    Case("many in chunks", many, ["many/1497", "many/1498", "many/1499", "1500"]),
]


class Hosts:
    """One host for each set of scopes: the cases leave each other alone."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self._open: dict[str, tuple[KitHost, World]] = {}

    async def get(self, without: str) -> tuple[KitHost, World]:
        if without not in self._open:
            app = find_app(Path(__file__).parent / "apps" / "contract_app")
            opening = open_host(app, without=without.split(), projects=["Board"])
            host = await self._stack.enter_async_context(opening)
            self._open[without] = host, await world_of(host)
        return self._open[without]


async def world_of(host: KitHost) -> World:
    bo = await host.person("Bo", email="bo@host.example")
    cy = await host.person("Cy", email="cy@host.example")
    task = await host.create_task("Oil the chain", by=bo, assignees=[bo, cy], due=DUE)
    archived = await host.create_task("Old", by=bo)
    out_of_reach = await host.create_task("Secret", project="Elsewhere")
    await host.edit_task(archived, archived=True)
    actions, doer = host.platform.tasks, await host.doer(bo)
    comment = await actions.comment(doer, task.id, "Half done")
    attachment = await actions.attach(doer, task.id, "Plan", "https://plans.example/1")
    await host.comment(task, "Not shared", by=cy)
    steps = await host.platform.checklists.add(doer, out_of_reach.id, "Far", key="far")
    far_item = await host.platform.checklists.add_item(doer, steps, "Far", key="far")
    await host.platform.db.write(furnished, doer.organisation_id)
    known = await host.known_as(bo), await host.known_as(cy)
    await host.platform.app_settings.set_own(doer, host.app.id, {})  # takes part, so the app may act in Bo's name
    await host.object(cy)
    facts = await host._task(out_of_reach)
    return World(
        board=host.project_id,
        elsewhere=facts.project,
        task=task.id,
        archived=archived.id,
        out_of_reach=out_of_reach.id,
        bo=str(known[0]),
        cy=str(known[1]),
        comment=comment.id,
        attachment=attachment.id,
        far_checklist=steps,
        far_item=far_item,
    )


def furnished(conn: Connection, organisation_id: str) -> None:
    for name in ("Works", "Sails"):
        departments.ensure(conn, organisation_id, name)
    for name in ("Repair", "Bug"):
        projects.ensure_type(conn, organisation_id, name)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hosts() -> AsyncIterator[Hosts]:
    path = list(sys.path)
    async with AsyncExitStack() as stack:
        yield Hosts(stack)
    sys.path[:] = path


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("case", [*READS, *WRITES, *FILES, *JOBS, *STORAGE], ids=lambda case: case.name)
async def test_ctx_does_what_the_contract_says(hosts: Hosts, transport: str, case: Case) -> None:
    host, world = await hosts.get(case.without)
    carried = TRANSPORTS[transport](host, case.call, world)
    if isinstance(case.expected, type) and issubclass(case.expected, AppError):
        with pytest.raises(case.expected) as raised:
            await carried
        assert type(raised.value) is case.expected
        assert raised.value.to_json()["code"] == case.expected.code
    else:
        given = await carried
        assert given == (case.expected(world) if callable(case.expected) else case.expected)


async def a_few_reads(ctx: Any, w: World) -> None:
    await ctx.tasks.get(w.task, fields=["due", "assignees"])
    await listed(ctx.tasks.list(fields=["summary"], project=w.board))
    await ctx.people.get(w.bo, fields=["email"])
    await ctx.comments.list(w.task)


@pytest.mark.asyncio(loop_scope="module")
async def test_the_same_is_on_record_whatever_carries_it() -> None:
    recorded = {}
    for name, transport in TRANSPORTS.items():
        async with AsyncExitStack() as stack:
            host, world = await Hosts(stack).get("")
            before = len(await host.ledger())
            await transport(host, a_few_reads, world)
            entries = (await host.ledger())[before:]
            recorded[name] = [(one.channel, one.details, len(one.records), len(one.subjects)) for one in entries]
    assert len(recorded["wire"]) == 4
    assert recorded["wire"] == recorded["host's loop"] == recorded["apps' loop"]
