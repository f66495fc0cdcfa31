"""The pytest plugin: the fixture `host`, and async tests without configuration in an app's project.

Other projects in the same environment are left as they are. In an app's project pytest-asyncio goes into its auto
mode unless the project chose a mode; and a test that takes `host` runs in either mode.
"""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import AsyncIterator, Generator
from functools import lru_cache
from typing import Any

import pytest

from ..apps import InstalledApp, find_app, project_of
from .host import Host
from .protocol import HostUnderTest

try:
    from pytest_asyncio import fixture as async_fixture
except ImportError:
    HAS_ASYNCIO = False
else:
    HAS_ASYNCIO = True

_MODE = re.compile(r"^\s*[\"']?asyncio_mode[\"']?\s*=", re.MULTILINE)

_project_of = lru_cache(maxsize=1024)(project_of)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    places = (config.rootpath, config.invocation_params.dir)
    if not config.pluginmanager.hasplugin("asyncio") or not any(_project_of(place) for place in places):
        return
    # pytest-asyncio warns where no loop scope is configured. pytest puts the filters back after this phase.
    warnings.filterwarnings("ignore", message=".*asyncio_default_fixture_loop_scope", category=DeprecationWarning)
    if not _chose_mode(config):
        config.option.asyncio_mode = "auto"


def _chose_mode(config: pytest.Config) -> bool:
    """Whether the command line or the project says how pytest-asyncio works; its default can't be told apart."""
    if config.getoption("asyncio_mode", None) is not None:
        return True
    if any(str(override).startswith("asyncio_mode=") for override in config.getoption("override_ini", None) or ()):
        return True
    return config.inipath is not None and _MODE.search(config.inipath.read_text("utf-8", "replace")) is not None


@pytest.hookimpl(wrapper=True, trylast=True)  # inside pytest-asyncio's own wrapper, which looks for the mark
def pytest_pycollect_makeitem(collector: pytest.Collector) -> Generator[None, Any, Any]:
    made = yield
    if collector.config.pluginmanager.hasplugin("asyncio"):
        for item in made if isinstance(made, list) else [made]:
            if isinstance(item, pytest.Function) and _needs_mark(item):
                item.add_marker(pytest.mark.asyncio)
    return made


def _needs_mark(item: pytest.Function) -> bool:
    return (
        "host" in item.fixturenames
        and inspect.iscoroutinefunction(item.obj)
        and item.get_closest_marker("asyncio") is None
        and item.get_closest_marker("anyio") is None
        and _project_of(item.path.parent) is not None
    )


@pytest.fixture
def assigntask_app(request: pytest.FixtureRequest) -> InstalledApp:
    """The app of the project that the test is in: override it to test another."""
    project = _project_of(request.path.parent)
    if project is None:
        pytest.fail(
            f"{request.path.name} is in no app's project: a pyproject.toml above it names the app under "
            '[project.entry-points."assigntask.apps"]',
            pytrace=False,
        )
    return find_app(project)


if HAS_ASYNCIO:

    @async_fixture
    async def host(assigntask_app: InstalledApp) -> AsyncIterator[HostUnderTest]:
        """The real host, in memory, with the project's app installed."""
        async with Host.open(assigntask_app) as opened:
            yield opened

else:

    @pytest.fixture
    def host(assigntask_app: InstalledApp) -> None:
        """Says what is missing."""
        pytest.fail(f"{assigntask_app.id}: tests with a host need `pip install pytest-asyncio`", pytrace=False)
