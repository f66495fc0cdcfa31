"""Makes a command of an async function: gives it the host, and adds the options that every command takes."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Literal, get_type_hints

import typer

from assigntask.app import Platform
from assigntask.cli.opening import Answer, Call, Here, here, run
from assigntask.cli.options import AsOption, DatabaseOption, JsonOption, OrganisationOption, RequiredAsOption

Acting = Literal["no", "may", "must"]
Function = Callable[..., Awaitable[Answer]]


def command(
    where: typer.Typer, name: str, *, acting: Acting = "may", changes: bool = True
) -> Callable[[Function], Function]:
    """For `async def f(here: Here, …typer's parameters) -> Answer`. `acting`: whether it takes --as."""

    def register(function: Function) -> Function:
        async def work(platform: Platform, values: dict[str, Any]) -> Answer:
            place: Here = await here(platform, values.pop("organisation"), values.pop("acting", None))
            return await function(place, **values)

        extra: dict[str, Any] = {"organisation": OrganisationOption}
        if acting != "no":
            extra["acting"] = AsOption if acting == "may" else RequiredAsOption
        _register(where, name, function, work, extra, changes=changes)
        return function

    return register


def host_command(where: typer.Typer, name: str, *, changes: bool = True) -> Callable[[Function], Function]:
    """For `async def f(platform: Platform, …typer's parameters) -> Answer`: what is not about one organisation."""

    def register(function: Function) -> Function:
        async def work(platform: Platform, values: dict[str, Any]) -> Answer:
            return await function(platform, **values)

        _register(where, name, function, work, {}, changes=changes)
        return function

    return register


def call_of(context: typer.Context) -> Call:
    """--json and --database, on the command or on a group before it; the one nearest to the command holds."""
    as_json, database = False, None
    level: Any = context
    while level is not None:
        as_json = as_json or bool(level.params.get("json_output"))
        database = database or level.params.get("database")
        level = level.parent
    return Call(as_json, database)


def _register(
    where: typer.Typer,
    name: str,
    function: Function,
    work: Callable[[Platform, dict[str, Any]], Awaitable[Answer]],
    extra: dict[str, Any],
    *,
    changes: bool,
) -> None:
    def called(context: typer.Context, **values: Any) -> None:
        values.pop("json_output"), values.pop("database")
        run(call_of(context), lambda platform: work(platform, values), settles=changes)

    called.__doc__ = function.__doc__
    parameters = _parameters(function, {**extra, "json_output": JsonOption, "database": DatabaseOption})
    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {each.name: each.annotation for each in parameters}
    where.command(name)(called)


def _parameters(function: Function, extra: dict[str, Any]) -> list[inspect.Parameter]:
    """The context, the function's own parameters less the first, and the options in `extra`."""
    hints = get_type_hints(function, include_extras=True)
    keyword = inspect.Parameter.KEYWORD_ONLY
    own = list(inspect.signature(function).parameters.values())[1:]
    made = [each.replace(kind=keyword, annotation=hints[each.name]) for each in own]
    for name, annotation in extra.items():
        default: Any = None
        if annotation is RequiredAsOption:
            default = inspect.Parameter.empty
        elif annotation is JsonOption:
            default = False
        made.append(inspect.Parameter(name, keyword, default=default, annotation=annotation))
    return [inspect.Parameter("context", keyword, annotation=typer.Context), *made]
