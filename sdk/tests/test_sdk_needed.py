"""What `check` says of hooks, and of the scopes that tests needed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from assigntask_sdk.cli import app
from assigntask_sdk.testing.needed import FOLDER, ScopesNeeded, record, recorded, running_test

MakeApp = Callable[..., Path]

WRONG = """\
from assigntask_sdk import Ctx, hook
from assigntask_sdk.hooks import {ask}


@hook.{hook}
async def badges(ctx: Ctx, ask: {ask}) -> None:
    return None
"""


def needed(*used: str, refused: str = "") -> ScopesNeeded:
    return ScopesNeeded(frozenset(used), frozenset(refused.split()))


@pytest.fixture
def tests(project: MakeApp) -> Path:
    """The tests of a project, with two files."""
    folder = project("counted_app") / "tests"
    folder.mkdir()
    (folder / "test_a.py").write_text("def test_one(): ...\n\n\ndef test_two(): ...\n")
    (folder / "test_b.py").write_text("class TestB:\n    async def test_three(self): ...\n")
    return folder


@pytest.mark.parametrize(
    ("hooks", "said"),
    [
        (WRONG.format(hook="task_badges", ask="TaskSaving"), "ask is a TaskBadges, not a TaskSaving"),
        (WRONG.format(hook="report", ask="Report"), "@hook.report is not in app.toml"),
        ("", "app.toml names the hook task_badges"),
    ],
)
def test_check_names_a_hook_that_does_not_fit(project: MakeApp, hooks: str, said: str) -> None:
    checked = CliRunner().invoke(app, ["check", str(project("unfit_app", hooks=hooks)), "--json"])
    assert checked.exit_code == 1
    problems = json.loads(checked.stdout)["problems"]
    assert any(said in problem["message"] for problem in problems)
    assert all(problem["file"].endswith("unfit_app/hooks.py") for problem in problems)


def test_what_tests_needed_is_counted_over_all_of_them_and_replaced_by_the_next_run(tests: Path) -> None:
    root = tests.parent
    record(root, needed("tasks:read", refused="people:email"), (tests / "test_a.py", "test_one"))
    record(root, needed("tasks:guard"), (tests / "test_a.py", "test_two[2-a]"))
    record(root, needed("people:name"), (tests / "test_b.py", "TestB::test_three"))
    found = recorded(root)
    assert (found.tests, found.needed) == (
        3,
        needed("tasks:read", "tasks:guard", "people:name", refused="people:email"),
    )
    record(root, needed("tasks:read"), (tests / "test_a.py", "test_one"))
    assert recorded(root).needed.refused == frozenset()


def test_a_test_that_is_gone_counts_no_more(tests: Path) -> None:
    root = tests.parent
    record(root, needed("tasks:read"), (tests / "test_a.py", "test_one"))
    record(root, needed("people:name"), (tests / "test_b.py", "TestB::test_three"))
    (tests / "test_b.py").unlink()
    assert recorded(root).needed == needed("tasks:read")
    (tests / "test_a.py").write_text("def test_one_more(): ...\n")
    assert recorded(root).tests == 0


def test_a_test_of_another_project_counts_nothing(tests: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "test_elsewhere.py"
    elsewhere.write_text("def test_it(): ...\n")
    record(tests.parent, needed("tasks:read"), (elsewhere, "test_it"))
    assert recorded(tests.parent).tests == 0
    assert not (tests.parent / FOLDER).exists()


def test_a_damaged_note_is_passed_over(tests: Path) -> None:
    root = tests.parent
    record(root, needed("tasks:read"), (tests / "test_a.py", "test_one"))
    (root / FOLDER / "0.json").write_text("{")
    (root / FOLDER / "1.json").write_text("[]")
    (root / FOLDER / "2.json").write_text('{"file": "tests/test_a.py", "test": "test_two", "used": 3}')
    assert recorded(root).needed == needed("tasks:read")


def test_the_running_test_is_found_also_below_the_folder_that_pytest_names_it_from(tests: Path) -> None:
    environ = {"PYTEST_CURRENT_TEST": "tests/test_b.py::TestB::test_three[x (1)] (teardown)"}
    assert running_test(environ, tests) == (tests / "test_b.py", "TestB::test_three[x (1)]")
    assert running_test({}, tests) is None
    assert running_test({"PYTEST_CURRENT_TEST": "tests/no_such.py::test_x (call)"}, tests) is None


def test_check_says_nothing_of_scopes_before_a_test_ran(tests: Path) -> None:
    said = CliRunner().invoke(app, ["check", str(tests.parent)]).stdout
    assert "Run its tests, and this says which of the scopes they needed." in said
    record(tests.parent, needed("people:name", refused="people:email"), (tests / "test_a.py", "test_one"))
    said = CliRunner().invoke(app, ["check", str(tests.parent)]).stdout
    assert "A test needed people:email, which app.toml does not ask for" in said
    assert "No test needed tasks:read, which app.toml asks for" in said
