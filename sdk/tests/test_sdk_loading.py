"""Loading an app's hooks: whatever its code does, the host gets hooks or one clear error."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from assigntask_sdk.apps import AppBroken, find_app, find_apps, load_hooks

MakeApp = Callable[..., Path]

HEAD = "from assigntask_sdk import Ctx, hook\nfrom assigntask_sdk.hooks import TaskBadges, TaskPanel, hookimpl\n"
GOOD = "@hook.task_badges\nasync def badges(ctx: Ctx, ask: TaskBadges):\n    return {}\n"


def refusal(root: Path) -> AppBroken:
    app = find_app(root)
    with pytest.raises(AppBroken) as caught:
        load_hooks(app)
    return caught.value


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("raise SystemExit('s3cret')", "SystemExit"),
        ("raise ValueError('s3cret')", "ValueError"),
        ("raise GeneratorExit('s3cret')", "GeneratorExit"),
        ("{}['s3cret']", "KeyError"),
        ("import no_such_module_here", "no_such_module_here: install it"),
        ("def (", "not Python"),
        ("@hook.task_badge\nasync def f(ctx, ask): ...", "AttributeError"),
        ("@hook.task_badges\ndef f(ctx, ask): ...", "TypeError"),
    ],
)
def test_a_failing_import_is_contained_and_says_where_without_values(project: MakeApp, code: str, words: str) -> None:
    error = refusal(project("failing_app", hooks=HEAD + code))
    assert error.code == "app_import_failed"
    assert words in error.message
    assert "s3cret" not in str(error)
    (problem,) = error.problems
    assert (problem.file, problem.line) == ("failing_app/hooks.py", 3)
    assert error.__cause__ is not None


def test_keyboard_interrupt_is_not_contained(project: MakeApp) -> None:
    app = find_app(project("interrupted_app", hooks="raise KeyboardInterrupt"))
    with pytest.raises(KeyboardInterrupt):
        load_hooks(app)


def test_a_missing_hooks_module_is_an_import_that_failed(project: MakeApp) -> None:
    root = project("empty_app")
    (root / "src" / "empty_app" / "hooks.py").unlink()
    assert refusal(root).code == "app_import_failed"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("", "app.toml names the hook task_badges"),
        (GOOD + "@hook.task_panel\nasync def p(ctx: Ctx, ask: TaskPanel):\n    return []\n", "write task_panel = []"),
        (GOOD + GOOD.replace("def badges", "def again"), "answered twice"),
        (GOOD.replace("ask: TaskBadges", "ask: TaskPanel"), "ask is a TaskBadges, not a TaskPanel"),
        (GOOD + "@hookimpl(specname='task_badge')\nasync def o(ctx, ask): ...\n", "write @hook.task_badges"),
        (GOOD.replace("@hook.task_badges", "@hookimpl(specname='task_badges')").replace("async ", ""), "`async def"),
        (GOOD.replace("@hook.task_badges", "@hookimpl(specname='task_badges')").replace("ctx:", "c:"), "(ctx, ask)"),
    ],
)
def test_hooks_that_differ_from_the_manifest_or_the_contract_are_refused(
    project: MakeApp, code: str, words: str
) -> None:
    error = refusal(project("differing_app", hooks=HEAD + code))
    assert error.code == "app_hooks"
    assert words in error.message
    assert error.problems[0].file == "differing_app/hooks.py"


def test_every_difference_is_reported_at_once(project: MakeApp) -> None:
    code = HEAD + "@hook.task_panel\nasync def p(ctx: Ctx, ask: TaskBadges):\n    return []\n"
    error = refusal(project("many_app", hooks=code))
    assert [problem.line for problem in error.problems] == [3, 3, None]


def test_hooks_may_be_written_in_several_modules(project: MakeApp) -> None:
    root = project("split_app", hooks="from .badges import badges\n")
    (root / "src" / "split_app" / "badges.py").write_text(HEAD + GOOD)
    assert set(load_hooks(find_app(root))) == {"task_badges"}


def test_a_package_of_the_same_name_elsewhere_is_not_taken_for_the_app(install: MakeApp, project: MakeApp) -> None:
    install("shadowed_app")
    (installed,) = [app for app in find_apps() if app.id == "shadowed-app"]
    load_hooks(find_app(project("shadowed_app")))
    with pytest.raises(AppBroken) as caught:
        load_hooks(installed)
    assert caught.value.code == "app_name_taken"


def test_a_broken_app_raises_its_own_error(install: MakeApp) -> None:
    install("unreadable_app", manifest="sdk = ")
    (app,) = [app for app in find_apps() if app.id == "unreadable-app"]
    with pytest.raises(AppBroken) as caught:
        load_hooks(app)
    assert caught.value.code == "manifest_syntax"
    assert pickle.loads(pickle.dumps(caught.value)).problems == caught.value.problems  # noqa: S301
