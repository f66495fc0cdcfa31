"""Pages with cursors, and the stamps that tell whether anything could have changed."""

from __future__ import annotations

import base64
import datetime as dt
import json
from typing import Any

import pytest
import sqlalchemy as sa

from assigntask.db import new_id
from assigntask.db import tables as t
from assigntask.grants.grant import Actor
from assigntask.people import people
from assigntask_sdk.errors import Invalid, NotFound, Refused


async def add_tasks(world: Any, number: int, project: str = "near") -> list[str]:
    """Two in each second, so that only the id tells some apart."""
    north = world.ids["north"]

    def unit(conn: sa.Connection) -> list[str]:
        like = conn.execute(sa.select(t.task).where(t.task.c.id == north[f"{project} task"])).mappings().one()
        rows = [
            {
                **like,
                "id": new_id(),
                "number": (1000 if project == "near" else 2000) + n,
                "created_at": world.now + dt.timedelta(seconds=n // 2 + 1),
            }
            for n in range(number)
        ]
        conn.execute(sa.insert(t.task), rows)
        return [row["id"] for row in rows]

    made: list[str] = await world.db.write(unit)
    return made


async def pages(read: Any, limit: int) -> list[list[Any]]:
    found, cursor = [], None
    while True:
        records, cursor = await read(cursor, limit)
        found.append(list(records))
        if cursor is None:
            return found


async def test_pages_of_tasks_join_to_the_whole_list(world: Any) -> None:
    await add_tasks(world, 9)
    ctx = await world.ctx()
    whole = [task.id async for task in ctx.tasks.list(fields=["number"])]
    for limit in (1, 3, 5, 10, 11, 200):
        read = await pages(lambda cursor, limit: ctx.tasks.page(["number"], {}, cursor, limit), limit)
        assert [task.id for page in read for task in page] == whole
        assert [len(page) for page in read[:-1]] == [limit] * (len(read) - 1)
        assert 0 < len(read[-1]) <= limit


async def test_pages_of_people_join_to_the_whole_list(world: Any) -> None:
    ctx = await world.ctx()
    whole = [person.id async for person in ctx.people.list()]
    for limit in (1, 2, 3, 4):
        read = await pages(lambda cursor, limit: ctx.people.page(None, cursor, limit), limit)
        assert [person.id for page in read for person in page] == whole
        assert len(read) == -(-3 // limit)


async def test_a_page_records_what_it_gives_and_nothing_of_the_next(world: Any) -> None:
    made = await add_tasks(world, 3)
    ctx = await world.ctx()
    before = len(await world.given())
    records, cursor = await ctx.tasks.page(["number"], {}, None, 2)
    assert cursor is not None
    [entry] = (await world.given())[before:]
    assert {record[1] for record in entry.records} == {task.id for task in records}
    assert not {record[1] for record in entry.records} & set(made[1:])


async def test_a_cursor_tells_only_an_id_that_the_page_gave(world: Any) -> None:
    await add_tasks(world, 3)
    ctx = await world.ctx()
    records, cursor = await ctx.tasks.page(["number"], {}, None, 2)
    decoded = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    assert decoded == ["tasks", records[-1].id]
    people_found, cursor = await ctx.people.page(None, None, 2)
    decoded = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    assert decoded == ["people", people_found[-1].id]


def encoded(body: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(body, separators=(",", ":")).encode()).decode().rstrip("=")


async def test_a_cursor_that_no_page_of_the_list_gave_is_refused(world: Any) -> None:
    await add_tasks(world, 2)
    north, south = world.ids["north"], world.ids["south"]
    ctx = await world.ctx()
    _, of_tasks = await ctx.tasks.page(None, {}, None, 1)
    _, of_people = await ctx.people.page(None, None, 1)
    wrong: list[Any] = [
        "",
        "x",
        7,
        "ü",
        of_tasks + "=",
        of_tasks + "\n",
        of_tasks[:-1],
        "A" * 600,
        encoded([]),
        encoded(["tasks"]),
        encoded(["tasks", 7]),
        encoded(["tasks", "nonsense"]),
        encoded(["tasks", new_id()]),
        encoded([["[" * 50], 1]),
        base64.urlsafe_b64encode(b"[" * 300).decode(),
    ]
    for cursor in [*wrong, of_people, encoded(["tasks", north["far task"]]), encoded(["tasks", south["near task"]])]:
        with pytest.raises(Invalid) as caught:
            await ctx.tasks.page(None, {}, cursor, 1)
        assert set(caught.value.fields) == {"cursor"}
    for cursor in [*wrong[:-5], of_tasks]:
        with pytest.raises(Invalid):
            await ctx.people.page(None, cursor, 1)


async def test_a_page_has_from_1_to_200(world: Any) -> None:
    ctx = await world.ctx()
    for limit in (0, -1, 201, True, "5", 2.0, None):
        for reading in (ctx.tasks.page(None, {}, None, limit), ctx.people.page(None, None, limit)):
            with pytest.raises(Invalid) as caught:
                await reading
            assert set(caught.value.fields) == {"limit"}


async def test_a_page_filters_and_stays_within_reach_as_the_list_does(world: Any) -> None:
    await add_tasks(world, 4)
    await add_tasks(world, 4, "far")
    north = world.ids["north"]
    ctx = await world.ctx()
    later = world.now + dt.timedelta(seconds=2)
    read = await pages(lambda cursor, limit: ctx.tasks.page(None, {"created_since": later}, cursor, limit), 1)
    assert len(read) == 2
    with pytest.raises(NotFound):
        await ctx.tasks.page(None, {"project": north["far"]}, None, 5)
    with pytest.raises(Invalid):
        await ctx.tasks.page(None, {"projekt": "x"}, None, 5)
    await world.grant({"organisation:read"})
    with pytest.raises(Refused):
        await ctx.tasks.page(None, {}, None, 5)
    with pytest.raises(Refused):
        await ctx.people.page(None, None, 5)


async def test_somebody_who_objects_between_two_pages_is_on_neither(world: Any) -> None:
    ctx = await world.ctx()
    first, cursor = await ctx.people.page(None, None, 1)
    others = {await world.known_as(who): who for who in ("ada", "ben", "cy")}
    leaving = next(who for known, who in sorted(others.items()) if known != first[0].id)
    await world.objections.object(world.doer(leaving), "an-app")
    second, _ = await ctx.people.page(None, cursor, 5)
    assert {others[person.id] for person in [*first, *second]} == {"ada", "ben", "cy"} - {leaving}


async def test_a_stamp_stays_until_what_it_stands_for_could_differ(world: Any) -> None:
    north = world.ids["north"]
    task = north["near task"]
    ctx = await world.ctx()
    before = len(await world.given())
    stamp = await ctx.tasks.stamp(task)
    assert await ctx.tasks.stamp(task) == stamp
    assert await (await world.ctx()).tasks.stamp(task, fields=None) == stamp
    assert len(await world.given()) == before
    seen = {stamp, await ctx.tasks.stamp(task, fields=["summary"]), await ctx.tasks.stamp(task, fields=["due"])}
    await ctx.tasks.edit(task, summary="Other")
    seen.add(await ctx.tasks.stamp(task))
    await ctx.checklists.set_done(north["near item"], True)
    seen.add(await ctx.tasks.stamp(task))
    await world.objections.object(world.doer("cy"), "an-app")
    seen.add(await ctx.tasks.stamp(task))
    await world.db.write(people.rename, north["organisation"], north["ben"], "Benno")
    seen.add(await ctx.tasks.stamp(task))
    assert len(seen) == 7


async def test_stamps_differ_between_installations_and_narrower_rights(world: Any) -> None:
    task = world.ids["north"]["near task"]
    whole = await (await world.ctx()).tasks.stamp(task)
    narrow = await (await world.ctx(scopes=frozenset({"tasks:read"}))).tasks.stamp(task)
    member = await (await world.ctx(actor=Actor.person(world.doer("ben")))).tasks.stamp(task)
    assert narrow != whole
    assert member == whole  # a member may see all of a task that the app may


async def test_a_stamp_is_refused_as_the_task_is(world: Any) -> None:
    ctx = await world.ctx()
    for task in (world.ids["north"]["far task"], world.ids["south"]["near task"], new_id(), "x"):
        with pytest.raises(NotFound):
            await ctx.tasks.stamp(task)
    with pytest.raises(Invalid):
        await ctx.tasks.stamp(world.ids["north"]["near task"], fields=["dew"])
    await world.grant({"people:name"})
    with pytest.raises(Refused):
        await ctx.tasks.stamp(world.ids["north"]["near task"])
