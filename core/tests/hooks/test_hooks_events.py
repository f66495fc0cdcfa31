"""The line of notices as an app reads it: what each would say now, its own alone, recorded once for a page."""

from __future__ import annotations

import json
from typing import Any

import pytest

from assigntask.grants.grant import Actor
from assigntask.people.facts import Doer
from assigntask_sdk.errors import Gone, Invalid
from assigntask_sdk.events import Event, EventPage
from assigntask_sdk.hooks import CommentAdded, TaskChanged

pytestmark = pytest.mark.timeout(60)


async def ctx_of(world: Any, name: str = "listening_app", **options: Any) -> Any:
    options = {"deadline": world.clock(), "settings": {}, **options}
    return world.contexts.make(await world.grant(name, options.pop("actor", None)), **options)


async def told(world: Any, **options: Any) -> list[tuple[str, str]]:
    page = await (await ctx_of(world)).events.list(**options)
    return [(event.hook, said(event)) for event in page.items]


def said(event: Event) -> str:
    if isinstance(event.ask, TaskChanged):
        return f"{event.ask.task.summary} | {','.join(sorted(event.ask.changed))}"
    return event.ask.comment.text if isinstance(event.ask, CommentAdded) else ""


async def test_it_says_what_the_notices_say_whether_they_were_told_or_wait(world: Any) -> None:
    await world.install("listening_app")
    task = await world.task("one")
    await world.notices.drain(world.ids["here"], world.ids["listening_app"])
    await world.edit(task, summary="two")
    await world.actions.comment(world.doer("ben"), task.id, "well done")
    page = await (await ctx_of(world)).events.list()
    assert [event.hook for event in page.items] == ["installed", "task_changed", "task_changed", "comment_added"]
    assert [said(event) for event in page.items[1:]] == ["two | due,summary", "two | summary", "well done"]
    positions = [event.position for event in page.items]
    assert positions == sorted(set(positions))
    assert (page.next, page.more) == (str(positions[-1]), False)
    ada = (await world.grant("listening_app")).pairwise(world.ids["ada"])
    assert [event.ask.by.id for event in page.items[1:3]] == [ada, ada]
    assert page.items[0].ask.contacts["installer"].email == "ada@harbour.example"
    assert all(event.ask.id == event.id and event.ask.at == event.at for event in page.items)
    await world.notices.drain(world.ids["here"], world.ids["listening_app"])
    heard = [words for kind, words in await world.heard() if kind == "task_changed"]
    assert [words.rpartition(" | ")[0] for words in heard] == ["one | due,summary", "two | summary"]


async def test_a_page_survives_json(world: Any) -> None:
    await world.install("listening_app")
    task = await world.task("one")
    await world.actions.comment(world.doer("ben"), task.id, "well done")
    page = await (await ctx_of(world)).events.list()
    body = json.loads(json.dumps(page.to_json()))
    assert EventPage.from_json(body) == page
    body["items"].append({**body["items"][0], "hook": "not_known_yet"})
    assert EventPage.from_json(body) == page
    for wrong in ({}, {**body, "items": [{"hook": "installed"}]}, {**body, "items": [{"hook": "installed", "ask": 1}]}):
        with pytest.raises(ValueError, match=r"."):
            EventPage.from_json(wrong)


async def test_pages_go_on_behind_the_last_one_that_was_looked_at(world: Any) -> None:
    await world.install("listening_app", projects=["near"])
    for summary in ("one", "two"):
        await world.task(summary)
        await world.task("far away", project="far")
    ctx, after, seen, steps = await ctx_of(world), "", [], 0
    while True:
        page = await ctx.events.list(after=after, limit=1)
        seen += [said(event) for event in page.items]
        steps += 1
        assert page.next != after
        after = page.next
        if not page.more:
            break
    assert steps == 5  # the one out of reach are looked at, and skipped
    assert seen == ["", "one | due,summary", "two | due,summary"]
    again = await ctx.events.list(after=after)
    assert (again.items, again.next, again.more) == ((), after, False)
    await world.task("three")
    assert [said(event) for event in (await ctx.events.list(after=after)).items] == ["three | due,summary"]


