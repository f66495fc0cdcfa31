"""There is one door: what the source of the host may and may not do, so that nothing leaves beside it."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

import assigntask
from assigntask.gate.gate import Gate
from assigntask.gate.released import Released
from assigntask.ledger.channel import Channel
from assigntask_sdk.records import RECORDS

SOURCE = Path(assigntask.__file__).parent
GATE = {"gate/gate.py", "gate/projection.py", "gate/released.py"}
RECORD_NAMES = {record.__name__ for record in RECORDS.values()}
ALWAYS = {"id", "version", "withheld"}  # of a record that has no detail in it


def trees() -> dict[str, ast.Module]:
    files = sorted(SOURCE.rglob("*.py"))
    return {path.relative_to(SOURCE).as_posix(): ast.parse(path.read_text(), str(path)) for path in files}


TREES = trees()


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def called(call: ast.Call) -> str:
    """The last name of what is called: `release` for `self._gate.release(…)`."""
    function = call.func
    return (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def innermost(tree: ast.AST, call: ast.Call) -> ast.FunctionDef | ast.AsyncFunctionDef:
    around = [each for each in functions(tree) if call in ast.walk(each)]
    return max(around, key=lambda each: each.lineno)


def takes(function: ast.FunctionDef | ast.AsyncFunctionDef, annotation: str) -> bool:
    arguments = (*function.args.args, *function.args.kwonlyargs)
    return any(each.annotation is not None and ast.unparse(each.annotation) == annotation for each in arguments)


def found(name: str) -> list[tuple[str, ast.Module, ast.Call]]:
    return [(file, tree, call) for file, tree in TREES.items() for call in calls(tree) if called(call) == name]


def gate_releases() -> list[tuple[str, ast.Call]]:
    """Calls of the gate itself, whatever it is called there; parts of ctx have a `release` that leads to one."""
    return [(file, call) for file, _, call in found("release") if "gate" in ast.unparse(call.func).lower()]


def test_only_the_gate_can_make_what_it_released() -> None:
    with pytest.raises(TypeError):
        Released({}, frozenset(), None, "installation", "api", door=object())
    with pytest.raises(TypeError):
        Released({}, frozenset(), None, "installation", "api")  # type: ignore[call-arg]


def test_only_the_gate_has_the_key_to_its_door() -> None:
    users = {file for file, tree in TREES.items() if "_DOOR" in ast.unparse(tree)}
    assert users == {"gate/gate.py", "gate/released.py"}
    assert {file for file, _, _ in found("Released")} == {"gate/gate.py"}


def records_of_the_sdk(tree: ast.Module) -> set[str]:
    """The SDK's records that a module imports; the importers have classes of their own by such names."""
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    ours = [each for each in imports if each.module in ("assigntask_sdk", "assigntask_sdk.records")]
    assert all(alias.asname is None for each in ours for alias in each.names), "records keep their names"
    return {alias.name for each in ours for alias in each.names} & RECORD_NAMES


def test_only_the_gate_makes_records_with_details() -> None:
    for name in sorted(RECORD_NAMES):
        for file, tree, call in found(name):
            if file in GATE or name not in records_of_the_sdk(tree):
                continue
            (fields,) = call.args
            assert isinstance(fields, ast.Dict), f"{file}: {name} is made of more than is plain to see"
            named = {key.value if isinstance(key, ast.Constant) else "?" for key in fields.keys}
            assert named <= ALWAYS, f"{file}: {name} is made with {sorted(map(str, named - ALWAYS))} beside the gate"
    for file, tree in TREES.items():
        assert file in GATE or "RECORDS[" not in ast.unparse(tree), f"{file} makes records beside the gate"


def test_every_release_names_its_channel() -> None:
    releases = gate_releases()
    assert len(releases) >= 3, "the gate is asked by ctx, by questions and by notices at least"
    for file, call in releases:
        (channel,) = [keyword.value for keyword in call.keywords if keyword.arg == "channel"]
        assert isinstance(channel, ast.Attribute), f"{file}: no channel is named"
        if channel.attr == "channel":  # carried by a class whose field is a Channel
            assert "channel: Channel" in "".join(map(ast.unparse, TREES.values()))
        else:
            assert ast.unparse(channel.value) == "Channel", f"{file}: {ast.unparse(channel)}"
            assert channel.attr in Channel.__members__


def test_every_channel_that_is_named_is_one() -> None:
    named = {
        node.attr
        for tree in TREES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "Channel"
    }
    assert named <= set(Channel.__members__)
    assert {"INSTALL", "API", "QUESTION", "NOTICE"} <= named


def test_the_ways_out_are_all_there() -> None:
    assert {channel.value for channel in Channel} == {
        "install",
        "api",
        "question",
        "notice",
        "webhook",
        "form",
        "file",
        "account call",
        "feed",
        "export",
        "embed",
        "error",
        "log",
    }


def test_a_release_without_a_channel_is_no_release() -> None:
    channel = inspect.signature(Gate.release).parameters["channel"]
    assert channel.default is inspect.Parameter.empty
    assert channel.annotation == "Channel"


def test_an_app_is_called_in_one_place_and_only_with_what_was_released() -> None:
    """`implementation` is how the host gets at an app's function, `spec.ask` makes what it is asked."""
    asking = [(file, ast.unparse(call.func)) for file, _, call in found("implementation")]
    assert {file for file, call in asking if not call.startswith("super()")} == {"hooks/proxy.py"}
    makers = [(file, tree, call) for file, tree, call in found("ask") if ast.unparse(call.func) == "spec.ask"]
    assert [file for file, _, _ in makers] == ["hooks/proxy.py"]
    for _, tree, call in makers:
        assert takes(innermost(tree, call), "Released")


def test_a_call_of_an_app_refuses_what_did_not_come_through_the_gate() -> None:
    """In the one place where an app is asked, what was released is checked to be just that."""
    tree = TREES["hooks/proxy.py"]
    checking = [f for f in functions(tree) if "isinstance(released, Released)" in ast.unparse(f)]
    assert checking, "nobody checks"
    names = {f.name for f in checking}
    (asking,) = [innermost(tree, call) for call in calls(tree) if ast.unparse(call.func) == "spec.ask"]
    assert {called(call) for call in calls(asking)} & names
