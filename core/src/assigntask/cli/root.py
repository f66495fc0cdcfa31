"""The commands by name, with the modules that make them; these are loaded when one of theirs is run."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_group

from assigntask.cli.options import DatabaseOption, JsonOption

COMMANDS = {
    "run": ("running", "Start with a sample organisation: the quickest way to see everything."),
    "serve": ("serving", "Serve the pages, and deliver what apps are waiting for."),
    "work": ("work", "Deliver what apps are waiting for, beside `serve`: for PostgreSQL."),
    "dev": ("dev", "Write an app: reload on save, and see each hook call and what it was given."),
    "import": ("imports", "Bring in a board from another tracker."),
    "people": ("people erasures", "Who belongs to an organisation, and what they are in it."),
    "projects": ("projects", "The boards of an organisation."),
    "tasks": ("tasks", "List, show, add, edit and comment tasks."),
    "apps": (
        "apps app_settings app_reports app_jobs app_credentials app_health",
        "Find, install, upgrade, disable and uninstall apps.",
    ),
    "deliveries": ("deliveries", "What became of the notices to an app; have them told once more."),
    "remote": ("remote", "Offer apps that run on their vendors' machines."),
    "object": ("objections", "One person's objection to one app."),
    "restrict": ("objections", "No app is given anything about a person."),
    "why": ("objections", "Why an app is, or is not, given a detail about somebody."),
    "ledger": ("ledger", "What was given to whom; verify it, sign it."),
    "sweep": ("upkeep", "Do what is due: retention, sealing, unfinished forgetting."),
    "keys": ("upkeep", "List and rotate the host's keys."),
}


class Loading(TyperGroup):
    """Shows the commands from the table above, and puts the real one in its place when it is called."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name = args[0] if args else ""
        if name in COMMANDS:
            first, *_ = [import_module(f"assigntask.cli.{module}") for module in COMMANDS[name][0].split()]
            self.commands[name] = get_group(first.cli).commands[name]
        return super().resolve_command(ctx, args)


root = typer.Typer(
    cls=Loading,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@root.callback()
def _host(json_output: JsonOption = False, database: DatabaseOption = None) -> None:
    """AssignTask: a task tracker whose apps are given only what was granted, and only after it was recorded.

    PERSON is an e-mail address, a user name or an id.

    Without --database it is ASSIGNTASK_DATABASE, else a file in the folder data.
    """


def _not_loaded() -> None:
    raise AssertionError("resolve_command puts the real command in this one's place")


for _name, (_, _words) in COMMANDS.items():
    root.command(_name, help=_words)(_not_loaded)
