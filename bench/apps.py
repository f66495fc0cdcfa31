"""Apps to install: as many as wanted, each a package of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from assigntask_sdk.apps import InstalledApp, find_app

Kind = Literal["reader", "guard", "quiet"]

SCOPES: Mapping[Kind, Sequence[str]] = {
    "reader": ("tasks:read", "tasks:people", "tasks:departments", "people:name", "people:email"),
    "guard": ("tasks:read", "tasks:guard"),
    "quiet": ("tasks:read",),
}
HOOKS: Mapping[Kind, str] = {
    "reader": "report = []",
    "guard": 'task_saving = ["task.summary", "task.due"]',
    "quiet": 'task_panel = ["task.summary", "task.due"]',
}
CODE: Mapping[Kind, str] = {
    "reader": "@hook.report\nasync def tables(ctx, ask):\n    return []\n",
    "guard": "@hook.task_saving\nasync def saving(ctx, ask):\n    return None\n",
    "quiet": "@hook.task_panel\nasync def panel(ctx, ask):\n    return []\n",
}


def write_app(folder: Path, kind: Kind, number: int = 0) -> InstalledApp:
    """`guard` is asked before a task is saved and never objects; `quiet` has a hook, but for another page."""
    package = folder / f"bench_{kind}_{number:02}"
    if not package.is_dir():
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("", "utf-8")
        (package / "hooks.py").write_text(f"from assigntask_sdk import hook\n\n\n{CODE[kind]}", "utf-8")
        (package / "app.toml").write_text(_manifest(package.name, kind), "utf-8")
    return find_app(package)


def _manifest(name: str, kind: Kind) -> str:
    scopes = "\n".join(f'"{scope}" = "to be measured"' for scope in SCOPES[kind])
    return f"""\
sdk = 1
id = "{name.replace("_", "-")}"
name = "{name.replace("_", " ").title()}"
version = "1.0.0"

[vendor]
name = "Bench"
contact = "bench@bench.example"
privacy = "https://bench.example/privacy"
country = "NL"

[scopes.required]
{scopes}

[hooks]
{HOOKS[kind]}
"""
