"""Apps that hang, block, raise, answer nonsense or can't be imported: the host goes on, and says what was wrong."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from assigntask.app import Platform
from assigntask.db import tables as t
from assigntask.errors import HostError
from assigntask.hooks.loop import GRACE
from assigntask.kit import open_host
from assigntask.kit.host import KitHost
from assigntask.tasks import projects, tasks
from assigntask_sdk.apps import InstalledApp
from assigntask_sdk.errors import Vetoed

BenchApp = Callable[[str], InstalledApp]

LIMITS = {"task_saving": 0.5, "task_badges": 0.5, "board_panel": 0.5, "task_changed": 0.5}
TOO_SLOW = ("hanging_app", "blocking_app", "spinning_app")
SOUND = "drawing-app"

MISBEHAVING = [
    ("hanging_app", "hook_timeout"),
    ("blocking_app", "hook_blocked"),
    ("spinning_app", "hook_blocked"),
    ("raising_app", "hook_raised"),
    ("exiting_app", "hook_raised"),
    ("wrong_type_app", "hook_wrong_answer"),
    ("huge_app", "hook_answer_too_large"),
    ("broken_import_app", "app_broken"),
]
BREAKERS = {f"host.breaker.{hook}" for hook in LIMITS}
NOTICE_CODES = {"huge_app": "hook_wrong_answer"}  # a notice has no answer that could be too large


@asynccontextmanager
async def beside_a_sound_one(bench_app: BenchApp, package: str) -> AsyncIterator[KitHost]:
    limits = LIMITS if package in TOO_SLOW else None
    async with open_host(bench_app(package), beside=[bench_app("drawing_app")], limits=limits) as host:
        yield host


async def page(host: KitHost) -> tuple[dict[str, list[str]], dict[str, str]]:
    """The badges of a page of tasks: badge texts by app, and the codes of the apps that failed."""
    platform, doer = host.platform, await host.doer()
    shown = await platform.questions.badges(
        doer, await platform.db.read(tasks.page, host.organisation_id), host.clock.now().date()
    )
    by_app: dict[str, list[str]] = {}
    for badges in shown.by_task.values():
        for one in badges:
            by_app.setdefault(one.app_id, []).append(one.badge.text)
    return by_app, {failed.app_id: failed.code for failed in shown.failed}


@pytest.mark.parametrize(("package", "code"), MISBEHAVING)
async def test_a_change_is_saved_and_says_that_the_app_did_not_check_it(
    bench_app: BenchApp, package: str, code: str
) -> None:
    async with beside_a_sound_one(bench_app, package) as host:
        task = await host.create_task("Oil")
        assert task.unchecked_by == (host.app.id,)
        again = await host.edit_task(task, summary="Grease")
        assert (again.version, again.unchecked_by) == (2, (host.app.id,))
        stored = await host.platform.db.read(tasks.get, host.organisation_id, task.id)
        assert stored is not None
        assert (stored.summary, stored.unchecked_by) == ("Grease", (host.app.id,))


@pytest.mark.parametrize(("package", "code"), MISBEHAVING)
async def test_a_page_has_the_other_apps_parts_and_names_the_one_that_failed(
    bench_app: BenchApp, package: str, code: str
) -> None:
    async with beside_a_sound_one(bench_app, package) as host:
        await host.create_task("Oil")
        assert await page(host) == ({SOUND: ["calm 3"]}, {host.app.id: code})
        platform, doer = host.platform, await host.doer()
        project = await platform.db.read(projects.get, host.organisation_id, host.project_id)
        panels = await platform.questions.board_panel(doer, project, host.clock.now().date())
        codes = {panel.app_id: panel.failed.code if panel.failed else None for panel in panels}
        assert codes == {host.app.id: code, SOUND: None}


@pytest.mark.parametrize(("package", "code"), MISBEHAVING)
async def test_a_notice_that_fails_is_kept_for_later_and_reported(bench_app: BenchApp, package: str, code: str) -> None:
    async with beside_a_sound_one(bench_app, package) as host:
        await host.create_task("Oil")
        with pytest.raises((HostError, ZeroDivisionError)):
            await host.drain()
        [delivery] = await rows(host.platform, "delivery")
        wanted = NOTICE_CODES.get(package, code)
        assert delivery["state"] == "waiting"
        assert delivery["last_error"].startswith(wanted)
        assert delivery["leased_until"] is None
        [key] = {problem.key for problem in await host.problems()} - BREAKERS
        assert key == "host.notice.task_changed"
        assert "hunter2" not in str(await host.problems())  # what a failed import said stays in the host


async def rows(platform: Platform, table: str) -> list[dict[str, Any]]:
    found = await platform.db.read(lambda conn: conn.execute(t.metadata.tables[table].select()).mappings().all())
    return [dict(row) for row in found]


async def test_an_app_that_blocked_is_left_alone_for_a_while(bench_app: BenchApp) -> None:
    async with beside_a_sound_one(bench_app, "blocking_app") as host:
        await host.create_task("Oil")
        assert (await page(host))[1] == {"blocking-app": "hook_blocked"}
        began = time.monotonic()
        assert (await page(host))[1] == {"blocking-app": "breaker_open"}
        assert time.monotonic() - began < LIMITS["task_badges"]
        assert "host.breaker.task_badges" in {problem.key for problem in await host.problems()}
        host.clock.advance(dt.timedelta(minutes=1))
        assert (await page(host))[1] == {"blocking-app": "hook_blocked"}


async def test_a_page_arrives_in_time_while_an_app_blocks_its_thread(bench_app: BenchApp) -> None:
    async with beside_a_sound_one(bench_app, "spinning_app") as host:
        await host.create_task("Oil")
        began = time.monotonic()
        by_app, failed = await page(host)
        took = time.monotonic() - began
        assert (by_app, failed) == ({SOUND: ["calm 3"]}, {"spinning-app": "hook_blocked"})
        # Its limit, a moment for a sign of life, and once more for those who had to move to another thread.
        assert took < 2 * (LIMITS["task_badges"] + GRACE) + 1


async def test_the_host_itself_goes_on_while_an_app_blocks_its_thread(bench_app: BenchApp) -> None:
    async with beside_a_sound_one(bench_app, "blocking_app") as host:
        task = await host.create_task("Oil")
        asking = asyncio.create_task(page(host))
        answered = 0
        while not asking.done():
            assert await host.platform.db.read(tasks.get, host.organisation_id, task.id) is not None
            answered += 1
            await asyncio.sleep(0.005)
        assert answered > 10  # a host that stood still with the app would have answered once or twice
        assert (await asking)[0] == {SOUND: ["calm 3"]}


async def test_a_broken_app_can_be_disabled_and_uninstalled(bench_app: BenchApp) -> None:
    async with beside_a_sound_one(bench_app, "broken_import_app") as host:
        task = await host.create_task("Oil")
        await host.disable()
        assert (await host.edit_task(task, summary="Grease")).unchecked_by == ()
        await host.enable()
        await host.uninstall()
        assert (await host.edit_task(task, summary="Oil")).unchecked_by == ()
        assert await page(host) == ({SOUND: ["calm 3"]}, {})


async def test_a_guard_that_must_be_heard_lets_nothing_pass_while_it_fails(bench_app: BenchApp) -> None:
    async with open_host(bench_app("guarding_app")) as host:
        with pytest.raises(Vetoed, match="did not answer"):
            await host.create_task("later", due=dt.date(2026, 3, 9))
        assert await rows(host.platform, "task") == []
        assert {row["record_kind"] for row in await rows(host.platform, "event")} == {"installation"}


async def test_an_app_without_the_power_is_never_asked_before_a_change(bench_app: BenchApp) -> None:
    async with open_host(bench_app("drawing_app")) as host:
        assert await host.platform.questions.guards(host.organisation_id) == []
