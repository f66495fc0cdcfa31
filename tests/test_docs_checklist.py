"""The checklist of OAuth's security practice is whole, and what it says is proven is."""

from __future__ import annotations

import ast
import re
import runpy
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "oauth-security-checklist.md").read_text("utf-8")
NAMED = re.compile(r"`([\w/]+\.py)::(test_\w+)(?:\[([^\]`]+)\])?`")
ROW = re.compile(r"^\| (?!section|rule|standard|---)(.+) \|$", re.MULTILINE)

SECTIONS = (
    "2.1", "2.1.1", "2.1.2", "2.2.1", "2.2.2", "2.3", "2.4", "2.5", "2.6", "4.1", "4.2", "4.3", "4.4", "4.5", "4.6",
    "4.7", "4.8", "4.9.1", "4.9.2", "4.10.1", "4.10.2", "4.11.1", "4.11.2", "4.12", "4.13", "4.14", "4.15", "4.16",
    "4.17",
)  # fmt: skip
STANDARDS = ("7009", "7662", "8252", "8414", "8707", "9126", "9207", "9449", "9728")


@cache
def names_in(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_every_section_and_standard_has_its_line() -> None:
    sections = re.findall(r"^\| ([0-9.]+) \|", PAGE, re.MULTILINE)
    assert set(SECTIONS) - set(sections) == set()
    assert set(STANDARDS) - set(re.findall(r"^\| RFC ([0-9]+),", PAGE, re.MULTILINE)) == set()


def test_every_line_names_a_test() -> None:
    rows = ROW.findall(PAGE)
    assert len(rows) > 50
    assert [row for row in rows if not NAMED.search(row.rpartition(" | ")[2])] == []


def test_every_test_that_is_named_is_there() -> None:
    checks = set(runpy.run_path(str(ROOT / "tests" / "test_oauth_client.py"))["CHECKS"])
    named = NAMED.findall(PAGE)
    assert len(named) == PAGE.count("::")
    missing = [f"{path}::{name}" for path, name, _ in named if not (ROOT / path).exists() or name not in names_in(path)]
    assert missing == []
    assert [check for _, _, check in named if check and check not in checks] == []
