"""The test kit says which scopes an app needed, and the host refuses the same calls without them."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from assigntask.kit import open_host
from assigntask.kit.needing import HOOK_POWERS, OUTSIDE_POWERS, POWERS
from assigntask_sdk.apps import find_app
from assigntask_sdk.details import SCOPES
from assigntask_sdk.errors import NotFound, NotShared, Refused
from assigntask_sdk.testing import ScopesNeeded

from .conftest import BenchApp
from .test_new_app import own_tests, sdk

NOWHERE = "0197a5a0-0000-7000-8000-000000000000"


async def nothing() -> AsyncIterator[bytes]:
    yield b"text"


CALLS: Mapping[str, Callable[[Any], Awaitable[Any]]] = {
    "tasks.create": lambda ctx: ctx.tasks.create("New", project=NOWHERE),
    "tasks.edit": lambda ctx: ctx.tasks.edit(NOWHERE, summary="New"),
    "tasks.archive": lambda ctx: ctx.tasks.archive(NOWHERE),
    "tasks.comment": lambda ctx: ctx.tasks.comment(NOWHERE, "New", key="1"),
    "checklists.add": lambda ctx: ctx.checklists.add(NOWHERE, "New", key="1"),
    "checklists.add_item": lambda ctx: ctx.checklists.add_item(NOWHERE, "New", key="1"),
    "checklists.set_done": lambda ctx: ctx.checklists.set_done(NOWHERE, True),
    "attachments.add": lambda ctx: ctx.attachments.add(NOWHERE, "New", "https://new.example/1", key="1"),
    "attachments.add_file": lambda ctx: ctx.attachments.add_file(NOWHERE, "New", nothing(), key="1"),
    "attachments.remove": lambda ctx: ctx.attachments.remove(NOWHERE),
}


@pytest.mark.parametrize("call", POWERS)
async def test_a_call_that_is_noted_as_a_power_is_refused_without_it(bench_app: BenchApp, call: str) -> None:
    app = bench_app("contract_app")
    async with open_host(app, without=[POWERS[call]]) as host:
        with pytest.raises(Refused) as refused:
            await CALLS[call](host.ctx())
        assert refused.value.scope == POWERS[call]
        assert await host.scopes_needed() == ScopesNeeded(frozenset(), frozenset({POWERS[call]}))
    async with open_host(app) as host:
        with pytest.raises(NotFound):
            await CALLS[call](host.ctx())
        assert POWERS[call] in (await host.scopes_needed()).used


def test_every_power_is_noted() -> None:
    noted = {*POWERS.values(), *HOOK_POWERS.values()}
    assert noted == {name for name, scope in SCOPES.items() if scope.power} - OUTSIDE_POWERS


async def test_what_was_released_counts_as_used_and_what_was_only_granted_does_not(bench_app: BenchApp) -> None:
    async with open_host(bench_app("contract_app")) as host:
        task = await host.create_task("Oil", due=dt.date(2026, 3, 9))
        await host.ctx().tasks.get(task.id, fields=["summary"])
        assert await host.scopes_needed() == ScopesNeeded(frozenset({"tasks:read"}), frozenset())
        assert [person.name async for person in host.ctx().people.list(fields=["name"])] == ["Admin"]
        assert (await host.scopes_needed()).used == {"tasks:read", "people:name"}


async def test_a_scope_that_is_lacked_is_noted_also_where_the_app_copes(bench_app: BenchApp) -> None:
    async with open_host(bench_app("contract_app"), without=["comments:read", "comments:people"]) as host:
        task = await host.create_task("Oil")
        with pytest.raises(Refused):
            await host.ctx().comments.list(task.id)
        assert (await host.scopes_needed()).refused == {"comments:read"}


async def test_a_field_that_is_read_and_was_not_shared_is_noted_when_the_hook_fails_for_it(
    tmp_path: Path, forgetful: None
) -> None:
    package = tmp_path / "curious_app"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "app.toml").write_text(MANIFEST)
    (package / "hooks.py").write_text(HOOKS)
    async with open_host(find_app(package)) as host:
        task = await host.create_task("Oil", assignees=[host.admin])
        with pytest.raises(NotShared):
            await host.badges(task)
        assert await host.scopes_needed() == ScopesNeeded(frozenset({"tasks:read"}), frozenset({"tasks:people"}))


MANIFEST = """\
sdk = 1
id = "curious-app"
name = "Curious"
version = "1.0.0"

[vendor]
name = "Vendor"
contact = "help@vendor.example"
privacy = "https://vendor.example/privacy"
country = "NZ"

[scopes.required]
"tasks:read" = "to look at tasks"

[hooks]
task_badges = ["task.summary"]
"""
HOOKS = """\
from assigntask_sdk import Badge, Ctx, hook
from assigntask_sdk.hooks import Badges, TaskBadges


@hook.task_badges
async def badges(ctx: Ctx, ask: TaskBadges) -> Badges:
    return {task.id: [Badge(str(len(task.assignees)))] for task in ask.tasks}
"""


def test_check_compares_what_is_asked_for_with_what_the_tests_needed(tmp_path: Path) -> None:
    app = tmp_path / "late-bell"
    assert sdk("new", "late-bell", folder=tmp_path).returncode == 0
    assert "Run its tests" in sdk("check", folder=app).stdout
    assert own_tests(app).returncode == 0
    said = sdk("check", folder=app).stdout
    assert "Its tests (5) needed each of these scopes, and no other." in said

    manifest = app / "src" / "late_bell" / "app.toml"
    more = manifest.read_text().replace("[hooks]", '[scopes.optional]\n"people:email" = "to write"\n\n[hooks]')
    manifest.write_text(more)
    (app / "tests" / "test_more.py").write_text(MORE)
    assert own_tests(app).returncode == 0
    checked = sdk("check", folder=app)
    assert checked.returncode == 0
    assert "No test needed people:email, which app.toml asks for" in checked.stdout
    assert "A test needed comments:write, which app.toml does not ask for" in checked.stdout
    body = json.loads(sdk("check", "--json", folder=app).stdout)
    assert body["scopes"] == {"tests": 6, "never_needed": ["people:email"], "not_asked_for": ["comments:write"]}

    (app / "tests" / "test_more.py").unlink()  # what a test needed that is no more counts no more
    assert json.loads(sdk("check", "--json", folder=app).stdout)["scopes"]["not_asked_for"] == []


MORE = """\
import pytest

from assigntask_sdk import Refused
from assigntask_sdk.testing import HostUnderTest


async def test_it_may_not_comment(host: HostUnderTest) -> None:
    task = await host.create_task("Write", due=host.clock.now().date())
    with pytest.raises(Refused):
        await host.ctx().tasks.comment(task.id, "Hello", key="1")
"""


def test_what_is_recorded_stays_out_of_version_control(tmp_path: Path) -> None:
    sdk("new", "late-bell", folder=tmp_path)
    app = tmp_path / "late-bell"
    own_tests(app)
    subprocess.run(["git", "init", "-q"], cwd=app, check=True)
    status = subprocess.run(
        ["git", "status", "--porcelain", "-uall"], cwd=app, check=True, capture_output=True, text=True
    )
    assert ".assigntask" not in status.stdout
    assert (app / ".assigntask" / "scopes").is_dir()
