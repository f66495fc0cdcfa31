"""What an app reads: which fields, about whom, as whom, and what the ledger says of it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
import sqlalchemy as sa

from assigntask.db import new_id
from assigntask.db import tables as t
from assigntask.grants.grant import Actor
from assigntask.people import people
from assigntask_sdk.details import SCOPES, details_of
from assigntask_sdk.errors import Gone, Invalid, NotFound, NotShared, Refused


async def each(iterator: Any) -> list[Any]:
    return [one async for one in iterator]


async def test_without_fields_a_task_has_all_that_is_granted_and_people_have_only_ids(world: Any) -> None:
    north = world.ids["north"]
    ctx = await world.ctx()
    task = await ctx.tasks.get(north["near task"])
    assert set(task) - {"id", "version"} == {
        detail.partition(".")[2] for detail in details_of(SCOPES) if detail.startswith("task.")
    }
    assert [set(person) for person in task.assignees] == [{"id", "version", "withheld"}] * 2
    assert task.description == f"for @{await world.known_as('ben')}"


async def test_only_named_fields_are_released_and_recorded(world: Any) -> None:
    north = world.ids["north"]
    ctx = await world.ctx()
    task = await ctx.tasks.get(north["near task"], fields=["summary", "assignees", "person.name", "id"])
    assert set(task) == {"id", "version", "summary", "assignees"}
    assert [person.name for person in task.assignees] == ["Ben", "Cy"]
    with pytest.raises(NotShared):
        _ = task.assignees[0].email
    entry = (await world.given())[-1]
    assert set(entry.details) == {"task.summary", "task.assignees", "person.name"}
    assert ("task", north["near task"], 1) in entry.records
    assert set(entry.subjects) == {north["ben"], north["cy"]}


async def test_a_field_that_is_not_granted_is_absent(world: Any) -> None:
    await world.grant({"tasks:read"})
    ctx = await world.ctx()
    task = await ctx.tasks.get(world.ids["north"]["near task"], fields=["summary", "assignees", "person.email"])
    assert set(task) == {"id", "version", "summary"}
    with pytest.raises(NotShared):
        _ = task.assignees


UNKNOWN_FIELDS: list[tuple[Any, str, str]] = [
    (["sumary"], "sumary", "summary"),
    (["comment.text"], "comment.text", ""),
    (["nmae"], "nmae", ""),
    ("summary", "fields", "list"),
    (7, "fields", "list"),
    ([None], "None", ""),
]


async def test_a_field_that_there_is_not_is_refused_by_name(world: Any) -> None:
    ctx = await world.ctx()
    for fields, name, hint in UNKNOWN_FIELDS:
        for reading in (
            ctx.tasks.get(world.ids["north"]["near task"], fields=fields),
            each(ctx.tasks.list(fields=fields)),
        ):
            with pytest.raises(Invalid) as caught:
                await reading
            assert hint in caught.value.fields[name]


async def test_who_objects_is_gone_from_the_next_call_on(world: Any) -> None:
    north = world.ids["north"]
    ctx = await world.ctx()
    known = await world.known_as("cy")
    assert (await ctx.people.get(known)).name == "Cy"
    await world.objections.object(world.doer("cy"), "an-app")
    with pytest.raises(NotFound):
        await ctx.people.get(known)
    with pytest.raises(NotFound):
        await ctx.storage.person(known).get("k")
    with pytest.raises(NotFound):
        await ctx.as_person(known).projects.list()
    assert known not in {person.id for person in await each(ctx.people.list())}
    task = await ctx.tasks.get(north["near task"], fields=["assignees", "person.name"])
    assert [person.withheld for person in task.assignees] == [False, True]
    assert [comment.id for comment in await ctx.comments.list(north["near task"])] == [north["near comment of ben"]]
    assert [one.id for one in await ctx.attachments.list(north["near task"])] == [north["near attachment of ben"]]
    with pytest.raises(NotFound):
        await ctx.attachments.remove(north["near attachment of cy"])
    await world.objections.withdraw(world.doer("cy"), "an-app")
    again = await world.known_as("cy")
    assert again != known
    assert (await ctx.people.get(again)).name == "Cy"
    with pytest.raises(NotFound):
        await ctx.people.get(known)


async def test_get_many_leaves_out_what_is_missing_and_takes_at_most_200(world: Any) -> None:
    north = world.ids["north"]
    ctx = await world.ctx()
    found = await ctx.tasks.get_many([north["near task"], north["far task"], new_id(), "no id"])
    assert list(found) == [north["near task"]]
    ben = await world.known_as("ben")
    assert list(await ctx.people.get_many([ben, "p_" + "a" * 26])) == [ben]
    for many in (ctx.tasks.get_many, ctx.people.get_many):
        with pytest.raises(Invalid):
            await many([new_id() for _ in range(201)])
        with pytest.raises(Invalid):
            await many("one id")


async def add_tasks(world: Any, number: int) -> list[str]:
    """Into `near`, created one second apart."""
    north = world.ids["north"]

    def unit(conn: sa.Connection) -> list[str]:
        like = conn.execute(sa.select(t.task).where(t.task.c.id == north["near task"])).mappings().one()
        rows = [
            {
                **like,
                "id": new_id(),
                "number": 1000 + n,
                "summary": f"{n}",
                "created_at": world.now + dt.timedelta(seconds=n + 1),
                "updated_at": world.now + dt.timedelta(seconds=n + 1),
            }
            for n in range(number)
        ]
        conn.execute(sa.insert(t.task), rows)
        return [row["id"] for row in rows]

    made: list[str] = await world.db.write(unit)
    return made


async def test_a_list_comes_in_order_of_creation_each_page_in_one_entry(world: Any) -> None:
    made = await add_tasks(world, 450)
    ctx = await world.ctx()
    before = len(await world.given())
    found = await each(ctx.tasks.list(fields=["number"]))
    assert [task.id for task in found] == [world.ids["north"]["near task"], *made]
    entries = (await world.given())[before:]
    assert [len(entry.records) for entry in entries] == [200, 200, 51]


async def test_a_list_stops_at_the_page_after_the_app_was_disabled(world: Any) -> None:
    await add_tasks(world, 250)
    ctx = await world.ctx()
    read = []
    with pytest.raises(Gone):
        async for task in ctx.tasks.list(fields=["number"]):
            read.append(task.id)
            if len(read) == 1:
                await world.state("disabled")
    assert len(read) == 200


async def test_filters_choose_and_count_as_asked_for(world: Any) -> None:
    north = world.ids["north"]
    made = await add_tasks(world, 3)
    ctx = await world.ctx()
    later = world.now + dt.timedelta(seconds=2)

    async def ids(**filters: Any) -> list[str]:
        return [task.id for task in await each(ctx.tasks.list(fields=["summary"], **filters))]

    await ctx.tasks.archive(made[0])
    assert await ids() == [north["near task"], *made[1:]]
    assert await ids(archived=True) == made[:1]
    assert await ids(done=True) == []
    assert await ids(created_since=later) == made[1:]
    assert await ids(project=north["near"], created_since=later) == made[1:]
    for detail, filters in (
        ("task.done", {"done": False}),
        ("task.updated", {"updated_since": later}),
        ("task.project", {"project": north["near"]}),
    ):
        tasks = await each(ctx.tasks.list(fields=["summary"], **filters))
        assert set(tasks[0]) == {"id", "version", "summary", detail.partition(".")[2]}
    await world.grant({"tasks:people"})
    with pytest.raises(Refused):
        await ids(done=False)
    assert len(await ids()) == 3


UNKNOWN_FILTERS: list[dict[str, Any]] = [
    {"projekt": "x"},
    {"archived": None},
    {"done": 1},
    {"updated_since": "2026-01-01"},
    {"created_since": dt.datetime(2026, 1, 1)},  # noqa: DTZ001 - naive on purpose
    {"project": 7},
]


async def test_a_filter_that_means_nothing_is_refused_by_name(world: Any) -> None:
    ctx = await world.ctx()
    for filters in UNKNOWN_FILTERS:
        with pytest.raises(Invalid) as caught:
            await each(ctx.tasks.list(**filters))
        assert list(caught.value.fields) == list(filters)


async def test_people_come_in_an_order_that_no_other_app_sees(world: Any) -> None:
    north = world.ids["north"]

    def more(conn: sa.Connection) -> None:
        for n in range(250):
            people.add(conn, north["organisation"], name=f"Person {n}", now=world.now)

    await world.db.write(more)
    ctx = await world.ctx()
    before = len(await world.given())
    ids = [person.id for person in await each(ctx.people.list(fields=["name"]))]
    assert len(ids) == 253
    assert ids == sorted(ids)
    assert len(await world.given()) - before == 2


async def test_as_a_person_an_app_has_no_more_than_the_person_may(world: Any) -> None:
    ada, ben = await world.known_as("ada"), await world.known_as("ben")
    ctx = await world.ctx()
    assert (await ctx.as_person(ada).people.get(ben)).email == "ben@north.example"
    as_ben = ctx.as_person(ben)
    assert "email" not in await as_ben.people.get(ada)
    assert not as_ben.granted("people:email")
    nested = as_ben.as_person(ada)
    assert "email" not in await nested.people.get(ben)
    assert not nested.granted("people:email")
    entry = (await world.given())[-1]
    assert entry.actor.startswith("person")


async def test_in_a_question_nobody_elses_rights_open_what_the_viewer_may_not_see(world: Any) -> None:
    ctx = await world.ctx("north", Actor.viewer(world.doer("ben")))
    ada, ben = await world.known_as("ada"), await world.known_as("ben")
    assert not ctx.granted("people:email")
    assert "email" not in await ctx.as_person(ada).people.get(ben)


async def test_acting_as_somebody_who_left_finds_nobody(world: Any) -> None:
    north = world.ids["north"]
    ctx = await world.ctx()
    as_ben = ctx.as_person(await world.known_as("ben"))
    assert len(await as_ben.projects.list()) == 1
    await world.db.write(people.mark_left, north["organisation"], north["ben"])
    with pytest.raises(NotFound):
        await as_ben.projects.list()


async def test_what_fails_inside_the_host_reaches_the_app_as_an_id_and_nothing_else(world: Any) -> None:
    ctx = await world.ctx()

    def lose(conn: sa.Connection) -> None:
        conn.execute(sa.text("ALTER TABLE comment RENAME TO lost"))

    await world.db.write(lose)
    with pytest.raises(Exception, match="Something failed inside the host") as caught:
        await ctx.comments.list(world.ids["north"]["near task"])
    error: Any = caught.value
    assert error.code == "host_error"
    assert set(error.to_json()) == {"code", "message", "id"}
    assert "comment" not in str(error.to_json())
    assert error.__context__ is None
