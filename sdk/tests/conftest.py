"""Apps on disk, as installed distributions and as projects, and an interpreter that forgets them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

MANIFEST = """\
sdk = 1
id = "{id}"
name = "An app"
version = "1.0.0"

[vendor]
name = "Vendor"
contact = "help@vendor.example"
privacy = "https://vendor.example/privacy"
country = "NZ"

[scopes.required]
"tasks:read" = "to show what is due"

[hooks]
task_badges = ["task.due"]
"""

HOOKS = """\
from assigntask_sdk import Badge, Ctx, TaskId, hook
from assigntask_sdk.hooks import TaskBadges


@hook.task_badges
async def badges(ctx: Ctx, ask: TaskBadges) -> dict[TaskId, list[Badge]]:
    return {}
"""

MakeApp = Callable[..., Path]


@pytest.fixture
def forgetful() -> Iterator[None]:
    """Puts sys.path and sys.modules back."""
    path, modules = list(sys.path), dict(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - set(modules):
        del sys.modules[name]
    sys.modules.update(modules)


@pytest.fixture
def install(tmp_path: Path, forgetful: None, monkeypatch: pytest.MonkeyPatch) -> MakeApp:
    """Lays a distribution with one app into a folder of its own on sys.path; returns the package's folder."""

    def make(
        package: str,
        *,
        name: str | None = None,
        value: str | None = None,
        distribution: str | None = None,
        manifest: str | None = None,
        hooks: str = HOOKS,
        init: str = "",
        direct_url: str | None = None,
    ) -> Path:
        name = name or package.replace("_", "-")
        distribution = distribution or name
        site = tmp_path / f"site-{distribution}"
        folder = site / package
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text(init)
        (folder / "hooks.py").write_text(hooks)
        (folder / "app.toml").write_text(MANIFEST.format(id=name) if manifest is None else manifest)
        info = site / f"{distribution.replace('-', '_')}-2.3.4.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 2.3.4\n")
        (info / "entry_points.txt").write_text(f"[assigntask.apps]\n{name} = {value or package}\n")
        if direct_url is not None:
            (info / "direct_url.json").write_text(direct_url)
        monkeypatch.syspath_prepend(site)
        return folder

    return make


@pytest.fixture
def project(tmp_path: Path, forgetful: None) -> MakeApp:
    """Writes an app's project, not installed; returns its folder."""

    def make(
        package: str,
        *,
        folder: str | None = None,
        src: str = "src",
        name: str | None = None,
        manifest: str | None = None,
        hooks: str = HOOKS,
    ) -> Path:
        name = name or package.replace("_", "-")
        root = tmp_path / (folder or name)
        code = root / src / package
        code.mkdir(parents=True)
        (code / "__init__.py").write_text("")
        (code / "hooks.py").write_text(hooks)
        (code / "app.toml").write_text(MANIFEST.format(id=name) if manifest is None else manifest)
        (root / "pyproject.toml").write_text(
            f'[project]\nname = "{name}"\nversion = "0.3.0"\n'
            f'[project.entry-points."assigntask.apps"]\n{name} = "{package}"\n'
        )
        return root

    return make


@pytest.fixture
def manifest_text() -> str:
    return MANIFEST.format(id="due-guard")
