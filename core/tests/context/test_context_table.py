"""Every method of ctx, with and without its scope, on ids within reach, out of reach, and of another organisation."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.actions.files import FileActions
from assigntask.db import new_id
from assigntask.db import tables as t
from assigntask_sdk.context import (
    Attachments,
    Checklists,
    Comments,
    Ctx,
    Departments,
    Events,
    Jobs,
    Organisations,
    People,
    Problems,
    Projects,
    Storage,
    Tasks,
    TaskTypes,
)
from assigntask_sdk.details import DETAILS, SCOPES
from assigntask_sdk.errors import Gone, NotFound, Refused
from assigntask_sdk.storage import Put

Place = Mapping[str, str]


async def each(iterator: Any) -> list[Any]:
    return [one async for one in iterator]


async def stream(*operations: Any) -> Any:
    for operation in operations:
        yield operation


@dataclass(frozen=True)
class Call:
    """`record`: any scope that opens something of it will do. `power`: that very scope. `on`: what it names."""

    run: Callable[[Any, Place], Awaitable[Any]]
    record: str | None = None
    power: str | None = None
    on: str | None = None
    reads: bool = False

    @property
    def scopes(self) -> frozenset[str]:
        if self.power is not None:
            return frozenset({self.power})
        return frozenset(d.scope for d in DETAILS.values() if d.record == self.record)


CALLS: Mapping[str, Call] = {
    "tasks.get": Call(lambda c, p: c.tasks.get(p["task"]), "task", on="task", reads=True),
    "tasks.get_many": Call(lambda c, p: c.tasks.get_many([p["task"]]), "task", reads=True),
    "tasks.list": Call(lambda c, p: each(c.tasks.list()), "task", reads=True),
    "tasks.create": Call(lambda c, p: c.tasks.create("New", project=p["project"]), power="tasks:write", on="project"),
    "tasks.edit": Call(lambda c, p: c.tasks.edit(p["task"], summary="Other"), power="tasks:write", on="task"),
    "tasks.comment": Call(lambda c, p: c.tasks.comment(p["task"], "Hm", key="k"), power="comments:write", on="task"),
    "tasks.archive": Call(lambda c, p: c.tasks.archive(p["task"]), power="tasks:write", on="task"),
    "comments.list": Call(lambda c, p: c.comments.list(p["task"]), "comment", on="task", reads=True),
    "people.get": Call(lambda c, p: c.people.get(p["person"]), "person", on="person", reads=True),
    "people.get_many": Call(lambda c, p: c.people.get_many([p["person"]]), "person", reads=True),
    "people.list": Call(lambda c, p: each(c.people.list()), "person", reads=True),
    "projects.get": Call(lambda c, p: c.projects.get(p["project"]), "project", on="project", reads=True),
    "projects.list": Call(lambda c, p: c.projects.list(), "project", reads=True),
    "attachments.list": Call(lambda c, p: c.attachments.list(p["task"]), "attachment", on="task", reads=True),
    "attachments.add": Call(
        lambda c, p: c.attachments.add(p["task"], "A", "https://example.org", key="k"),
        power="attachments:write",
        on="task",
    ),
    "attachments.remove": Call(
        lambda c, p: c.attachments.remove(p["attachment"]), power="attachments:write", on="attachment"
    ),
    "attachments.add_file": Call(
        lambda c, p: c.attachments.add_file(p["task"], "a.txt", stream(b"words"), key="k"),
        power="attachments:write",
        on="task",
    ),
    "attachments.content": Call(
        lambda c, p: each(c.attachments.content(p["file"])),
        "attachment",
        power="attachments:content",
        on="file",
        reads=True,
    ),
    "storage.get": Call(lambda c, p: c.storage.get("k")),
    "storage.get_many": Call(lambda c, p: c.storage.get_many(["k"])),
    "storage.scan": Call(lambda c, p: each(c.storage.scan())),
    "storage.commit": Call(lambda c, p: c.storage.commit(Put("k", 1))),
    "storage.apply": Call(lambda c, p: c.storage.apply(stream(Put("k", 1)))),
    "storage.task": Call(lambda c, p: c.storage.task(p["task"]).commit(Put("k", 1)), on="task"),
    "storage.person": Call(lambda c, p: c.storage.person(p["person"]).commit(Put("k", 1)), on="person"),
    "problems.report": Call(lambda c, p: c.problems.report("k", "It broke")),
    "problems.clear": Call(lambda c, p: c.problems.clear("k")),
    "problems.list": Call(lambda c, p: c.problems.list()),
    "events.list": Call(lambda c, p: c.events.list()),
    "jobs.start": Call(lambda c, p: c.jobs.start("import", {}, key="k")),
    "jobs.get": Call(lambda c, p: c.jobs.get(p["job"]), on="job"),
    "jobs.list": Call(lambda c, p: c.jobs.list()),
    "jobs.progress": Call(lambda c, p: c.jobs.progress(p["job"], 1), on="job"),
    "organisation.get": Call(lambda c, p: c.organisation.get(), "organisation", reads=True),
    "departments.list": Call(lambda c, p: c.departments.list(), "department", reads=True),
    "task_types.list": Call(lambda c, p: c.task_types.list(), "task_type", reads=True),
    "checklists.add": Call(
        lambda c, p: c.checklists.add(p["task"], "Steps", ["Oil"], key="k"), power="tasks:write", on="task"
    ),
    "checklists.add_item": Call(
        lambda c, p: c.checklists.add_item(p["checklist"], "Dry", key="k"), power="tasks:write", on="checklist"
    ),
    "checklists.set_done": Call(lambda c, p: c.checklists.set_done(p["item"], True), power="tasks:write", on="item"),
    "refresh": Call(lambda c, p: c.refresh(p["task"]), on="task"),
    "as_person": Call(lambda c, p: c.as_person(p["person"]).projects.list(), "project", on="person"),
}

WITHOUT_A_CALL = {"viewer", "settings", "deadline", "now", "granted", "log"}


async def file_on(world: Any, where: str, task: str) -> str:
    actions = FileActions(world.db, world.clock, 1000)
    return (await actions.attach(world.doer("ben", where), task, "a.txt", stream(b"words"), key=task)).id


async def job_of(world: Any, where: str) -> str:
    ids = world.ids[where]
    job_id: str = await world.db.write(going_on, ids["organisation"], ids["installation"], world.now)
    return job_id


def going_on(conn: Connection, organisation_id: str, installation_id: str, now: dt.datetime) -> str:
    """A job; and the app's manifest has a hook for it."""
    mine, job_id = {"organisation_id": organisation_id, "installation_id": installation_id}, new_id()
    times = {"started_at": now, "changed_at": now}
    conn.execute(sa.insert(t.job).values(id=job_id, **mine, name="import", args={}, state="waiting", **times))
    conn.execute(sa.delete(t.subscription).where(t.subscription.c.installation_id == installation_id))
    conn.execute(sa.insert(t.subscription).values(**mine, hook="job", ordinal=1, details=[]))
    return job_id


