"""What an app changes: tasks, comments, its own storage, problems and log lines, and as whom."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from assigntask.context.boundary import for_app
from assigntask.context.edits import with_withheld
from assigntask.db import tables as t
from assigntask.hooks import problems
from assigntask.tasks import comments, tasks
from assigntask_sdk.errors import Conflict, Gone, Invalid, NotFound, Refused
from assigntask_sdk.records import Due
from assigntask_sdk.storage import MAX_OPERATIONS, Put


async def task_of(world: Any, task_id: str) -> Any:
    return await world.db.read(tasks.get, world.ids["north"]["organisation"], task_id)


async def test_a_task_is_created_with_names_and_own_ids_once_per_key(world: Any) -> None:
    north = world.ids["north"]
    ctx = await world.ctx()
    ben = await world.known_as("ben")
    due = Due(dt.date(2026, 4, 1))
    fields: Any = {"status": "doing", "type": "Bug", "labels": ["Urgent"], "assignees": [ben], "due": due}
    first = await ctx.tasks.create("New", project=north["near"], key="k", description=f"ask @{ben}", **fields)
    again = await ctx.tasks.create("Other", project=north["near"], key="k")
    assert first == again
    task = await task_of(world, first)
    assert (task.summary, task.status.name, task.type.name, task.due) == ("New", "Doing", "Bug", due)
    assert [label.name for label in task.labels] == ["urgent"]
    assert task.assignees == (north["ben"],)
    assert task.description == f"ask <@{north['ben']}>"
    assert task.creator is None
    assert await ctx.tasks.create("New", project=north["near"]) != first


async def take_part(world: Any, who: str) -> None:
    north = world.ids["north"]
    grant = await world.current("north")
    row = {"installation_id": grant.installation_id, "person_id": north[who], "settings": {}, "created_at": world.now}
    await world.db.write(lambda c: c.execute(sa.insert(t.enrolment), {"organisation_id": north["organisation"], **row}))


async def test_an_app_acts_in_nobodys_name_who_does_not_take_part_in_it(world: Any) -> None:
    north = world.ids["north"]
    ctx = (await world.ctx()).as_person(await world.known_as("ben"))
    assert await ctx.tasks.get(north["near task"])
    for act in (
        ctx.tasks.create("New", project=north["near"]),
        ctx.tasks.edit(north["near task"], summary="Other"),
        ctx.tasks.comment(north["near task"], "Hm", key="k"),
        ctx.tasks.archive(north["near task"]),
        ctx.attachments.add(north["near task"], "Plan", "https://example.org/", key="k"),
    ):
        with pytest.raises(Refused, match="take part"):
            await act


async def test_as_a_person_what_an_app_writes_is_that_persons(world: Any) -> None:
    north = world.ids["north"]
    await take_part(world, "ben")
    ctx = (await world.ctx()).as_person(await world.known_as("ben"))
    made = await ctx.tasks.create("New", project=north["near"])
    assert (await task_of(world, made)).creator == north["ben"]
    comment = await ctx.tasks.comment(made, "Done so", key="k")
    found = await world.db.read(comments.load, north["organisation"], [comment])
    assert found[comment].author == north["ben"]


async def test_an_edit_answers_with_the_new_version_and_conflicts_on_an_old_one(world: Any) -> None:
    task = world.ids["north"]["near task"]
    ctx = await world.ctx()
    assert await ctx.tasks.edit(task, summary="Second") == 2
    assert await ctx.tasks.edit(task, summary="Second") == 2
    assert await ctx.tasks.edit(task, if_version=2, due=Due(dt.date(2026, 4, 1))) == 3
    with pytest.raises(Conflict):
        await ctx.tasks.edit(task, if_version=2, due=None)
    with pytest.raises(Conflict):
        await ctx.tasks.edit(task, if_version=2, assignees=[])
    assert await ctx.tasks.edit(task, due=None) == 4
    assert (await task_of(world, task)).due is None


REFUSED: list[tuple[str, Any]] = [
    ("colour", "red"),
    ("archived", True),
    ("status", "Nowhere"),
    ("status", None),
    ("type", "Nothing"),
    ("type", 7),
    ("labels", "urgent"),
    ("labels", ["none"]),
    ("labels", 7),
    ("assignees", "p_x"),
    ("assignees", ["p_" + "a" * 26]),
    ("assignees", [7]),
    ("due", "tomorrow"),
    ("start", 7),
    ("summary", ""),
    ("summary", None),
    ("description", 7),
    ("description", "see <@01890000-0000-7000-8000-000000000000>"),
    ("if_version", "2"),
]


async def test_a_value_that_means_nothing_is_refused_by_name_and_changes_nothing(world: Any) -> None:
    task = world.ids["north"]["near task"]
    ctx = await world.ctx()
    for field, value in REFUSED:
        with pytest.raises(Invalid) as caught:
            await ctx.tasks.edit(task, **{"summary": "Other", field: value})
        assert list(caught.value.fields) == [field]
        told = str(caught.value)
        assert not any(name in told for name in ("To do", "Doing", "Done", "Bug"))
    assert (await task_of(world, task)).version == 1


async def test_an_id_of_another_app_or_of_the_host_assigns_nobody(world: Any) -> None:
    task = world.ids["north"]["near task"]
    ctx = await world.ctx()
    for other in (await world.known_as("ben", "south"), world.ids["north"]["ben"]):
        with pytest.raises(Invalid) as caught:
            await ctx.tasks.edit(task, assignees=[other])
        assert list(caught.value.fields) == ["assignees"]


async def test_whom_an_app_can_not_know_of_it_can_not_take_off_a_task(world: Any) -> None:
    north = world.ids["north"]
    ctx = await world.ctx()
    await world.objections.object(world.doer("cy"), "an-app")
    ben, ada = await world.known_as("ben"), await world.known_as("ada")
    assert await ctx.tasks.edit(north["near task"], assignees=[ben]) == 1
    await ctx.tasks.edit(north["near task"], assignees=[ada])
    assert (await task_of(world, north["near task"])).assignees == (north["ada"], north["cy"])
    await ctx.tasks.edit(north["near task"], assignees=None)
    assert (await task_of(world, north["near task"])).assignees == (north["cy"],)


def test_assignees_that_an_app_can_not_tell_apart_from_before_stay_as_they_are() -> None:
    hidden = frozenset({"h", "i"})
    assert with_withheld(["a", "b"], ["h", "a", "i", "b"], hidden) == ["h", "a", "i", "b"]
    assert with_withheld(["b", "a"], ["h", "a", "i", "b"], hidden) == ["b", "a", "h", "i"]
    assert with_withheld([], ["h"], hidden) == ["h"]


async def test_an_error_that_an_app_may_see_carries_nothing_behind_it() -> None:
    class Part:
        _access = SimpleNamespace(app_id="an-app", installation_id="i")

        @for_app
        async def call(self) -> None:
            try:
                raise KeyError("secret")
            except KeyError as error:
                raise Conflict("Read it again.") from error

    with pytest.raises(Conflict) as caught:
        await Part().call()
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


async def test_a_comment_mentions_by_the_id_that_the_app_was_given(world: Any) -> None:
    north = world.ids["north"]
    ctx = await world.ctx()
    ben, stranger = await world.known_as("ben"), await world.known_as("ben", "south")
    made = await ctx.tasks.comment(north["near task"], f"@{ben}, and @{stranger}?", key="k")
    assert await ctx.tasks.comment(north["near task"], "again", key="k") == made
    found = await world.db.read(comments.load, north["organisation"], [made])
    assert found[made].text == f"<@{north['ben']}>, and @{stranger}?"
    assert {one.id: one.text for one in await ctx.comments.list(north["near task"])}[made] == found[made].text.replace(
        f"<@{north['ben']}>", f"@{ben}"
    )
    for wrong in (f"see <@{north['ben']}>", "", 7):
        with pytest.raises(Invalid) as caught:
            await ctx.tasks.comment(north["near task"], wrong, key="other")
        assert list(caught.value.fields) == ["text"]


async def test_an_app_can_not_find_out_who_there_is_by_mentioning_user_names(world: Any) -> None:
    north = world.ids["north"]
    ctx = await world.ctx()
    text = "hello @ben and @cy and @nobody"
    made = await ctx.tasks.comment(north["near task"], text, key="probe")
    assert (await world.db.read(comments.load, north["organisation"], [made]))[made].text == text
    await ctx.tasks.edit(north["near task"], description=text)
    assert (await task_of(world, north["near task"])).description == text


async def test_attachments_are_links_added_once_per_key(world: Any) -> None:
    task = world.ids["north"]["near task"]
    ctx = await world.ctx()
    made = await ctx.attachments.add(task, "Plan", "https://example.org/plan", key="k")
    assert await ctx.attachments.add(task, "Plan", "https://example.org/plan", key="k") == made
    assert made in {one.id for one in await ctx.attachments.list(task)}
    with pytest.raises(Invalid):
        await ctx.attachments.add(task, "Plan", "javascript:alert(1)", key="other")
    await ctx.attachments.remove(made)
    assert made not in {one.id for one in await ctx.attachments.list(task)}
    with pytest.raises(NotFound):
        await ctx.attachments.remove(made)


async def test_a_task_out_of_reach_stays_as_it_was(world: Any) -> None:
    north = world.ids["north"]
    ctx = await world.ctx()
    before = await task_of(world, north["far task"])
    for change in (
        ctx.tasks.edit(north["far task"], summary="Other"),
        ctx.tasks.archive(north["far task"]),
        ctx.tasks.comment(north["far task"], "Hm", key="k"),
        ctx.attachments.remove(north["far attachment of ben"]),
    ):
        with pytest.raises(NotFound):
            await change
    assert await task_of(world, north["far task"]) == before


async def test_storage_is_the_installations_own_and_goes_by_the_ids_it_knows(world: Any) -> None:
    north, south = await world.ctx(), await world.ctx("south")
    await north.storage.commit(Put("k", "north"))
    await south.storage.commit(Put("k", "south"))
    ben, task = await world.known_as("ben"), world.ids["north"]["near task"]
    await north.storage.person(ben).commit(Put("k", "ben"))
    await north.storage.task(task).commit(Put("k", "task"))
    read = [
        await store.get("k")
        for store in (north.storage, south.storage, north.storage.person(ben), north.storage.task(task))
    ]
    assert [entry.value for entry in read] == ["north", "south", "ben", "task"]
    for crossing in (south.storage.person(ben), south.storage.task(task)):
        with pytest.raises(NotFound):
            await crossing.get("k")


async def test_what_an_apps_own_iterator_raises_comes_back_as_it_was(world: Any) -> None:
    ctx = await world.ctx()

    async def stream() -> Any:
        for n in range(MAX_OPERATIONS + 1):
            yield Put(f"{n:05}", n)
        raise LookupError("the app's own")

    with pytest.raises(LookupError, match="the app's own"):
        await ctx.storage.apply(stream())
    assert len([key async for key, _ in ctx.storage.scan()]) == MAX_OPERATIONS


async def test_a_goodbye_leads_to_storage_and_problems_and_nothing_else(world: Any) -> None:
    north = world.ids["north"]
    await (await world.ctx()).storage.commit(Put("k", 1))
    await world.state("uninstalled")
    ctx = await world.ctx(any_state=True)
    entry = await ctx.storage.get("k")
    assert entry is not None
    await ctx.storage.commit(Put("k", 2))
    await ctx.problems.report("k", "The other side did not answer")
    for call in (ctx.tasks.get(north["near task"]), ctx.projects.list(), ctx.refresh(north["near task"])):
        with pytest.raises(Gone):
            await call
    await world.state("wiped")
    with pytest.raises(Gone):
        await ctx.storage.commit(Put("k", 3))


async def test_problems_count_and_are_the_installations_own(world: Any) -> None:
    ctx, other = await world.ctx(), await world.ctx("south")
    await ctx.problems.report("sync", "No answer")
    await ctx.problems.report("sync", "Still no answer", severity="error")
    await other.problems.clear("sync")
    (found,) = await world.db.read(problems.listed, world.ids["north"]["organisation"])
    assert (found.key, found.text, found.severity, found.count) == ("sync", "Still no answer", "error", 2)
    for wrong in ({"key": ""}, {"key": None}, {"text": 7}, {"severity": "grave"}, {"key": "a\x00b"}):
        with pytest.raises(Invalid) as caught:
            await ctx.problems.report(**{"key": "k", "text": "x", **wrong})
        assert list(caught.value.fields) == list(wrong)
    await ctx.problems.clear("sync")
    assert await world.db.read(problems.listed, world.ids["north"]["organisation"]) == []


async def test_log_lines_carry_the_installation_and_only_plain_facts_cut_short(world: Any) -> None:
    ctx = await world.ctx()
    with capture_logs() as lines:
        facts: Any = {"installation": "another", "app": "another", "long": "x" * 500, "rows": [1], "n": 3, "ok": True}
        ctx.log.info("y" * 500, **facts)
        ctx.log.warning("late", big=10**100, **{f"n{n}": n for n in range(50)})
    assert [line["log_level"] for line in lines] == ["info", "warning"]
    assert {line["installation"] for line in lines} == {world.ids["north"]["installation"]}
    assert {line["app"] for line in lines} == {"an-app"}
    assert lines[0]["said"] == "y" * 200
    kept = {"installation": "another", "app": "another", "long": "x" * 200, "n": 3, "ok": True}
    assert lines[0]["facts"] == kept
    assert len(lines[1]["facts"]) == 20
    assert isinstance(lines[1]["facts"]["big"], str)


async def test_a_failure_is_logged_by_place_and_kind_without_its_words(world: Any) -> None:
    ctx = await world.ctx()
    world.ledger.failing = True
    with capture_logs() as lines, pytest.raises(Exception, match="inside the host") as caught:
        await ctx.tasks.get(world.ids["north"]["near task"])
    (line,) = lines
    assert line["id"] == caught.value.facts["id"]  # type: ignore[attr-defined]
    assert line["error"] == "OSError"
    assert any(frame.startswith("tasks.py") for frame in line["frames"])
    assert "secret" not in repr(line)


async def test_settings_viewer_time_and_deadline_are_what_the_host_gave(world: Any) -> None:
    deadline = world.now + dt.timedelta(seconds=1)
    ctx = await world.ctx(settings={"grace": 3}, viewer="p_x", deadline=deadline)
    assert (ctx.settings["grace"], ctx.viewer, ctx.deadline, ctx.now()) == (3, "p_x", deadline, world.now)
    with pytest.raises(TypeError):
        ctx.settings["grace"] = 4
    assert (await world.ctx()).viewer is None
    assert ctx.granted("tasks:read")
    await world.grant({"tasks:write"})
    with pytest.raises(Exception, match="tasks:read"):
        await ctx.tasks.get(world.ids["north"]["near task"])
    assert not ctx.granted("tasks:read")
