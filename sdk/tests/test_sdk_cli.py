"""The command `assigntask-sdk`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from assigntask_sdk.cli import app

MakeApp = Callable[..., Path]


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.mark.parametrize("name", ["due-guard", "late-bell"])
def test_a_new_app_has_no_problems(tmp_path: Path, forgetful: None, name: str) -> None:
    target = tmp_path / "here"
    made = run("new", name, "--directory", target)
    assert made.exit_code == 0, made.output
    package = name.replace("-", "_")
    assert (target / "src" / package / "hooks.py").is_file()
    assert (target / "tests" / f"test_{package}.py").is_file()
    checked = run("check", target)
    assert checked.exit_code == 0, checked.output
    assert f"({name}): no problems" in checked.stdout
    assert "refuse or amend a change before it is saved (tasks:guard, a power)" in checked.stdout


def test_a_new_app_is_small(tmp_path: Path) -> None:
    run("new", "due-guard", "--directory", tmp_path)
    files = [path for path in (tmp_path / "src").rglob("*") if path.is_file()]
    lines = [line for path in files for line in path.read_text("utf-8").splitlines() if line.strip()]
    assert len(lines) < 70


def test_a_new_app_goes_into_a_folder_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("new", "due-guard").exit_code == 0
    assert (tmp_path / "due-guard" / "pyproject.toml").is_file()


@pytest.mark.parametrize("name", ["Due", "a", "json", "class", "9lives", "due_guard", "guard-", "../x", "assigntask"])
def test_a_name_that_no_app_can_have_is_refused(tmp_path: Path, name: str) -> None:
    result = run("new", name, "--directory", tmp_path / "here")
    assert result.exit_code == 2
    assert "[bad_name]" in result.stderr and result.stdout == ""
    assert not (tmp_path / "here").exists()


def test_nothing_that_is_there_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    result = run("new", "due-guard", "--directory", tmp_path)
    assert result.exit_code == 1
    assert "[directory_not_empty]" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]
    (tmp_path / "file").write_text("")
    assert run("new", "due-guard", "--directory", tmp_path / "file").exit_code == 1
    assert run("new", "due-guard", "--directory", tmp_path / "file" / "inner").exit_code == 1


def test_check_prints_file_and_line_of_every_problem(project: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    root = project("checked_app")
    manifest = root / "src" / "checked_app" / "app.toml"
    manifest.write_text(manifest.read_text().replace("1.0.0", "1").replace("NZ", "XX"))
    monkeypatch.chdir(root)
    result = run("check")
    assert result.exit_code == 1
    assert "src/checked_app/app.toml:4: version: " in result.stdout
    assert "src/checked_app/app.toml:10: vendor.country: " in result.stdout
    assert "2 problems." in result.stdout


def test_check_shows_the_developer_what_the_code_raised(project: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    root = project("raising_app", hooks="import os\nraise ValueError('[bold] wrong')\n")
    monkeypatch.chdir(root)
    result = run("check")
    assert result.exit_code == 1
    assert "src/raising_app/hooks.py:2: the app can't be imported: ValueError [app_import_failed]" in result.stdout
    assert "ValueError: [bold] wrong" in result.stdout


def test_check_as_json_is_one_document(project: MakeApp, tmp_path: Path) -> None:
    sound = run("check", project("sound_json_app"), "--json")
    body = json.loads(sound.stdout)
    assert sound.exit_code == 0 and body["ok"] is True and body["problems"] == []
    assert body["app"]["asks"]["details"] == {"task.due": "due dates"}
    broken = run("check", project("broken_json_app", manifest="sdk = 1\nid = 3"), "--json")
    body = json.loads(broken.stdout)
    assert broken.exit_code == 1 and body["ok"] is False and body["app"] is None
    assert {"manifest_value", "manifest_missing"} == {problem["code"] for problem in body["problems"]}
    nothing = run("check", tmp_path / "nowhere", "--json")
    assert nothing.exit_code == 1
    assert json.loads(nothing.stdout)["problems"][0]["code"] == "app_not_found"


def test_wrong_usage_has_status_2() -> None:
    assert run("new").exit_code == 2
    assert run("check", "--nonsense").exit_code == 2
    assert run("nonsense").exit_code == 2


def test_schema_prints_json() -> None:
    result = run("schema")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["properties"]["sdk"]
