"""The newcomer's page says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import assigntask_sdk
from assigntask_sdk.errors import ERRORS
from assigntask_sdk.hooks import Hooks
from assigntask_sdk.manifest import parse
from assigntask_sdk.testing import HostUnderTest

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")


def test_its_manifest_is_one() -> None:
    (manifest,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    assert parse(manifest).id == "due-guard"


@pytest.mark.parametrize("name", Hooks.all)
def test_every_hook_is_in_the_table_with_its_limit(name: str) -> None:
    (row,) = [line for line in README.splitlines() if line.startswith("|") and f"`{name}`" in line]
    assert f"| {Hooks.all[name].limit:g} s |" in row


def test_every_error_and_block_is_named() -> None:
    blocks = ["Text", "Table", "ListBlock", "Image", "Chart", "Badge", "Link", "When", "Who", "Code"]
    for name in [*(error.__name__ for error in ERRORS.values() if error.__name__ != "AppError"), *blocks]:
        assert f"`{name}`" in README, name
        assert name in assigntask_sdk.__all__


def test_what_it_says_of_the_host_is_there() -> None:
    (listed,) = re.findall(r"It also has (.*?)\. Without pytest", README, re.DOTALL)
    for name in re.findall(r"`(\w+)`", listed):
        assert hasattr(HostUnderTest, name), name
