"""The life of an installation, end to end: from the install to the wipe, with what its people decide in between."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from assigntask.app import Platform
from assigntask.db import tables as t
from assigntask.errors import HostError, NotAllowed
from assigntask.kit import open_host
from assigntask.kit.host import KitHost
from assigntask.people import organisations, people
from assigntask.people.facts import Doer
from assigntask_sdk import Put
from assigntask_sdk.apps import InstalledApp
from assigntask_sdk.errors import Gone, NotFound, NotShared

BenchApp = Callable[[str], InstalledApp]
Dump = Callable[[Platform], Awaitable[dict[str, list[tuple[Any, ...]]]]]


async def heard(host: KitHost) -> list[tuple[str, str]]:
    """What `listening_app` noted, in order: the hook, and what was said."""
    noted: list[Any] = [entry.value async for _, entry in host.ctx().storage.scan("heard/")]
    return [(what, said) for what, _, said in noted]


async def rows(host: KitHost, table: str) -> list[dict[str, Any]]:
    found = await host.platform.db.read(lambda conn: conn.execute(t.metadata.tables[table].select()).mappings().all())
    return [dict(row) for row in found]


async def sound(host: KitHost) -> bool:
    """Whether the ledger is whole, with everything sealed."""
    await host.platform.ledger.seal()
    verification = await host.platform.ledger.verify(host.organisation_id)
    assert verification.unsealed == 0
    return verification.fault is None


def puts(*keys: str) -> list[Put]:
    return [Put(key, "x") for key in keys]


async def state(host: KitHost) -> str:
    [row] = await rows(host, "installation")
    return str(row["state"])


# --- disabling, uninstalling, restoring, wiping -----------------------------------------------------------------


async def test_while_it_is_disabled_nothing_reaches_the_app_and_it_reaches_nothing(bench_app: BenchApp) -> None:
    async with open_host(bench_app("listening_app")) as host:
        await host.drain()
        before, given = host.ctx(), len(await host.ledger())
        task = await host.create_task("Oil")
        await host.disable()
        await host.edit_task(task, summary="Grease")
        assert await host.drain() == 0
        with pytest.raises(Gone):
            await before.tasks.get(task.id)
        with pytest.raises(Gone):
            await before.storage.get("heard/000000")
        assert len(await host.ledger()) == given
        await host.enable()
        assert await host.drain() == 1  # what waited; of changes while it was disabled it does not hear
        assert [what for what, _ in await heard(host)] == ["installed", "task_changed"]


async def test_a_goodbye_then_a_return_with_other_ids_and_what_it_stored(bench_app: BenchApp) -> None:
    async with open_host(bench_app("listening_app")) as host:
        bo = await host.person("Bo", email="bo@host.example")
        await host.create_task("Oil", by=bo)
        await host.drain()
        known = await host.known_as(bo)
        await host.uninstall()
        assert await state(host) == "uninstalled"
        await host.create_task("Grease", by=bo)
        assert await host.drain() == 1
        await host.forget(bo)  # the app learns of it although it is uninstalled
        assert await host.drain() == 1
        await host.restore()
        assert await state(host) == "disabled"
        await host.enable()
        await host.drain()
        hooks = await heard(host)
        kinds = [what for what, _ in hooks]
        assert kinds[:4] == ["installed", "task_changed", "uninstalling", "person_forgotten"]
        assert ("person_forgotten", known) in hooks
        assert await host.known_as(bo) is None


async def test_ids_are_new_after_a_return(bench_app: BenchApp) -> None:
    async with open_host(bench_app("listening_app")) as host:
        bo = await host.person("Bo")
        known = await host.known_as(bo)
        await host.uninstall()
        await host.restore()
        await host.enable()
        assert await host.known_as(bo) not in (known, None, bo.id)


async def test_what_it_stored_is_wiped_when_its_days_are_over(bench_app: BenchApp) -> None:
    async with open_host(bench_app("waiting_app")) as host:
        task = await host.create_task("Oil")
        await host.drain()
        await host.ctx().storage.commit(*puts("a"))
        await host.ctx().storage.task(task.id).commit(*puts("b"))
        await host.uninstall()
        await host.drain()
        host.clock.advance(dt.timedelta(days=9, hours=23))
        assert (await host.platform.sweep()).wiped == ()
        assert len(await rows(host, "store")) == 2
        host.clock.advance(dt.timedelta(hours=1))
        assert (await host.platform.sweep()).wiped == (host.installation_id,)
        assert (await state(host), await rows(host, "store")) == ("wiped", [])
        assert [row["bytes"] for row in await rows(host, "store_usage")] == [0]
        with pytest.raises(HostError) as refused:
            await host.restore()
        assert refused.value.code in ("installation_state", "retention_over")
        assert await sound(host)


# --- what one person decides ------------------------------------------------------------------------------------


async def test_an_objection_holds_at_once_and_withdrawing_it_starts_a_new_id(bench_app: BenchApp) -> None:
    async with open_host(bench_app("contract_app")) as host:
        bo = await host.person("Bo", email="bo@host.example")
        task = await host.create_task("Oil", by=bo, assignees=[bo])
        await host.comment(task, "Half done", by=bo)
        ctx, known = host.ctx(), await host.known_as(bo)
        assert [person.id for person in (await ctx.tasks.get(task.id)).assignees] == [known]
        await host.object(bo)
        [assignee] = (await ctx.tasks.get(task.id)).assignees
        assert assignee.withheld
        assert "id" not in assignee
        with pytest.raises(NotShared):
            _ = assignee.name
        assert await ctx.comments.list(task.id) == ()
        assert known is not None
        with pytest.raises(NotFound):
            await ctx.people.get(known)
        assert await host.known_as(bo) is None
        await host.withdraw_objection(bo)
        again = await host.known_as(bo)
        assert again not in (None, known)
        assert [person.id for person in (await ctx.tasks.get(task.id)).assignees] == [again]


async def test_the_app_is_told_once_who_withdrew_and_by_the_id_it_knew(bench_app: BenchApp) -> None:
    async with open_host(bench_app("listening_app")) as host:
        bo = await host.person("Bo")
        known = await host.known_as(bo)
        await host.drain()
        await host.object(bo)
        await host.object(bo)
        await host.restrict(bo)  # it knows already
        await host.drain()
        assert [said for what, said in await heard(host) if what == "person_withdrawn"] == [known]


async def test_after_being_forgotten_nobody_is_named_anywhere(bench_app: BenchApp) -> None:
    async with open_host(bench_app("contract_app")) as host:
        bo = await host.person("Bo Berg", email="bo@host.example")
        task = await host.create_task("Oil", by=bo, assignees=[bo])
        ctx, known = host.ctx(), await host.known_as(bo)
        assert known is not None
        await ctx.storage.person(known).commit(*puts("a"))
        await ctx.people.get(known, fields={"name", "email"})
        await host.forget(bo)
        assert [person.withheld for person in (await ctx.tasks.get(task.id)).assignees] == [True]
        with pytest.raises(NotFound):
            await ctx.storage.person(known).get("a")
        everything = str([await rows(host, table.name) for table in t.metadata.sorted_tables])
        assert "Bo Berg" not in everything
        assert "bo@host.example" not in everything
        assert await host.ledger(bo) == []  # nobody can tell any more which entries are theirs
        assert await sound(host)


# --- uninstalling in the middle of a hook -----------------------------------------------------------------------


@pytest.mark.parametrize("hook", ["task_badges", "task_saving", "task_changed"])
async def test_uninstalling_in_the_middle_of_a_hook_leaves_nothing_half_done(bench_app: BenchApp, hook: str) -> None:
    async with open_host(bench_app("waiting_app"), limits={hook: 30}) as host:
        from waiting_app import hooks as app  # type: ignore[import-not-found]

        task = await host.create_task("Oil")
        app.waiting_in.add(hook)
        acts: dict[str, Callable[[], Awaitable[Any]]] = {
            "task_badges": lambda: host.badges(task),
            "task_saving": lambda: host.edit_task(task, summary="Grease"),
            "task_changed": host.drain,
        }
        asking: asyncio.Future[Any] = asyncio.ensure_future(acts[hook]())
        assert await asyncio.to_thread(app.arrived.wait, 10)
        await host.uninstall()
        assert await state(host) == "uninstalled"
        app.go.set()
        await asyncio.wait([asking])
        error = asking.exception()
        if hook == "task_saving":  # the app can't say no any more: it counts as not having answered
            assert asking.result().unchecked_by == ("waiting-app",)
        elif hook == "task_badges":
            assert isinstance(error, Gone)
        assert await rows(host, "store") == []  # it went on, and its ctx was gone
        assert await rows(host, "subscription") == []
        await host.drain()
        assert len(app.goodbyes) == 1
        deliveries = {row["hook"]: row["state"] for row in await rows(host, "delivery")}
        assert deliveries == {"task_changed": "skipped", "uninstalling": "delivered"}
        assert await sound(host)


# --- installing what can't be installed -------------------------------------------------------------------------


async def test_an_app_is_installed_once(bench_app: BenchApp, dump: Dump) -> None:
    async with open_host(bench_app("contract_app")) as host:
        before = await dump(host.platform)
        with pytest.raises(HostError) as refused:
            await host.platform.installing.install(await host.doer(), host.app.id)
        assert refused.value.code == "already_installed"
        assert await dump(host.platform) == before


async def test_of_several_who_install_at_once_one_succeeds(bench_app: BenchApp) -> None:
    async with open_host(bench_app("contract_app")) as host:
        await host.uninstall()
        admin = await host.doer()
        outcomes = await asyncio.gather(
            *(host.platform.installing.install(admin, host.app.id) for _ in range(4)), return_exceptions=True
        )
        assert sorted(str(getattr(outcome, "code", "installed")) for outcome in outcomes) == [
            "already_installed", "already_installed", "already_installed", "installed",
        ]  # fmt: skip
        assert sorted(row["state"] for row in await rows(host, "installation")) == ["active", "uninstalled"]


async def test_a_member_may_ask_for_an_app_and_not_install_it(bench_app: BenchApp, dump: Dump) -> None:
    async with open_host(bench_app("contract_app"), beside=[bench_app("drawing_app")]) as host:
        await host.platform.leaving.uninstall(await host.doer(), "drawing-app")
        member = await host.doer(await host.person("Bo"))
        before = await dump(host.platform)
        for act in (
            host.platform.installing.install,
            host.platform.leaving.disable,
            host.platform.leaving.uninstall,
            host.platform.upgrading.upgrade,
        ):
            with pytest.raises(NotAllowed) as refused:
                await act(member, "drawing-app" if act == host.platform.installing.install else host.app.id)
            assert refused.value.facts["needs"] == "admin"
        assert await dump(host.platform) == before
        assert (await host.platform.installing.request(member, "drawing-app")).state == "requested"


async def test_in_another_organisation_there_is_nothing_to_decide(bench_app: BenchApp, dump: Dump) -> None:
    async with open_host(bench_app("contract_app")) as host:
        platform, now = host.platform, host.clock.now()
        other = await platform.db.write(organisations.create, "Elsewhere", "UTC", now)
        eve = await platform.db.write(_add, other.id, now)
        theirs = Doer(other.id, eve, "admin")
        posing = Doer(host.organisation_id, eve, "admin")  # somebody of elsewhere, as if she were here
        before = await dump(platform)
        for act in (platform.leaving.disable, platform.leaving.uninstall, platform.leaving.restore):
            with pytest.raises(HostError) as refused:
                await act(theirs, host.app.id)
            assert refused.value.code == "not_installed"
        for act in (platform.leaving.disable, platform.leaving.uninstall, platform.installing.install):
            with pytest.raises((NotAllowed, NotFound)):
                await act(posing, host.app.id)
        assert await dump(platform) == before


def _add(conn: Any, organisation_id: str, now: dt.datetime) -> str:
    return people.add(conn, organisation_id, name="Eve", role="admin", now=now).id
