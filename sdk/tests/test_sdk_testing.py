"""The kit's own part: finding the host, the pytest plugin in a stranger's project, limits of blocks."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from assigntask_sdk import Table, Text
from assigntask_sdk.apps import AppBroken
from assigntask_sdk.testing import Host, NoHost, OverLimit, within_limits
from assigntask_sdk.testing.host import HOSTS, find_host

MakeApp = Callable[..., Path]

HOST = """\
from contextlib import asynccontextmanager


@asynccontextmanager
async def open_host(app, **options):
    yield (app.id, options)
"""

# Shadows an installed host: of two distributions of one name the first on the path counts.
HOST_POINT = f"[{HOSTS}]\nassigntask = small_host:open_host\n"

TESTS = """\
import asyncio
import pytest


@pytest.fixture
async def again(host):
    await asyncio.sleep(0)
    return host


async def test_host(host):
    assert host == ("stranger-app", {})


class TestInClass:
    async def test_host(self, host):
        assert host == ("stranger-app", {})


async def test_async_fixture(again):
    assert again == ("stranger-app", {})


async def test_no_host():
    await asyncio.sleep(0)


def test_sync():
    pass
"""


@pytest.fixture
def small_host(tmp_path: Path) -> Path:
    site = tmp_path / "site-host"
    info = site / "assigntask-0.dist-info"
    info.mkdir(parents=True)
    (site / "small_host.py").write_text(HOST)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: assigntask\nVersion: 0\n")
    (info / "entry_points.txt").write_text(HOST_POINT)
    return site


def pytest_in(folder: Path, site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def point(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, HOSTS)


def test_without_a_host_the_error_says_what_to_install() -> None:
    with pytest.raises(NoHost, match="install the distribution `assigntask`") as caught:
        find_host([])
    assert caught.value.code == "no_host"


def test_two_hosts_or_a_broken_one_are_refused() -> None:
    with pytest.raises(NoHost, match=r"a:b, c:d"):
        find_host([point("x", "c:d"), point("y", "a:b")])
    with pytest.raises(NoHost, match="can't be loaded"):
        find_host([point("x", "no_such_host:open_host")])


async def test_a_host_is_opened_by_path_name_or_package(
    project: MakeApp, small_host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(small_host)
    hosts = [point("small", "small_host:open_host")]
    root = project("opened_app")
    async with Host.open(root, hosts=hosts, speed=3) as by_path:
        assert by_path == ("opened-app", {"speed": 3})
    import opened_app  # type: ignore[import-not-found]  # find_app has made it importable

    for app in (str(root), "opened_app", opened_app, root / "src" / "opened_app"):
        async with Host.open(app, hosts=hosts) as opened:
            assert opened == ("opened-app", {})
    with pytest.raises(AppBroken, match="no such folder and no such package"):
        Host.open("no_such_app_anywhere", hosts=hosts)


@pytest.mark.parametrize("arguments", [(), ("-o", "asyncio_mode=auto"), ("-W", "error::DeprecationWarning")])
def test_async_tests_run_without_configuration(project: MakeApp, small_host: Path, arguments: tuple[str, ...]) -> None:
    root = project("stranger_app")
    (root / "tests").mkdir()
    (root / "tests" / "test_it.py").write_text(TESTS)
    result = pytest_in(root, small_host, *arguments)
    assert "5 passed" in result.stdout, result.stdout + result.stderr
    assert "warning" not in (result.stdout + result.stderr).lower()


def test_a_project_that_chose_strict_mode_keeps_it_and_its_host(project: MakeApp, small_host: Path) -> None:
    root = project("stranger_app")
    with (root / "pyproject.toml").open("a") as file:
        file.write('[tool.pytest.ini_options]\nasyncio_mode = "strict"\n')
    (root / "test_it.py").write_text(TESTS.replace("async def test_no_host", "async def not_a_test"))
    result = pytest_in(root, small_host, "-k", "test_host or test_sync")
    assert "3 passed" in result.stdout, result.stdout + result.stderr
    assert "mode=Mode.STRICT" in result.stdout


def test_a_project_that_is_no_app_is_left_alone(tmp_path: Path, small_host: Path) -> None:
    root = tmp_path / "elsewhere"
    root.mkdir()
    (root / "pyproject.toml").write_text('[project]\nname = "elsewhere"\n')
    (root / "test_it.py").write_text("def test_it(host):\n    pass\n")
    result = pytest_in(root, small_host)
    assert "mode=Mode.STRICT" in result.stdout
    assert "test_it.py is in no app's project" in result.stdout
    assert result.returncode == 1


def test_without_pytest_asyncio_the_fixture_says_what_to_install(project: MakeApp, small_host: Path) -> None:
    root = project("stranger_app")
    (root / "test_it.py").write_text("def test_it(host):\n    pass\n")
    (small_host / "pytest_asyncio.py").write_text("raise ImportError('not here')\n")
    result = pytest_in(root, small_host, "-p", "no:asyncio")
    assert "pip install pytest-asyncio" in result.stdout, result.stdout + result.stderr


def test_blocks_over_a_limit_fail_the_test() -> None:
    fine = [Text(["a"])] * 50
    assert within_limits("board_panel", fine) is fine
    with pytest.raises(OverLimit, match="board_panel: 51 blocks, and 50 are allowed"):
        within_limits("board_panel", [*fine, Text(["b"])])
    with pytest.raises(OverLimit, match="101 rows"):
        within_limits("board_panel", [Table(["a"], [["b"]] * 101)])
    with pytest.raises(OverLimit, match="bytes"):
        within_limits("board_panel", [Text(["x" * 70_000])])
