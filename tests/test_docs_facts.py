"""What the documents say of the program is so: codes, scopes, rules, variables, floors, figures."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from assigntask import app
from assigntask.events import deliveries
from assigntask.grants import rules
from assigntask.hooks import breaker
from assigntask.installations.life import STATES
from assigntask.ledger import subjects
from assigntask.ledger.keys import ENVIRONMENT
from assigntask.settings import Settings
from assigntask_sdk.manifest import json_schema

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
SOURCES = [*(ROOT / "sdk" / "src").rglob("*.py"), *(ROOT / "core" / "src").rglob("*.py")]
RULE = re.compile(r'Rule\((True|False), "(\w+)"')
NEW = "Write it anew: see CONTRIBUTING.md, Documents."


def page(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


@pytest.fixture(scope="module")
def errors() -> dict[str, Any]:
    return runpy.run_path(str(DOCS / "write_errors.py"))


def test_the_page_of_codes_is_current(errors: dict[str, Any]) -> None:
    assert page("errors.md") == errors["page"](), NEW


def test_every_code_that_a_test_expects_is_on_the_page() -> None:
    """Found in another way than the page: what tests saw come out of the program."""
    expected = re.compile(r"""(?:\.code|\["code"\]|\bcode) == "([a-z_]+)"|error\[([a-z_]+)\]""")
    tests = [path for folder in ("sdk", "core", "plugins", "tests") for path in (ROOT / folder).rglob("test_*.py")]
    seen = {code for test in tests for pair in expected.findall(test.read_text("utf-8")) for code in pair if code}
    assert len(seen) > 50
    documented = set(re.findall(r"^\| `(\w+)` \|", page("errors.md"), re.MULTILINE))
    answers = {code for _, code in RULE.findall(Path(rules.__file__).read_text("utf-8"))}  # of `why`: no errors
    assert seen - documented - answers - {"code"} == set()


def test_every_code_on_the_page_says_something() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", page("errors.md"), re.MULTILINE)
    assert len(rows) > 120
    assert [code for code, words in rows if not re.search(r"\w", words)] == ["manifest_syntax", "usage"]


def test_the_page_of_scopes_is_current() -> None:
    command = [str(Path(sys.executable).with_name("assigntask-sdk")), "scopes", "--markdown"]
    written = subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout
    assert page("scopes.md") == written, NEW


def test_the_schema_of_manifests_is_current() -> None:
    assert json.loads(page("app-manifest.schema.json")) == json_schema(), NEW


def test_every_rule_of_why_is_explained() -> None:
    source = Path(rules.__file__).read_text("utf-8")
    there = [(code, "yes" if shared == "True" else "no") for shared, code in RULE.findall(source)]
    told = re.findall(r"^\| `(\w+)` \| (yes|no) \|", page("your-data.md"), re.MULTILINE)
    assert sorted(there) == sorted(told)


def test_every_variable_of_the_environment_is_listed() -> None:
    used = {
        name for source in SOURCES for name in re.findall(r'"(ASSIGNTASK_[A-Z_]*[A-Z])"', source.read_text("utf-8"))
    }
    used |= set(ENVIRONMENT.values())
    assert used == set(re.findall(r"^\| `(ASSIGNTASK_\w+)`", page("operating.md"), re.MULTILINE))


def test_defaults_of_the_environment_are_as_listed() -> None:
    settings = Settings.of(environ={})
    assert settings.database == "sqlite:///data/assigntask.db"
    assert settings.keys == Path("data/keys")
    assert settings.subject_keys == "sqlite:///data/keys/subjects.db"


def test_the_floors_are_those_that_are_checked() -> None:
    (drawn,) = re.findall(r"^## Floors\n.*?```text\n(.*?)```", page("architecture.md"), re.DOTALL | re.MULTILINE)
    floors = [re.split(r"\s{2,}", line)[0] for line in drawn.splitlines()]
    with (ROOT / "pyproject.toml").open("rb") as file:
        layers = next(one for one in tomllib.load(file)["tool"]["importlinter"]["contracts"] if one["type"] == "layers")
    assert floors == layers["layers"]


def test_every_state_of_an_installation_is_in_the_glossary() -> None:
    (words,) = re.findall(r"^\| \*\*installation\*\* \| (.*) \|$", page("glossary.md"), re.MULTILINE)
    assert all(state in words for state in STATES)


def test_figures_are_those_of_the_program() -> None:
    wired = Path(app.__file__).read_text("utf-8")
    assert dict(re.findall(r"Wakeup\((\w+), ([\d.]+)", wired)) == {
        "DRAIN": "0.5",
        "SCHEDULE": "5.0",
        "SEAL": "1.0",
        "SWEEP": "600.0",
    }
    assert (breaker.FAILURES, breaker.PAUSE.seconds, breaker.LONGEST.seconds) == (5, 30, 600)
    assert subjects.CACHE_SECONDS == 30
    waits = [wait for number in range(1, 99) if (wait := deliveries.schedule(number)) is not None]
    assert len(waits) + 1 == 10
    assert sum(wait.total_seconds() for wait in waits) // 3600 == 75
