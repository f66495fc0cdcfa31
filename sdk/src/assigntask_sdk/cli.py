"""The command `assigntask-sdk`: start an app, check it, serve it, print the manifest's schema and the catalogue.

Exit status: 0 done, 1 there are problems, 2 the command was called wrongly.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.text import Text

from . import scopes_page
from .apps import AppBroken
from .checking import Checked, asks
from .checking import check as check_app
from .checking import scopes as scopes_of
from .details import DETAILS, SCOPES, details_of
from .manifest import Manifest, json_schema
from .new import NotWritten, write_app

app = typer.Typer(
    name="assigntask-sdk",
    help="Write apps for AssignTask.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

_OUT = Console(highlight=False, markup=False, soft_wrap=True)


@app.command()
def new(
    name: Annotated[str, typer.Argument(help='The app\'s id, for example "due-guard".')],
    directory: Annotated[
        Path | None, typer.Option(help="Where to write it; left out, a folder of that name here.", show_default=False)
    ] = None,
) -> None:
    """Write a small app that works: it refuses tasks without a due date. Its test passes as written."""
    target = directory if directory is not None else Path(name)
    try:
        written = write_app(name, target)
    except NotWritten as error:
        _fail(error.code, error.message, status=2 if error.code == "bad_name" else 1)
    for path in written:
        _OUT.print(str(path))
    python = shlex.quote(sys.executable)
    _OUT.print(
        f"\nNext:\n  cd {shlex.quote(str(target))}\n  {python} -m pytest\n"
        f"  {python} -m assigntask_sdk.cli check\n"
        f"and, for a host to find it:\n  {python} -m pip install --no-deps -e ."
    )


@app.command()
def check(
    path: Annotated[Path, typer.Argument(help="The app's project, or its package.")] = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of text.")] = False,
) -> None:
    """Check manifest, hooks and signatures, say what the app asks an admin for, and what its tests needed of that."""
    checked = check_app(path)
    if as_json:
        typer.echo(json.dumps(checked.to_json(), indent=2, ensure_ascii=False))
    else:
        _print(checked)
    if checked.problems:
        raise typer.Exit(1)


@app.command()
def serve(
    hosts: Annotated[
        list[str],
        typer.Option("--host", metavar="URL", help="A host to take credentials from; may be given several times."),
    ],
    path: Annotated[Path, typer.Argument(help="The app's project, or its package.")] = Path(),
    listen: Annotated[str, typer.Option(help="The address to serve at, on this machine.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 8100,
    store: Annotated[
        Path | None,
        typer.Option(help="The file for credentials; left out, one in ~/.local/state.", show_default=False),
    ] = None,
    dev: Annotated[bool, typer.Option("--dev", help="Hosts on this machine by http; tracebacks in the log.")] = False,
    connect: Annotated[
        bool, typer.Option("--connect", help="Dial in to the host, so that it need not reach this machine.")
    ] = False,
    key_file: Annotated[
        Path | None,
        typer.Option(
            help="The file that holds the host's connection key, for --connect; left out, ASSIGNTASK_CONNECT_KEY.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document, then log lines in JSON.")] = False,
) -> None:
    """Run the app as a service of its own, until Ctrl-C. Nothing in the app changes for it."""

    def show(facts: dict[str, Any], lines: Sequence[str]) -> None:
        typer.echo(json.dumps(facts, indent=2) if as_json else "\n".join(lines))

    try:
        running = import_module("assigntask_sdk.serving.running")
    except ModuleNotFoundError as error:
        _fail("extra_missing", f"Serving needs {error.name}: pip install 'assigntask-sdk[remote]'", status=1)
    wanted = running.Wanted(path, hosts, listen, port, store, dev, connect, key_file, as_json)
    try:
        running.run(wanted, show)
    except (AppBroken, running.ServingError) as error:
        if as_json:
            typer.echo(json.dumps({"error": {"code": error.code, "message": error.message}}), err=True)
            raise typer.Exit(1) from None
        _fail(error.code, error.message, status=1)


@app.command()
def schema() -> None:
    """Print the JSON Schema of app.toml, for editors."""
    typer.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))


@app.command()
def scopes(
    as_markdown: Annotated[bool, typer.Option("--markdown", help="As the page of the documents.")] = False,
) -> None:
    """Print the catalogue: the scopes that an admin can grant, and the details that each opens."""
    if as_markdown:
        typer.echo(scopes_page.markdown(), nl=False)
    else:
        for name, scope in SCOPES.items():
            _OUT.print(f"{name}{' (a power)' if scope.power else ''}: {scope.words}")
            for detail in sorted(details_of([name])):
                _OUT.print(f"    {detail}: {DETAILS[detail].words}")


def main() -> None:
    app()


def _fail(code: str, message: str, *, status: int) -> NoReturn:
    typer.echo(f"{message} [{code}]", err=True)
    raise typer.Exit(status)


def _print(checked: Checked) -> None:
    for problem in checked.problems:
        _OUT.print(Text.assemble(str(problem), (f" [{problem.code}]", "dim")))
    if checked.cause is not None:
        _OUT.print(Text(f"  {checked.cause}", "dim"))
    if checked.problems:
        _OUT.print(f"\n{_count(len(checked.problems), 'problem')}.")
        return
    if checked.manifest is not None:
        _print_asks(checked.manifest)
        _print_scopes(scopes_of(checked.manifest, checked.recorded))


def _print_asks(manifest: Manifest) -> None:
    """What the consent page would say, less the real values."""
    _OUT.print(Text(f"{manifest.name} {manifest.version} ({manifest.id}): no problems.", "bold"))
    wants = asks(manifest)
    for kind, title in (("required", "It needs to"), ("optional", "An admin may also let it")):
        for name, scope in wants[kind].items():
            power = ", a power" if scope["power"] else ""
            _OUT.print(f"{title}: {scope['words']} ({name}{power})\n    because: {scope['reason']}")
    for hook, details in wants["by_hook"].items():
        words = ", ".join(wants["details"][detail] for detail in details) or "nothing but ids"
        _OUT.print(f"For {hook} it gets: {words}")
    for contact, details in wants["contacts"].items():
        _OUT.print(f"From the {contact} contact it asks for: {', '.join(details.values())}")
    _OUT.print(f"It connects to: {', '.join(wants['egress']) or 'nothing outside'}")
    _OUT.print(f"Its storage is kept for {_count(wants['retention_days'], 'day')} after it is uninstalled.")


def _print_scopes(found: dict[str, Any]) -> None:
    """What the tests that ran last say about the scopes."""
    if not found["tests"]:
        _OUT.print("Run its tests, and this says which of the scopes they needed.")
        return
    for name in found["not_asked_for"]:
        _OUT.print(f"A test needed {name}, which app.toml does not ask for: ask for it, or do without.")
    for name in found["never_needed"]:
        _OUT.print(f"No test needed {name}, which app.toml asks for: leave it out, or test what it is for.")
    if not found["not_asked_for"] and not found["never_needed"]:
        _OUT.print(f"Its tests ({found['tests']}) needed each of these scopes, and no other.")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


if __name__ == "__main__":
    main()
