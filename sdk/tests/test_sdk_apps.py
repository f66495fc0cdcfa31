"""Finding apps: installed ones without running their code, and those in a folder."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from assigntask_sdk.apps import AppBroken, InstalledApp, digest_of, find_app, find_apps, load_hooks, project_of

MakeApp = Callable[..., Path]


def found(app: str) -> list[InstalledApp]:
    return [installed for installed in find_apps() if installed.id == app]


def test_listing_reads_the_manifest_and_runs_none_of_the_code(install: MakeApp, tmp_path: Path) -> None:
    wrote = tmp_path / "written"
    init = f"from pathlib import Path\nPath({str(wrote)!r}).write_text('here')\n"
    folder = install("listed_app", init=init)
    (app,) = found("listed-app")
    assert app.error is None and app.manifest is not None
    assert (app.distribution, app.distribution_version, app.directory) == ("listed-app", "2.3.4", folder)
    assert app.manifest.id == "listed-app"
    assert not wrote.exists()
    assert "listed_app" not in sys.modules
    assert not (folder / "__pycache__").exists()
    load_hooks(app)
    assert wrote.exists()


def test_a_broken_app_is_listed_beside_the_others(install: MakeApp) -> None:
    install("broken_app", manifest="sdk = 1\nid = ")
    install("sound_app")
    (broken,), (sound,) = found("broken-app"), found("sound-app")
    assert sound.error is None
    assert broken.manifest is None and broken.error is not None
    assert broken.error.code == "manifest_syntax"
    assert broken.error.problems[0].file == "broken_app/app.toml"
    assert broken.content_digest.startswith("sha256:")
    with pytest.raises(AppBroken):
        broken.usable()
    ids = [app.id for app in find_apps()]
    assert ids == sorted(ids)


@pytest.mark.parametrize(
    ("value", "code"),
    [("odd_app.inner", "app_entry_point"), ("odd_app:thing", "app_entry_point"), ("no_such_package", "app_no_package")],
)
def test_an_entry_point_that_names_no_package_is_a_broken_app(install: MakeApp, value: str, code: str) -> None:
    install("odd_app", value=value)
    (app,) = found("odd-app")
    assert app.error is not None and app.error.code == code
    assert app.directory is None and app.content_digest == ""
    assert "odd_app" not in sys.modules


def test_a_folder_without_init_is_not_an_app(install: MakeApp) -> None:
    (install("bare_app") / "__init__.py").unlink()
    importlib.invalidate_caches()
    (app,) = found("bare-app")
    assert app.error is not None and app.error.code == "app_no_package"


def test_entry_point_and_manifest_must_have_the_same_id(install: MakeApp, manifest_text: str) -> None:
    install("some_app", manifest=manifest_text)
    (app,) = found("some-app")
    assert app.error is not None and app.error.code == "app_id_differs"
    assert '"due-guard"' in app.error.message


def test_an_id_that_two_distributions_claim_is_neither(install: MakeApp, manifest_text: str) -> None:
    install("first_guard", name="due-guard", distribution="first-guard")
    install("second_guard", name="due-guard", distribution="second-guard")
    apps = found("due-guard")
    assert [app.distribution for app in apps] == ["first-guard", "second-guard"]
    for app in apps:
        assert app.error is not None and app.error.code == "app_id_twice" and app.manifest is None
        assert "first-guard, second-guard" in app.error.message


@pytest.mark.parametrize(
    ("direct_url", "editable"),
    [
        (json.dumps({"url": "file:///somewhere", "dir_info": {"editable": True}}), True),
        (json.dumps({"url": "file:///somewhere", "dir_info": {}}), False),
        ("[1]", False),
        ("not json", False),
        (None, False),
    ],
)
def test_an_editable_install_is_told_apart(install: MakeApp, direct_url: str | None, editable: bool) -> None:
    install("edited_app", direct_url=direct_url)
    (app,) = found("edited-app")
    assert app.editable is editable and app.error is None


def test_the_content_digest_sees_every_change_and_no_compiled_file(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "a.py").write_text("1")
    (tmp_path / "inner" / "b.txt").write_text("2")
    first = digest_of(tmp_path)
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "a.pyc").write_text("compiled")
    assert digest_of(tmp_path) == first
    (tmp_path / "inner" / "b.txt").write_text("3")
    second = digest_of(tmp_path)
    (tmp_path / "inner" / "b.txt").rename(tmp_path / "inner" / "c.txt")
    assert len({first, second, digest_of(tmp_path)}) == 3


@pytest.mark.parametrize("src", ["src", "."])
def test_an_app_is_found_in_its_project_and_by_its_package(project: MakeApp, src: str) -> None:
    root = project("folder_app", src=src)
    app = find_app(root)
    assert (app.id, app.package, app.distribution_version, app.editable) == ("folder-app", "folder_app", "0.3.0", True)
    assert app.directory is not None
    assert find_app(app.directory) == app
    assert set(load_hooks(app)) == {"task_badges"}


def test_an_app_without_a_project_file_has_its_manifests_id(project: MakeApp, manifest_text: str) -> None:
    root = project("lonely", manifest=manifest_text)
    (root / "pyproject.toml").unlink()
    assert find_app(root).id == "due-guard"


def test_a_folder_without_an_app_or_with_several_is_refused(project: MakeApp, tmp_path: Path) -> None:
    with pytest.raises(AppBroken) as nothing:
        find_app(tmp_path)
    assert nothing.value.code == "app_not_found"
    root = project("first_of_two", folder="both")
    second = root / "src" / "second_of_two"
    second.mkdir()
    (second / "__init__.py").write_text("")
    (second / "app.toml").write_text("")
    (root / "pyproject.toml").unlink()
    with pytest.raises(AppBroken) as several:
        find_app(root)
    assert several.value.code == "app_several"
    assert "first_of_two, second_of_two" in several.value.message


def test_another_version_of_a_package_replaces_the_imported_one(project: MakeApp) -> None:
    old = find_app(project("same_name", folder="old"))
    first = load_hooks(old)["task_badges"]
    new = find_app(project("same_name", folder="new"))
    assert load_hooks(new)["task_badges"] is not first
    assert old.content_digest == new.content_digest


def test_the_project_of_a_file_is_the_nearest_one_with_an_app(project: MakeApp, tmp_path: Path) -> None:
    root = project("nested_app")
    (root / "tests" / "unit").mkdir(parents=True)
    (root / "tests" / "pyproject.toml").write_text("[tool.other]\n")
    assert project_of(root / "tests" / "unit") == root
    assert project_of(tmp_path) is None
