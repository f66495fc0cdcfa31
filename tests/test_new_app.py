"""What `assigntask-sdk new` writes works as written, against the real host."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def sdk(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "assigntask_sdk.cli", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def own_tests(app: Path) -> subprocess.CompletedProcess[str]:
    """Runs the app's tests as its developer would, without installing it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    path = [str(app / "src"), *filter(None, [environment.get("PYTHONPATH")])]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-W", "error"],
        cwd=app,
        env={**environment, "PYTHONPATH": os.pathsep.join(path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def as_written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("written")
    made = sdk("new", "late-bell", folder=folder)
    assert made.returncode == 0, made.stderr
    return folder / "late-bell"


@pytest.fixture
def new_app(as_written: Path, tmp_path: Path) -> Path:
    return shutil.copytree(as_written, tmp_path / "late-bell")


def test_a_new_app_passes_its_own_test_as_written(new_app: Path) -> None:
    result = own_tests(new_app)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "5 passed" in result.stdout


def test_a_new_app_has_no_problems(new_app: Path) -> None:
    result = sdk("check", folder=new_app)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "no problems" in result.stdout


@pytest.mark.parametrize(
    ("file", "good", "bad", "failing"),
    [
        ("hooks.py", "return Veto(", "return None and Veto(", "test_a_task_without_a_due_date_is_refused"),
        ("hooks.py", "if days == 0:", "if days == 1:", "test_the_badge_says_how_late_a_task_is"),
        ("hooks.py", "late + passed})", "late})", "test_moving_a_date_that_has_passed_is_counted"),
        ("app.toml", '"task.done"]', '"task.done", "task.type"]', "test_the_app_is_given_due_dates_and_nothing_else"),
    ],
)
def test_the_own_test_of_a_new_app_notices_a_defect(
    new_app: Path, file: str, good: str, bad: str, failing: str
) -> None:
    path = new_app / "src" / "late_bell" / file
    text = path.read_text("utf-8")
    assert good in text
    path.write_text(text.replace(good, bad, 1), "utf-8")
    result = own_tests(new_app)
    assert result.returncode == 1
    assert f"FAILED tests/test_late_bell.py::{failing}" in result.stdout
