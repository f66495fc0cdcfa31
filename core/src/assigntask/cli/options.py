"""The options and arguments that several commands share. Loads nothing but typer."""

from __future__ import annotations

from typing import Annotated

import typer

JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document and nothing else; errors are JSON too.")
]
DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        help="sqlite:///FILE or postgresql://USER@HOST/NAME. Without it: ASSIGNTASK_DATABASE, else data/assigntask.db.",
        show_default=False,
    ),
]
OrganisationOption = Annotated[
    str | None,
    typer.Option(
        "--organisation",
        metavar="O",
        help="Name or id. May be left out where the host has exactly one.",
        show_default=False,
    ),
]
AsOption = Annotated[
    str | None,
    typer.Option(
        "--as",
        metavar="PERSON",
        help="On whose behalf, and with whose rights. Left out: the operator's own, who may do what an admin may, "
        "on nobody's behalf.",
        show_default=False,
    ),
]
RequiredAsOption = Annotated[
    str, typer.Option("--as", metavar="PERSON", help="On whose behalf, and with whose rights.", show_default=False)
]
DataOption = Annotated[
    str | None,
    typer.Option("--data", metavar="FOLDER", help="Where database and keys are kept.", show_default=False),
]

DevOption = Annotated[
    bool, typer.Option("--dev", help="Let this host ask apps on this machine, over http too: while you develop one.")
]

PersonArgument = Annotated[
    str, typer.Argument(metavar="PERSON", help="An e-mail address, a user name or an id.", show_default=False)
]
AppArgument = Annotated[str, typer.Argument(metavar="APP", help="The app's id.", show_default=False)]
TaskArgument = Annotated[
    str, typer.Argument(metavar="ID", help="A task's number (12 or #12) or id.", show_default=False)
]


def group(words: str) -> typer.Typer:
    """A group of commands that takes --json and --database itself too."""
    made = typer.Typer(help=words, no_args_is_help=True)

    @made.callback()
    def _group(json_output: JsonOption = False, database: DatabaseOption = None) -> None:
        pass

    return made
