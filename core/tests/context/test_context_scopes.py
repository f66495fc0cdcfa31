"""A ctx narrowed to scopes, as a token asks: never more than the grant, never more than the scopes, and no less."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assigntask.grants.grant import KEPT_NARROWED, Actor
from assigntask_sdk.details import SCOPES, details_of
from assigntask_sdk.errors import AppError, NotFound, Refused
from assigntask_sdk.records import Record

sets_of_scopes = st.frozensets(st.sampled_from(sorted(SCOPES)))


async def each(iterator: Any) -> list[Any]:
    return [one async for one in iterator]


async def seen_by(ctx: Any, ids: Mapping[str, str], known: str) -> dict[str, Any]:
    """What every reading call gives, or the code of its error."""
    task = ids["near task"]
    calls = {
        "task": lambda: ctx.tasks.get(task, fields=None),
        "task with names": lambda: ctx.tasks.get(task, fields=["assignees", "description", "person.name"]),
        "tasks": lambda: each(ctx.tasks.list()),
        "page of tasks": lambda: ctx.tasks.page(None, {}, None, 5),
        "comments": lambda: ctx.comments.list(task),
        "attachments": lambda: ctx.attachments.list(task),
        "person": lambda: ctx.people.get(known),
        "people": lambda: each(ctx.people.list()),
        "page of people": lambda: ctx.people.page(None, None, 5),
        "projects": ctx.projects.list,
        "organisation": ctx.organisation.get,
        "departments": ctx.departments.list,
        "task types": ctx.task_types.list,
        "as somebody": lambda: ctx.as_person(known).tasks.get(task),
        "people as somebody": lambda: each(ctx.as_person(known).people.list()),
    }
    return {name: await outcome(call) for name, call in calls.items()}


async def outcome(call: Any) -> Any:
    try:
        found = await call()
    except AppError as error:
        return error.code
    return plain(found)


def plain(value: Any) -> Any:
    if isinstance(value, Record):
        return value.to_json()
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value if isinstance(value, str | None) else repr(value)


@given(granted=sets_of_scopes, token=sets_of_scopes, actor=st.sampled_from(["installation", "ben", "ada"]))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_a_narrowed_ctx_gives_what_a_grant_of_both_would(
    world: Any, granted: frozenset[str], token: frozenset[str], actor: str
) -> None:
    ids, known = world.ids["north"], await world.known_as("ben")
    who = Actor.installation() if actor == "installation" else Actor.person(world.doer(actor))
    await world.grant(granted)
    narrowed = await seen_by(await world.ctx(actor=who, scopes=token), ids, known)
    whole = await world.current(actor=who)
    assert whole.narrowed_to(token).scopes == whole.scopes & token
    assert whole.narrowed_to(token).details == whole.details & details_of(token)
    await world.grant(granted & token)
    assert narrowed == await seen_by(await world.ctx(actor=who), ids, known)


async def test_a_power_outside_the_token_is_refused_though_it_is_granted(world: Any) -> None:
    ids = world.ids["north"]
    ctx = await world.ctx(scopes=frozenset({"tasks:read", "comments:write"}))
    writes: dict[str, Callable[[], Awaitable[Any]]] = {
        "tasks:write": lambda: ctx.tasks.edit(ids["near task"], summary="x"),
        "attachments:write": lambda: ctx.attachments.add(ids["near task"], "x", "https://x.example", key="x"),
    }
    for scope, write in writes.items():
        assert not ctx.granted(scope)
        with pytest.raises(Refused) as caught:
            await write()
        assert caught.value.scope == scope
    for write in (
        lambda: ctx.checklists.add(ids["near task"], "x", key="x"),
        lambda: ctx.checklists.set_done(ids["near item"], True),
    ):
        with pytest.raises(Refused):
            await write()
    await ctx.tasks.comment(ids["near task"], "allowed", key="k")


async def test_acting_as_somebody_stays_narrowed(world: Any) -> None:
    ctx = await world.ctx(scopes=frozenset({"tasks:read"}))
    them = ctx.as_person(await world.known_as("ben"))
    assert set(await them.tasks.get(world.ids["north"]["near task"])) & {"assignees", "creator"} == set()
    with pytest.raises(Refused):
        await each(them.people.list())


async def test_a_token_gains_nothing_when_the_grant_does_and_loses_with_it(world: Any) -> None:
    await world.grant({"tasks:read"})
    ctx = await world.ctx(scopes=frozenset({"tasks:read", "people:name"}))
    known = await world.known_as("ben")
    with pytest.raises(Refused):
        await ctx.people.get(known)
    await world.grant({"tasks:read", "people:name", "people:email"})
    assert set(await ctx.people.get(known)) == {"id", "version", "withheld", "name", "user_name"}
    await world.grant({"tasks:read"})
    with pytest.raises(Refused):
        await ctx.people.get(known)


async def test_storage_and_problems_need_no_scope_of_the_token(world: Any) -> None:
    ctx = await world.ctx(scopes=frozenset())
    assert await ctx.storage.get("k") is None
    await ctx.problems.report("k", "It broke")
    assert [problem.key for problem in await ctx.problems.list()] == ["k"]
    with pytest.raises(NotFound):
        await ctx.storage.task(world.ids["north"]["far task"]).get("k")


async def test_a_grant_is_narrowed_once_and_a_changed_copy_is_narrowed_anew(world: Any) -> None:
    grant = await world.current()
    scopes = frozenset({"tasks:read"})
    assert grant.narrowed_to(scopes) is grant.narrowed_to(frozenset(scopes))
    assert grant.narrowed_to(frozenset(SCOPES)) is grant
    less = grant.narrowed_to(frozenset({"people:name"}))
    assert less.narrowed_to(scopes).details == frozenset()
    for number in range(2 * KEPT_NARROWED):
        grant.narrowed_to(scopes | {f"x:{number}"})
    assert len(grant.narrower) <= KEPT_NARROWED