async def place(world: Any, where: str, project: str) -> Place:
    ids = world.ids[where]
    return {
        "project": ids[project],
        "task": ids[f"{project} task"],
        "attachment": ids[f"{project} attachment of ben"],
        "checklist": ids[f"{project} checklist"],
        "item": ids[f"{project} item"],
        "file": await file_on(world, where, ids[f"{project} task"]),
        "job": await job_of(world, "south" if project == "far" else where),
        "person": await world.known_as("ben", where),
    }


async def places(world: Any) -> dict[str, Place]:
    near = await place(world, "north", "near")
    nowhere = "01890000-0000-7000-8000-000000000000"
    return {
        "within reach": near,
        "out of reach": {**await place(world, "north", "far"), "person": "p_" + "a" * 26},
        "of another organisation": await place(world, "south", "near"),
        "no such": dict.fromkeys(near, nowhere),
        "nonsense": dict.fromkeys(near, "\x00' OR 1=1 --"),
        "the host's own": {**near, "person": world.ids["north"]["ben"]},
    }


def test_the_table_names_every_method_of_ctx() -> None:
    parts: Mapping[str, type] = {
        "tasks": Tasks,
        "comments": Comments,
        "people": People,
        "projects": Projects,
        "attachments": Attachments,
        "storage": Storage,
        "problems": Problems,
        "events": Events,
        "jobs": Jobs,
        "organisation": Organisations,
        "departments": Departments,
        "task_types": TaskTypes,
        "checklists": Checklists,
    }
    public = {name for name in dir(Ctx) if not name.startswith("_")}
    assert public - parts.keys() - WITHOUT_A_CALL == {"as_person", "refresh"}
    methods = {f"{part}.{name}" for part, kind in parts.items() for name in dir(kind) if not name.startswith("_")}
    assert methods | {"as_person", "refresh"} == set(CALLS)


