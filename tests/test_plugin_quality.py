"""Every plugin says of each rule whether it keeps it, and why where it need not."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

PLUGINS = sorted(path.parent for path in (Path(__file__).parents[1] / "plugins").glob("*/pyproject.toml"))
RULES = {
    "erases_people",
    "hidden_groups",
    "least_details",
    "limits",
    "no_egress",
    "person_settings",
    "strict_types",
    "tests",
    "upgrades",
}


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.name)
def test_each_rule_is_done_or_exempt_with_a_reason(plugin: Path) -> None:
    rules = tomllib.loads((plugin / "quality.toml").read_text())
    assert rules.keys() == RULES
    for name, rule in rules.items():
        assert rule["state"] in ("done", "exempt"), name
        assert len(rule["reason"]) > 10, f"{name}: say how, or why not"


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.name)
def test_a_plugin_depends_on_the_sdk_alone(plugin: Path) -> None:
    project = tomllib.loads((plugin / "pyproject.toml").read_text())
    assert [name.split(" ")[0] for name in project["project"]["dependencies"]] == ["assigntask-sdk"]
    assert "uv" not in project.get("tool", {})