async def test_one_release_stands_for_the_page_and_holds_what_each_hook_wants(world: Any) -> None:
    await world.install("listening_app")
    task = await world.task("one")
    await world.actions.comment(world.doer("ben"), task.id, "well done")
    before = len(await world.released("listening_app", ["api"]))
    page = await (await ctx_of(world)).events.list()
    entries = (await world.released("listening_app", ["api"]))[before:]
    assert entries == [
        frozenset({"person.email", "viewer.change", "task.summary", "task.due", "comment.text"}),
    ]
    changed, commented = page.items[-2:]
    assert set(changed.ask.task) == {"id", "version", "summary", "due"}
    assert set(commented.ask.comment) == {"id", "version", "text"}


async def test_what_may_not_be_told_any_more_is_left_out(world: Any) -> None:
    await world.install("listening_app")
    task = await world.task("one")
    await world.actions.comment(world.doer("ben"), task.id, "by ben")
    await world.actions.comment(world.doer("cem"), task.id, "by cem")
    await world.objections.object(world.doer("ben"), "listening-app")
    assert await told(world) == [
        ("installed", ""),
        ("task_changed", "one | due,summary"),
        ("comment_added", "by cem"),
        ("person_withdrawn", ""),
    ]


async def test_a_narrowed_ctx_reads_no_more_than_its_scopes_open(world: Any) -> None:
    await world.install("listening_app")
    task = await world.task("one")
    await world.actions.comment(world.doer("ben"), task.id, "well done")
    page = await (await ctx_of(world, scopes=frozenset({"tasks:read"}))).events.list()
    assert [event.hook for event in page.items] == ["installed", "task_changed"]
    assert page.items[1].ask.by is None
    page = await (await ctx_of(world, scopes=frozenset())).events.list()
    assert [event.hook for event in page.items] == ["installed"]


async def test_an_app_reads_its_own_line_alone(world: Any) -> None:
    await world.install("listening_app")
    await world.install("drawing_app")
    await world.task("one")
    mine = {event.id for event in (await (await ctx_of(world)).events.list()).items}
    others = {event.id for event in (await (await ctx_of(world, "drawing_app")).events.list()).items}
    assert mine
    assert not mine & others


async def test_its_own_changes_are_not_in_its_line(world: Any) -> None:
    installation = await world.install("listening_app")
    task = await world.task("one")
    before = await told(world)
    app = Doer(world.ids["here"], None, None, installation_id=installation)
    await world.actions.edit(app, task.id, {"due": None})
    assert len(await told(world)) == len(before)


async def test_a_disabled_app_reads_nothing(world: Any) -> None:
    await world.install("listening_app")
    ctx = await ctx_of(world)
    await world.leaving.disable(world.doer(), "listening-app")
    with pytest.raises(Gone):
        await ctx.events.list()


async def test_with_a_persons_rights_it_reads_as_they_may(world: Any) -> None:
    await world.install("listening_app")
    await world.task("one")
    page = await (await ctx_of(world, actor=Actor.person(world.doer("ben")))).events.list()
    assert [event.hook for event in page.items] == ["installed", "task_changed"]


@pytest.mark.parametrize("after", ["x", "-1", "1.5", " 1", "1" * 19, "١", None, 3])
async def test_what_is_no_position_is_refused(world: Any, after: Any) -> None:
    await world.install("listening_app")
    with pytest.raises(Invalid) as caught:
        await (await ctx_of(world)).events.list(after=after)
    assert set(caught.value.fields) == {"after"}


async def test_a_limit_is_from_1_to_200(world: Any) -> None:
    await world.install("listening_app")
    for limit in (0, 201, True, "5"):
        with pytest.raises(Invalid):
            await (await ctx_of(world)).events.list(limit=limit)