async def outcome(call: Call, ctx: Any, ids: Place) -> str:
    try:
        await call.run(ctx, ids)
    except (Refused, NotFound, Gone) as error:
        return error.code
    return "done"


async def test_without_its_scope_a_call_is_refused_wherever_it_points(world: Any) -> None:
    ctx = await world.ctx()
    everywhere = await places(world)
    for name, call in CALLS.items():
        if not call.scopes:
            continue
        await world.grant(SCOPES.keys() - call.scopes)
        entries = len(await world.given())
        for where, ids in everywhere.items():
            # Whose rights these would be is asked first.
            expected = "not_found" if name == "as_person" and where != "within reach" else "refused"
            assert (name, where, await outcome(call, ctx, ids)) == (name, where, expected)
        assert len(await world.given()) == entries


@pytest.mark.parametrize("name", CALLS)
async def test_with_its_scope_alone_it_reaches_what_is_within_reach_and_nothing_else(world: Any, name: str) -> None:
    call = CALLS[name]
    await world.grant(call.scopes)
    ctx = await world.ctx()
    everywhere = await places(world)
    for where, ids in everywhere.items():
        if where == "within reach" or (where == "the host's own" and call.on != "person"):
            continue
        if call.on is not None:
            with pytest.raises(NotFound):
                await call.run(ctx, ids)
        elif name.endswith(".get_many") and "storage" not in name:
            assert await call.run(ctx, ids) == {} or where == "the host's own"
    answer = await call.run(ctx, everywhere["within reach"])
    if name == "tasks.list":
        assert [task.id for task in answer] == [world.ids["north"]["near task"]]
    if name in ("projects.list", "as_person"):
        assert [project.id for project in answer] == [world.ids["north"]["near"]]
    if name == "people.list":
        assert {person.id for person in answer} == {await world.known_as(who) for who in ("ada", "ben", "cy")}
    if name == "refresh":
        north = world.ids["north"]
        assert world.refreshed == [(north["organisation"], north["installation"], north["near task"])]


@pytest.mark.parametrize("state", ["disabled", "uninstalled"])
async def test_once_the_app_is_no_longer_active_the_next_call_meets_gone(world: Any, state: str) -> None:
    ctx = await world.ctx()
    ids = (await places(world))["within reach"]
    for call in CALLS.values():
        if call.reads:
            await call.run(ctx, ids)
    await world.state(state)
    for name, call in CALLS.items():
        assert (name, await outcome(call, ctx, ids)) == (name, "gone")


@pytest.mark.parametrize("name", [name for name, call in CALLS.items() if call.reads])
async def test_nothing_is_read_unless_the_ledger_has_it_first(world: Any, name: str) -> None:
    ctx = await world.ctx()
    ids = (await places(world))["within reach"]
    world.ledger.failing = True
    with pytest.raises(Exception, match="Something failed inside the host") as caught:
        await CALLS[name].run(ctx, ids)
    assert "secret" not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    world.ledger.failing = False
    await CALLS[name].run(ctx, ids)
    entry = (await world.given())[-1]
    assert entry.channel == ("file" if name == "attachments.content" else "api")
    assert {detail.partition(".")[0] for detail in entry.details} == {CALLS[name].record}
