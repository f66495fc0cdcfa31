"""Who may do what, in which organisation, and that an act is done wholly or not at all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from assigntask.db import tables as t
from assigntask.errors import HostError, NotAllowed
from assigntask.people import organisations, people
from assigntask.people.facts import Doer
from assigntask_sdk.errors import Invalid


def act_of(house: Any, name: str) -> Callable[..., Any]:
    for service in (house.installing, house.leaving, house.upgrading):
        if hasattr(service, name):
            return getattr(service, name)  # type: ignore[no-any-return]
    raise AssertionError(name)


async def bring_to(house: Any, act: str) -> None:
    """To a state in which an admin could do it."""
    if act != "install":
        await house.installing.install(house.doer(), "due-guard")
    if act in ("restore", "sweep"):
        await house.leaving.uninstall(house.doer(), "due-guard")


async def each_act(house: Any, manifest: Any) -> AsyncIterator[str]:
    """Every act of an admin, named at a moment at which it is possible, and done when the test goes on."""
    await house.installing.request(house.doer("Dot"), "due-guard")
    for act in ("decline", "install", "upgrade", "disable", "enable", "uninstall", "restore"):
        if act == "upgrade":
            house.offer(manifest("2.0.0", retention_days=90), content="second")
        yield act
        house.later(minutes=1)
        await act_of(house, act)(house.doer(), "due-guard")


async def test_a_member_can_not(house: Any, due_guard: Any) -> None:
    async for act in each_act(house, due_guard):
        before = await house.dump()
        with pytest.raises(NotAllowed) as caught:
            await act_of(house, act)(house.doer("Cem"), "due-guard")
        assert (caught.value.code, caught.value.facts["needs"]) == ("not_allowed", "admin")
        assert await house.dump() == before, act


async def test_neither_an_app_nor_somebody_of_another_organisation_can(house: Any, due_guard: Any) -> None:
    ada, stranger = house.doer(), house.doer("Ada", "Quay")
    async for act in each_act(house, due_guard):
        before = await house.dump()
        for doer in (
            Doer(ada.organisation_id, ada.person_id, "admin", installation_id="any"),
            Doer(ada.organisation_id, stranger.person_id, "admin"),
            Doer(ada.organisation_id, None, None),
        ):
            with pytest.raises(NotAllowed):
                await act_of(house, act)(doer, "due-guard")
        assert await house.dump() == before, act


async def test_what_one_organisation_installed_another_does_not_have(house: Any, due_guard: Any) -> None:
    async for act in each_act(house, due_guard):
        if act == "install":
            continue
        before = await house.dump()
        with pytest.raises(HostError) as caught:
            await act_of(house, act)(house.doer("Ada", "Quay"), "due-guard")
        assert caught.value.code == "not_installed"
        assert await house.dump() == before, act


async def test_a_role_that_was_taken_away_counts_at_once(house: Any) -> None:
    doer = house.doer("Ben")
    await house.write(people.set_role, doer.organisation_id, doer.person_id, "member")
    with pytest.raises(NotAllowed):
        await house.installing.install(doer, "due-guard")


async def test_another_organisation_stays_as_it_was(house: Any) -> None:
    await house.installing.install(house.doer("Ada", "Quay"), "due-guard", projects=["Ships"])

    async def of_quay() -> dict[str, list[Any]]:
        return {
            table.name: [row for row in await house.rows(table) if house.ids["Quay"] in row]
            for table in t.metadata.sorted_tables
        }

    before = await of_quay()
    await house.installing.install(house.doer(), "due-guard")
    await house.leaving.disable(house.doer(), "due-guard")
    await house.leaving.uninstall(house.doer(), "due-guard")
    await house.leaving.restore(house.doer(), "due-guard")
    await house.leaving.uninstall(house.doer(), "due-guard")
    house.later(days=40)
    await house.leaving.sweep()
    assert await of_quay() == before


async def test_projects_and_contacts_of_another_organisation_are_unknown(house: Any) -> None:
    with pytest.raises(Invalid) as caught:
        await house.installing.install(house.doer(), "due-guard", projects=[house.ids["Quay Ships"]])
    assert list(caught.value.fields) == ["projects"]
    with pytest.raises(HostError) as unknown:
        await house.installing.install(house.doer(), "due-guard", technical_contact="ben@quay.example")
    assert unknown.value.code == "person_unknown"


async def test_only_optional_scopes_can_be_left_out(house: Any) -> None:
    before = await house.dump()
    for scope, words in (
        ("tasks:read", "requires tasks:read, because: to look at due dates"),
        ("people:nam", "Did you mean people:name?"),
        ("comments:write", "Only people:name, tasks:guard can be left out"),
    ):
        with pytest.raises(Invalid) as caught:
            await house.installing.install(house.doer(), "due-guard", without=[scope])
        assert words in caught.value.fields["without"]
    assert await house.dump() == before


async def test_an_unknown_project_is_named_with_the_nearest(house: Any) -> None:
    with pytest.raises(Invalid, match="Did you mean 'Cranes'"):
        await house.installing.install(house.doer(), "due-guard", projects=["Crane"])


async def test_an_app_that_is_not_there_or_broken_says_so(house: Any) -> None:
    with pytest.raises(HostError) as caught:
        await house.installing.install(house.doer(), "due-gard")
    assert (caught.value.code, caught.value.facts["nearest"]) == ("app_unknown", "due-guard")


class TestMembers:
    async def policy(self, house: Any, value: str) -> None:
        await house.write(organisations.set_policy, house.ids["Harbour"], {"members_may_install": value})

    async def test_may_not_even_request_where_the_policy_says_no(self, house: Any) -> None:
        await self.policy(house, "no")
        with pytest.raises(NotAllowed):
            await house.installing.request(house.doer("Cem"), "due-guard")
        assert await house.rows(t.installation) == []

    async def test_request_once(self, house: Any) -> None:
        await house.installing.request(house.doer("Cem"), "due-guard")
        with pytest.raises(HostError) as caught:
            await house.installing.request(house.doer("Dot"), "due-guard")
        assert caught.value.code == "already_requested"

    async def test_install_for_themselves_alone_where_the_policy_allows(self, house: Any) -> None:
        await self.policy(house, "self")
        cem = house.people["Harbour Cem"].id
        alone = await house.installing.install(
            house.doer("Cem"), "due-guard", without=["tasks:guard"], technical_contact="ben"
        )
        assert (alone.state, alone.only_person_id) == ("active", cem)
        assert alone.contacts == {"installer": cem}  # nobody speaks for anybody else
        for act in ("disable", "enable", "uninstall", "restore"):
            with pytest.raises(NotAllowed):
                await act_of(house, act)(house.doer("Dot"), "due-guard")
            assert (await act_of(house, act)(house.doer("Cem"), "due-guard")).only_person_id == cem

    async def test_can_not_give_what_they_may_not_do(self, house: Any) -> None:
        await self.policy(house, "self")
        before = await house.dump()
        with pytest.raises(NotAllowed) as caught:
            await house.installing.install(house.doer("Cem"), "due-guard")
        assert caught.value.facts["needs"] == "tasks:guard"
        assert await house.dump() == before

    async def test_do_not_take_over_somebody_elses_request(self, house: Any) -> None:
        await self.policy(house, "self")
        await house.installing.request(house.doer("Dot"), "due-guard")
        with pytest.raises(HostError) as caught:
            await house.installing.install(house.doer("Cem"), "due-guard", without=["tasks:guard"])
        assert caught.value.code == "already_requested"

    async def test_what_one_has_alone_an_admin_can_stop_and_not_upgrade(self, house: Any, due_guard: Any) -> None:
        await self.policy(house, "self")
        await house.installing.install(house.doer("Cem"), "due-guard", without=["tasks:guard"])
        house.offer(due_guard("1.1.0", retention_days=60), content="second")
        with pytest.raises(NotAllowed):
            await house.upgrading.upgrade(house.doer(), "due-guard")
        assert (await house.upgrading.upgrade(house.doer("Cem"), "due-guard")).version == "1.1.0"
        assert (await house.leaving.uninstall(house.doer(), "due-guard")).state == "uninstalled"


class Broke(Exception):
    pass


@contextmanager
def broken_at(statement: int) -> Iterator[list[str]]:
    """The database breaks at the n-th statement; yields those that were tried."""
    tried: list[str] = []

    def count(_conn: Any, _cursor: Any, text: str, *_rest: Any) -> None:
        if text.split(" ", 1)[0] in ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH"):
            tried.append(text)
            if len(tried) == statement:
                raise Broke(text)

    sa.event.listen(sa.Engine, "before_cursor_execute", count)
    try:
        yield tried
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", count)


@pytest.mark.parametrize("act", ["install", "upgrade", "uninstall", "restore", "sweep"])
async def test_an_act_that_fails_at_any_statement_leaves_nothing(house: Any, act: str, due_guard: Any) -> None:
    await bring_to(house, act)
    if act == "upgrade":
        house.offer(due_guard("2.0.0", retention_days=90), content="second")
    if act == "sweep":
        house.later(days=90)

    async def do() -> None:
        if act == "sweep":
            assert await house.leaving.sweep()
        else:
            await act_of(house, act)(house.doer(), "due-guard")

    before = await house.dump()
    step = 0
    while True:
        step += 1
        with broken_at(step) as tried:
            try:
                await do()
            except Broke:
                pass
            else:
                assert len(tried) < step
                break
        assert await house.dump() == before, f"half done: broke at {tried[-1]}"
    assert step > 8
    assert await house.dump() != before
