"""Importing an app and collecting its hooks: the first moment at which an app's code runs."""

from __future__ import annotations

import importlib
import inspect
import traceback
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias, get_type_hints

import pluggy

from ..context import Ctx
from ..details import nearest
from ..hooks import PROJECT, Hooks
from ..manifest import Problem
from .installed import AppBroken, InstalledApp

Hook: TypeAlias = Callable[[Ctx, Any], Awaitable[Any]]


def load_hooks(app: InstalledApp) -> Mapping[str, Hook]:
    """Hook name to function. Raises AppBroken, whatever the app's code does, except for KeyboardInterrupt.

    The hooks in the code and in the manifest must be the same.
    """
    manifest = app.usable()
    module = _import(app, f"{app.package}.{manifest.module}")
    answers = list(_answers(module))
    problems = [
        *(problem for name, function in answers for problem in _signature_problems(app, name, function)),
        *_differences(app, answers, module),
    ]
    if problems:
        message = "\n".join(str(problem) for problem in problems)
        raise AppBroken("app_hooks", app.id, message, problems)
    return dict(answers)


def _import(app: InstalledApp, name: str) -> ModuleType:
    try:
        module = importlib.import_module(name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # an app may raise SystemExit, or worse; the host goes on
        problem = _import_problem(app, name, error)
        raise AppBroken("app_import_failed", app.id, str(problem), [problem]) from error
    origin = getattr(module, "__file__", None)
    if app.directory is not None and (origin is None or not Path(origin).resolve().is_relative_to(app.directory)):
        message = f"another package is called {app.package} too: rename one of them"
        raise AppBroken("app_name_taken", app.id, message)
    return module


def _import_problem(app: InstalledApp, name: str, error: BaseException) -> Problem:
    """Where in the app it failed, and how: without what the exception says, which may hold values."""
    file, line = name, None
    if isinstance(error, SyntaxError) and error.filename:
        file, line = _shown_path(app, error.filename) or file, error.lineno
    for frame in traceback.extract_tb(error.__traceback__):
        shown = _shown_path(app, frame.filename)
        if shown is not None:
            file, line = shown, frame.lineno
    what = type(error).__name__
    if isinstance(error, ModuleNotFoundError) and error.name:
        what = f"there is no module {error.name}: install it, and name it in the app's dependencies"
    elif isinstance(error, SyntaxError):
        what = "this is not Python"
    return Problem("app_import_failed", file, line, None, f"the app can't be imported: {what}")


def _shown_path(app: InstalledApp, filename: str) -> str | None:
    """The path inside the app's package, None for files of others."""
    if app.directory is None:
        return None
    try:
        return Path(filename).resolve().relative_to(app.directory.parent).as_posix()
    except ValueError:
        return None


def _answers(module: ModuleType) -> Iterator[tuple[str, Hook]]:
    """The marked functions of the module, by the hook that they answer. One hook may come twice."""
    manager = pluggy.PluginManager(PROJECT)
    for attribute, value in list(vars(module).items()):
        marks = manager.parse_hookimpl_opts(module, attribute)
        if marks is not None:
            yield marks.get("specname") or attribute, value


def _signature_problems(app: InstalledApp, name: str, function: Hook) -> Iterator[Problem]:
    def problem(message: str) -> Problem:
        return Problem("app_hook_signature", *_place(app, function), None, f"@hook.{name}: {message}")

    spec = Hooks.all.get(name)
    if spec is None:
        meant = nearest(name, Hooks.all)
        yield problem("there is no such hook" + (f"; write @hook.{meant}" if meant else ""))
        return
    called = getattr(function, "__name__", "it")
    if not inspect.iscoroutinefunction(function):
        yield problem(f"write `async def {called}(ctx, ask)`")
        return
    parameters = list(inspect.signature(function).parameters)
    if parameters != ["ctx", "ask"]:
        yield problem(f"the parameters are (ctx, ask), not ({', '.join(parameters)})")
        return
    try:
        hints = get_type_hints(function)
    except Exception:  # names that exist for type checkers alone; those check them better
        return
    if inspect.isclass(hints.get("ask")) and not issubclass(spec.ask, hints["ask"]):
        yield problem(f"ask is a {spec.ask.__name__}, not a {hints['ask'].__name__}")


def _differences(app: InstalledApp, answers: list[tuple[str, Hook]], module: ModuleType) -> Iterator[Problem]:
    declared = app.usable().hooks
    written = {name: function for name, function in answers if name in Hooks.all}
    for name, function in answers:
        if name in written and written[name] is not function:
            yield Problem("app_hooks", *_place(app, function), None, f"@hook.{name} is answered twice: keep one")
    for name, function in written.items():
        if name not in declared:
            message = f"@hook.{name} is not in app.toml: write {name} = [] under [hooks], with the details it wants"
            yield Problem("app_hooks", *_place(app, function), None, message)
    for name in declared:
        if name not in written:
            file = _shown_path(app, module.__file__ or "") or module.__name__
            message = (
                f"app.toml names the hook {name}: write `@hook.{name} async def …(ctx, ask)`, or leave it out there"
            )
            yield Problem("app_hooks", file, None, f"hooks.{name}", message)


def _place(app: InstalledApp, function: Hook) -> tuple[str, int | None]:
    """File inside the package and line of a function."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return app.package, None
    return _shown_path(app, code.co_filename) or app.package, code.co_firstlineno
