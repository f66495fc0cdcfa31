"""Apps that can't be installed: they are listed with what is wrong, none of their code runs, nothing is changed."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from assigntask.app import Platform
from assigntask.errors import HostError
from assigntask.installations.directory import Directory
from assigntask.kit import open_host
from assigntask.people import organisations, people
from assigntask.people.facts import Doer
from assigntask.settings import Settings
from assigntask_sdk.apps import GROUP, InstalledApp, find_app, find_apps

BenchApp = Callable[[str], InstalledApp]
Dump = Callable[[Platform], Awaitable[dict[str, list[tuple[Any, ...]]]]]

MANIFEST = """\
sdk = 1
id = "late-bell"
name = "Late bell"
version = "1.0.0"
retention_days = 30

[vendor]
name = "Bells"
contact = "help@bells.example"
privacy = "https://bells.example/privacy"
country = "NZ"

[scopes.required]
"tasks:read" = "to show what is due"

[hooks]
task_badges = ["task.due"]
"""

WRONG = [
    ('"tasks:read" = ', '"tasks:reed" = ', "manifest_unknown_scope", "tasks:read"),
    ('version = "1.0.0"', 'version = "one"', "manifest_value", "version"),
    ("retention_days = 30", "retention_days = -1", "manifest_value", "retention_days"),
    ("task_badges = ", "task_badge = ", "manifest_unknown_hook", "task_badges"),
    ("[hooks]", "[hooks", "manifest_syntax", "app.toml:16"),
    ('"task.due"', '"task.duo"', "manifest_unknown_detail", "task.due"),
]


@pytest.fixture
def lay(tmp_path: Path, forgetful: None) -> Iterator[Callable[..., Directory]]:
    """Puts a package `late_bell` where Python finds it, and gives a directory that offers it."""

    def offer(manifest: str = MANIFEST, hooks: str = "", **others: InstalledApp) -> Directory:
        package = tmp_path / "late_bell"
        package.mkdir(exist_ok=True)
        (package / "__init__.py").write_text("")
        (package / "app.toml").write_text(manifest)
        (package / "hooks.py").write_text(hooks)
        if str(tmp_path) not in sys.path:
            sys.path.insert(0, str(tmp_path))
        point = EntryPoint(name="late-bell", value="late_bell", group=GROUP)
        return Directory(lambda: [*find_apps([point]), *others.values()])

    yield offer
    for name in [name for name in sys.modules if name.partition(".")[0] == "late_bell"]:
        del sys.modules[name]


async def admin_of(platform: Platform) -> Doer:
    def make(conn: Any) -> Doer:
        organisation = organisations.create(conn, "Bicycles", "UTC", platform.clock())
        ada = people.add(conn, organisation.id, name="Ada", role="admin", now=platform.clock())
        return Doer(organisation.id, ada.id, "admin")

    return await platform.db.write(make)


@pytest.mark.parametrize(("good", "bad", "code", "said"), WRONG)
async def test_a_broken_manifest_is_listed_with_its_error_and_can_not_be_installed(
    lay: Callable[..., Directory], bench_app: BenchApp, dump: Dump, good: str, bad: str, code: str, said: str
) -> None:
    assert good in MANIFEST
    directory = lay(MANIFEST.replace(good, bad, 1), sound=bench_app("drawing_app"))
    async with Platform.open(Settings.in_memory(), directory=directory) as platform:
        admin = await admin_of(platform)
        listed = {app.id: app.error for app in directory.list()}
        assert listed["drawing-app"] is None
        error = listed["late-bell"]
        assert error is not None
        assert error.code == code
        assert "app.toml" in str(error)
        assert said in str(error)
        before = await dump(platform)
        for act in (platform.installing.install, platform.installing.request):
            with pytest.raises(HostError) as refused:
                await act(admin, "late-bell")
            assert refused.value.code == "app_broken"
        assert await dump(platform) == before
        assert (await platform.installing.install(admin, "drawing-app")).state == "active"


async def test_an_app_that_is_not_there_is_named_by_the_nearest_one(bench_app: BenchApp, dump: Dump) -> None:
    async with open_host(bench_app("drawing_app")) as host:
        before = await dump(host.platform)
        with pytest.raises(HostError, match="drawing-app") as refused:
            await host.platform.installing.install(await host.doer(), "drawing-ap")
        assert refused.value.code == "app_unknown"
        assert await dump(host.platform) == before


async def test_an_id_stays_with_the_vendor_that_had_it_first(bench_app: BenchApp, dump: Dump) -> None:
    first = bench_app("drawing_app")
    assert first.manifest is not None
    vendor = first.manifest.vendor.model_copy(update={"name": "Somebody else"})
    other = replace(first, distribution="other", manifest=first.manifest.model_copy(update={"vendor": vendor}))
    await refused_after(first, other, "app_id_taken", dump)


async def test_the_same_version_can_not_ask_for_other_things(bench_app: BenchApp, dump: Dump) -> None:
    first = bench_app("drawing_app")
    assert first.manifest is not None
    changed = replace(first, manifest=first.manifest.model_copy(update={"retention_days": 90}))
    await refused_after(first, changed, "app_version_reused", dump)


async def test_the_same_version_can_not_come_with_other_code(bench_app: BenchApp, dump: Dump) -> None:
    first = replace(bench_app("drawing_app"), editable=False)
    changed = replace(first, content_digest="sha256:" + "0" * 64)
    await refused_after(first, changed, "app_code_changed", dump)


async def refused_after(first: InstalledApp, second: InstalledApp, code: str, dump: Dump) -> None:
    """`second` is offered once `first` was installed and uninstalled."""
    offered = [first]
    async with Platform.open(Settings.in_memory(), directory=Directory(lambda: offered)) as platform:
        admin = await admin_of(platform)
        await platform.installing.install(admin, first.id)
        await platform.leaving.uninstall(admin, first.id)
        offered[:] = [second]
        before = await dump(platform)
        with pytest.raises(HostError) as refused:
            await platform.installing.install(admin, first.id)
        assert refused.value.code == code
        assert await dump(platform) == before


async def test_until_an_app_is_called_none_of_its_code_runs(bench_app: BenchApp, tmp_path: Path) -> None:
    sound, written = bench_app("drawing_app"), bench_app("writing_import_app").directory
    assert written is not None
    app = find_app(shutil.copytree(written, tmp_path / "writing_import_app"))
    left_behind = tmp_path / "writing_import_app" / "imported.txt"
    async with open_host(sound, beside=[app]) as host:
        directory, installing = host.platform.directory, host.platform.installing
        assert {one.id for one in directory.list()} == {"drawing-app", "writing-import-app"}
        await host.platform.leaving.uninstall(await host.doer(), app.id)
        await installing.install(await host.doer(), app.id, dry_run=True)
        await installing.install(await host.doer(), app.id)
        assert not left_behind.exists()
        assert "writing_import_app" not in sys.modules
        await host.create_task("Oil")
        await host.badges()
        assert left_behind.exists()  # the first call is the first moment


async def test_an_app_that_can_not_be_imported_is_installed_and_named_when_it_is_called(
    lay: Callable[..., Directory], dump: Dump
) -> None:
    directory = lay(hooks="import a_module_that_is_not_there\n")
    async with Platform.open(Settings.in_memory(), directory=directory) as platform:
        admin = await admin_of(platform)
        assert (await platform.installing.install(admin, "late-bell")).state == "active"
        with pytest.raises(HostError, match="a_module_that_is_not_there") as broken:
            await platform.registry.implementation("late-bell", "task_badges")
        assert broken.value.code == "app_broken"
        assert (await platform.leaving.uninstall(admin, "late-bell")).state == "uninstalled"


async def test_a_dry_run_changes_nothing(bench_app: BenchApp, dump: Dump) -> None:
    async with open_host(bench_app("drawing_app"), beside=[bench_app("listening_app")]) as host:
        await host.create_task("Oil")
        await host.platform.leaving.uninstall(await host.doer(), "listening-app")
        before = await dump(host.platform)
        preview = await host.platform.installing.install(await host.doer(), "listening-app", dry_run=True)
        assert str(host.admin.email) in str(preview.to_json())  # the address that it would get
        assert await dump(host.platform) == before
