"""Loading apps: lazily, contained, and never through pluggy's own calling."""

from __future__ import annotations

import asyncio
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from assigntask.errors import HostError
from assigntask.hooks.registry import Registry
from assigntask_sdk.apps import InstalledApp, find_app
from assigntask_sdk.hooks import Hooks

APPS = Path(__file__).parent.parent / "apps"


@pytest.fixture(autouse=True)
def imports() -> Iterator[None]:
    """Nothing that a test imports stays."""
    modules, path = set(sys.modules), list(sys.path)
    yield
    for name in set(sys.modules) - modules:
        if "_app" in name:
            del sys.modules[name]
    sys.path[:] = path


def finding(folder: Path = APPS) -> Callable[[str], InstalledApp]:
    def find(app_id: str) -> InstalledApp:
        return find_app(folder / app_id.replace("-", "_"))

    return find


async def test_an_app_is_imported_at_its_first_call_and_not_before() -> None:
    registry = Registry(finding())
    assert "guarding_app.hooks" not in sys.modules
    assert registry.loaded() == {}
    function = await registry.implementation("guarding-app", "task_saving")
    assert function is not None
    assert function.__name__ == "saving"
    assert registry.loaded() == {"guarding-app": frozenset({"task_saving"})}


async def test_a_hook_that_the_code_does_not_have_is_none() -> None:
    registry = Registry(finding())
    assert await registry.implementation("guarding-app", "task_badges") is None


async def test_an_import_that_fails_breaks_this_app_alone_and_tells_no_value() -> None:
    registry = Registry(finding())
    for _ in range(2):
        with pytest.raises(HostError) as raised:
            await registry.implementation("broken-import-app", "task_saving")
        assert raised.value.code == "app_broken"
        assert "hunter2" not in raised.value.message
    assert await registry.implementation("guarding-app", "task_saving") is not None
    assert list(registry.broken()) == ["broken-import-app"]


async def test_finding_an_app_leaves_no_file_and_loading_it_is_what_runs_its_code(tmp_path: Path) -> None:
    shutil.copytree(APPS / "writing_import_app", tmp_path / "writing_import_app")
    registry = Registry(finding(tmp_path))
    find_app(tmp_path / "writing_import_app")
    left = tmp_path / "writing_import_app" / "imported.txt"
    assert not left.exists()
    await registry.implementation("writing-import-app", "task_badges")
    assert left.exists()


async def test_an_import_that_never_ends_is_given_up_and_the_host_goes_on(tmp_path: Path) -> None:
    app = tmp_path / "endless_app"
    shutil.copytree(APPS / "guarding_app", app)
    (app / "app.toml").write_text((app / "app.toml").read_text().replace("guarding-app", "endless-app"))
    release = threading.Event()
    sys.endless_release = release  # type: ignore[attr-defined]  # how the app finds it
    (app / "hooks.py").write_text("import sys\nsys.endless_release.wait(20)\n")
    registry = Registry(finding(tmp_path), loaded_within=0.1)
    try:
        with pytest.raises(HostError, match="did not end"):
            await registry.implementation("endless-app", "task_saving")
    finally:
        release.set()
        del sys.endless_release  # type: ignore[attr-defined]


async def test_many_first_calls_import_once() -> None:
    asked = 0
    find = finding()

    def counting(app_id: str) -> InstalledApp:
        nonlocal asked
        asked += 1
        return find(app_id)

    registry = Registry(counting)
    await asyncio.gather(*(registry.implementation("guarding-app", "task_saving") for _ in range(20)))
    assert asked == 1


async def test_one_caller_that_gives_up_does_not_end_the_import_for_the_others() -> None:
    registry = Registry(finding())
    impatient = asyncio.create_task(registry.implementation("guarding-app", "task_saving"))
    patient = asyncio.create_task(registry.implementation("guarding-app", "task_saving"))
    await asyncio.sleep(0)
    impatient.cancel()
    assert await patient is not None


async def test_a_forgotten_app_is_looked_for_anew() -> None:
    broken = True
    find = finding()

    def changing(app_id: str) -> InstalledApp:
        if broken:
            raise HostError("app_unknown", "There is no such app on this host.")
        return find(app_id)

    registry = Registry(changing)
    with pytest.raises(HostError):
        await registry.implementation("guarding-app", "task_saving")
    broken = False
    registry.forget("guarding-app")
    assert await registry.implementation("guarding-app", "task_saving") is not None


async def test_two_hosts_know_nothing_of_each_others_apps() -> None:
    first, second = Registry(finding()), Registry(finding())
    await first.implementation("guarding-app", "task_saving")
    assert second.loaded() == {}


async def test_every_hook_of_the_contract_has_its_specification() -> None:
    registry = Registry(finding())
    await registry.implementation("listening-app", "installed")
    await registry.implementation("drawing-app", "report")
    assert set().union(*registry.loaded().values()) <= set(Hooks.all)
