"""What an app's test can rely on: the kit says what the app raised, and its clock stands still."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from assigntask.errors import HostError
from assigntask.kit import open_host
from assigntask.kit.clock import StandingClock
from assigntask_sdk import Badge, Text
from assigntask_sdk.apps import InstalledApp
from assigntask_sdk.errors import Invalid, NotFound, TryLater, Vetoed
from assigntask_sdk.records import Due
from assigntask_sdk.testing import Host, HostUnderTest, OverLimit

BenchApp = Callable[[str], InstalledApp]


async def heard(host: HostUnderTest, kind: str) -> list[str]:
    """What `listening_app` noted of one kind, in order."""
    noted: list[Any] = [entry.value async for _, entry in host.ctx().storage.scan("heard/")]
    return [said for what, _, said in noted if what == kind]


async def test_the_sdk_finds_this_host(bench_app: BenchApp) -> None:
    app = bench_app("drawing_app")
    async with Host.open(app) as host:
        assert host.app is app
        assert host.admin.role == "admin"


async def test_the_clock_moves_only_when_it_is_moved_and_never_back() -> None:
    clock = StandingClock()
    before = clock.now()
    assert clock.now() == before
    clock.advance(dt.timedelta(days=1))
    assert clock.now() == before + dt.timedelta(days=1)
    with pytest.raises(ValueError, match="never goes back"):
        clock.advance(dt.timedelta(seconds=-1))
    with pytest.raises(ValueError, match="time zone"):
        StandingClock(dt.datetime(2026, 3, 2))  # noqa: DTZ001 - what is refused


async def test_fields_are_given_by_name_and_unknown_names_are_made(bench_app: BenchApp) -> None:
    async with open_host(bench_app("contract_app")) as host:
        ada = await host.person("Ada", email="ada@host.example", department="Works", job_title="Smith")
        due = Due(dt.date(2026, 3, 9), dt.datetime(2026, 3, 9, 15, 0, tzinfo=dt.UTC))
        task = await host.create_task(
            "Bend the tubes", project="Frames", type="Order", status="Ordered", labels=["urgent"], assignees=[ada],
            start=dt.date(2026, 3, 3), due=due, description="All nine",
        )  # fmt: skip
        again = await host.edit_task(task, status="Done", due=dt.date(2026, 3, 10), labels=["urgent", "late"])
        assert (task.version, again.version) == (1, 2)
        seen = await host.ctx().tasks.get(task.id)
        assert (seen.status.name, seen.type.name if seen.type else None) == ("Done", "Order")
        assert {label.name for label in seen.labels} == {"late", "urgent"}
        assert seen.due == Due(dt.date(2026, 3, 10))
        assert [person.id for person in seen.assignees] == [await host.known_as(ada)]
        assert (await host.ctx().projects.get(seen.project)).name == "Frames"
        with pytest.raises(Invalid, match="colour"):
            await host.edit_task(task, colour="red")
        with pytest.raises(NotFound):
            await host.edit_task("no such task", summary="x")  # type: ignore[arg-type]


async def test_badges_leave_out_tasks_without_one_and_other_apps(bench_app: BenchApp) -> None:
    async with open_host(bench_app("contract_app"), beside=[bench_app("drawing_app")]) as host:
        await host.create_task("Oil")
        assert await host.badges() == {}
    async with open_host(bench_app("drawing_app"), settings={"mood": "glad"}) as host:
        task, other = await host.create_task("Oil"), await host.create_task("Grease")
        assert await host.badges() == {task.id: [Badge("glad 3")], other.id: [Badge("glad 6")]}
        assert await host.badges(task) == {task.id: [Badge("glad 3")]}
        await host.settings(mood="tired")
        assert await host.badges(task) == {task.id: [Badge("tired 3")]}
        await host.edit_task(other, archived=True)
        assert set(await host.badges()) == {task.id}


async def test_badges_and_panels_raise_what_the_app_raised(bench_app: BenchApp) -> None:
    async with open_host(bench_app("raising_app")) as host:
        task = await host.create_task("Oil")
        assert task.unchecked_by == ("raising-app",)
        with pytest.raises(ZeroDivisionError, match="42"):
            await host.badges(task)
        with pytest.raises(ZeroDivisionError, match="42"):
            await host.board_panel()
        with pytest.raises(ZeroDivisionError, match="42"):
            await host.drain()
        assert await host.drain() == 0  # it waits for its next attempt
        host.clock.advance(dt.timedelta(minutes=1))
        with pytest.raises(ZeroDivisionError, match="42"):
            await host.drain()
        assert [problem.key for problem in await host.problems()] == ["host.notice.task_changed"]


async def test_what_is_no_exception_of_the_app_is_raised_in_the_hosts_words(bench_app: BenchApp) -> None:
    async with open_host(bench_app("wrong_type_app")) as host:
        task = await host.create_task("Oil")
        with pytest.raises(HostError) as failed:
            await host.badges(task)
        assert failed.value.code == "hook_wrong_answer"
        with pytest.raises(HostError) as failed:
            await host.drain()
        assert failed.value.code == "hook_wrong_answer"


async def test_blocks_over_the_limits_are_an_error(bench_app: BenchApp) -> None:
    async with open_host(bench_app("drawing_app")) as host:
        assert await host.board_panel() == [Text([f"Board for {await host.known_as(host.admin)}"])]
        from drawing_app import hooks  # type: ignore[import-not-found]

        hooks.failing.add("too many")
        with pytest.raises(OverLimit, match="60 blocks, and 50 are allowed"):
            await host.board_panel()


async def test_panels_and_reports_are_asked_for_the_viewer(bench_app: BenchApp) -> None:
    async with open_host(bench_app("drawing_app")) as host:
        bo = await host.person("Bo")
        assert await host.board_panel(viewer=bo) == [Text([f"Board for {await host.known_as(bo)}"])]
        task = await host.create_task("Oil")
        assert await host.task_panel(task) == [Text(["Oil", " has 0"])]
        [table] = await host.report(dt.date(2026, 3, 1), dt.date(2026, 3, 2))
        assert table.rows == [["2026-03-01", "2026-03-02"]]  # type: ignore[union-attr]
        with pytest.raises(HostError) as swapped:
            await host.report(dt.date(2026, 3, 2), dt.date(2026, 3, 1))
        assert swapped.value.code == "days_swapped"


async def test_a_drain_delivers_in_order_and_counts(bench_app: BenchApp) -> None:
    async with open_host(bench_app("listening_app")) as host:
        assert await host.drain() == 1  # `installed`
        assert await heard(host, "installed") == [host.admin.email]
        task = await host.create_task("Oil")
        await host.edit_task(task, summary="Grease")
        await host.comment(task, "Done soon")
        assert await host.drain() == 3
        assert await host.drain() == 0
        assert [said.split(" | ")[0] for said in await heard(host, "task_changed")] == ["Grease", "Grease"]
        assert await heard(host, "comment_added") == ["Done soon"]


async def test_a_notice_that_asks_for_later_is_told_again_at_its_time(bench_app: BenchApp) -> None:
    async with open_host(bench_app("listening_app")) as host:
        await host.drain()
        task = await host.create_task("later")
        with pytest.raises(TryLater):
            await host.drain()
        await host.edit_task(task, summary="now")
        assert await host.drain() == 0
        host.clock.advance(dt.timedelta(seconds=7))
        assert await host.drain() == 2


async def test_a_veto_is_raised_and_names_the_app(bench_app: BenchApp) -> None:
    async with open_host(bench_app("guarding_app")) as host:
        with pytest.raises(Vetoed) as refused:
            await host.create_task("Oil")
        assert (refused.value.app, refused.value.reason, refused.value.field) == (
            "guarding-app", "give it a due date", "due",
        )  # fmt: skip
        assert "Due Guard" in refused.value.message
        task = await host.create_task("Oil", due=dt.date(2026, 3, 9))
        assert task.unchecked_by == ()


async def test_scopes_can_be_left_out_and_settings_are_checked(bench_app: BenchApp) -> None:
    async with open_host(bench_app("drawing_app"), without=["viewer:person"]) as host:
        assert not host.ctx().granted("viewer:person")
        assert await host.board_panel() == [Text(["Board for None"])]
        assert await host.unread_details() == {"task.due", "task.summary"}
        with pytest.raises(Invalid, match="mood"):
            await host.settings(mod="glad")
    with pytest.raises(Invalid, match="viewer:person"):
        async with open_host(bench_app("drawing_app"), without=["viewer:persons"]):
            pass


async def test_what_was_given_about_a_person_can_be_asked(bench_app: BenchApp) -> None:
    async with open_host(bench_app("listening_app")) as host:
        bo, cy = await host.person("Bo"), await host.person("Cy")
        task = await host.create_task("Oil", by=bo)
        await host.drain()
        about_bo = await host.ledger(bo)
        assert [entry.channel for entry in about_bo] == ["notice"]
        assert about_bo[0].subjects == {bo.id}
        assert f"task:{task.id}" in about_bo[0].records
        assert await host.ledger(cy) == []
        about_admin = await host.ledger(host.admin)
        assert {(entry.channel, entry.details) for entry in about_admin} == {("install", frozenset({"person.email"}))}
