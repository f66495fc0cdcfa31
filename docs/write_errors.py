"""Writes `errors.md`: every code that the program can give, found by walking its source.

An error gets its code in one of three ways: as the argument `code` of a function or class, as the attribute `code` of a
class, or as the value of "code" beside a message in a dictionary or a tuple. The words are those of the program, with …
for what varies.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = (ROOT / "sdk/src/assigntask_sdk", ROOT / "core/src/assigntask")
PAGE = ROOT / "docs/errors.md"

AREAS: Sequence[tuple[str, tuple[str, ...]]] = (
    ("What apps meet", ("assigntask_sdk/errors.py",)),
    ("Writing an app", ("assigntask_sdk/", "assigntask/kit/")),
    ("Imports", ("assigntask/tasks/importers/",)),
    (
        "People, tasks and files",
        ("assigntask/people/", "assigntask/tasks/", "assigntask/actions/", "assigntask/files/", "assigntask/errors.py"),
    ),
    ("Installing and running apps", ("assigntask/installations/", "assigntask/hooks/", "assigntask/context/")),
    ("Apps outside the host", ("assigntask/delivery/", "assigntask/outgoing/")),
    ("Authorization", ("assigntask/oauth/",)),
    ("The API", ("assigntask/api/",)),
    ("Grants, ledger and keys", ("assigntask/grants/", "assigntask/gate/", "assigntask/ledger/")),
    ("Database", ("assigntask/db/",)),
    ("Terminal and pages", ("assigntask/cli/", "assigntask/web/", "assigntask/")),
)
NOT_ERRORS = frozenset({"Rule"})
"""What has a code and is no error: the rules that `assigntask why` names."""

CODE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
WORDS = ("message", "words", "detail")
"""What a parameter, or a member of a dictionary, is called that has the words to a code."""

SEVERAL_WORDS = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)+")

BEGINNING = """\
# Error codes

<!-- Written by `docs/write_errors.py` from the program's source; change the program, not this page. -->

Every error has a code that stays the same, and words that say what to do next. At the terminal it comes on stderr as
`error[code]: words`, with exit status 1; with `--json` as `{"error": {"code": …, "message": …}}`. Exit status 2 means
that the command was called wrongly, code `usage`. On a page the code stands under the words. In an answer of the API it
is `code`, beside the status; [the API](api.md#errors) lists which goes with which. In an app's Python code it is the
attribute `code` of the exception.

In the tables … stands for what varies.
"""


@dataclass(slots=True)
class Known:
    """A code, where it was found first, and the words that come with it."""

    area: int
    words: list[str] = field(default_factory=list)

    def add(self, words: str) -> None:
        if words and words not in self.words:
            self.words.append(words)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a callable takes its code, and where its words."""

    code: int
    words: int | None


def found() -> Mapping[str, Known]:
    """Every code, sorted."""
    modules = {
        source: {path: ast.parse(path.read_text("utf-8")) for path in sorted(source.rglob("*.py"))}
        for source in SOURCES
    }
    everywhere = _places(module for each in modules.values() for module in each.values())
    codes: dict[str, Known] = {}
    for own in modules.values():
        places = {**everywhere, **_places(own.values())}  # of two classes with one name, the nearer is meant
        for path, module in own.items():
            area = _area(path)
            for code, words in _codes(module, places):
                codes.setdefault(code, Known(area)).add(words)
                codes[code].area = min(codes[code].area, area)
            for code, title in _titles(module):
                if code in codes and not any(re.search(r"\w", words) for words in codes[code].words):
                    codes[code].words = [title]
    return dict(sorted(codes.items()))


def page() -> str:
    codes = found()
    parts = [BEGINNING]
    for number, (title, _) in enumerate(AREAS):
        rows = [(code, known) for code, known in codes.items() if known.area == number]
        lines = [f"| `{code}` | {_cell(known.words)} |" for code, known in rows]
        parts.append("\n".join([f"## {title}\n", "| code | words |", "| --- | --- |", *lines, ""]))
    return "\n".join(parts)


def _area(path: Path) -> int:
    name = path.relative_to(next(source.parent for source in SOURCES if path.is_relative_to(source))).as_posix()
    return next(number for number, (_, starts) in enumerate(AREAS) if name.startswith(starts))


def _cell(words: Sequence[str]) -> str:
    return " *or* ".join(each.replace("|", "\\|").replace("<", "&lt;").replace("``", "`") for each in words)


# Which callables take a code


def _places(modules: Iterable[ast.Module]) -> Mapping[str, Place]:
    """By name: functions and classes with a parameter `code`, and classes that inherit from these."""
    modules = list(modules)
    places: dict[str, Place] = {}
    bases: dict[str, list[str]] = {}
    for module in modules:
        for node in ast.walk(module):
            if isinstance(node, ast.FunctionDef) and node.name != "__init__":
                _note(places, node.name, [argument.arg for argument in node.args.args])
            elif isinstance(node, ast.ClassDef):
                bases[node.name] = [base.id for base in node.bases if isinstance(base, ast.Name)]
                _note(places, node.name, _parameters(node))
    for _ in range(3):  # as deep as the trees of errors are
        for name, above in bases.items():
            for base in above:
                if base in places and name not in places:
                    places[name] = places[base]
    return {name: place for name, place in places.items() if name not in NOT_ERRORS}


def _note(places: dict[str, Place], name: str, parameters: Sequence[str]) -> None:
    if "code" in parameters:
        words = next((parameters.index(each) for each in WORDS if each in parameters), None)
        places[name] = Place(parameters.index("code"), words)


def _parameters(node: ast.ClassDef) -> list[str]:
    for each in node.body:
        if isinstance(each, ast.FunctionDef) and each.name == "__init__":
            return [argument.arg for argument in each.args.args[1:]]
    fields = [
        each.target.id for each in node.body if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
    ]
    return [] if _attribute(node) else fields


# Where codes are


def _codes(module: ast.Module, places: Mapping[str, Place]) -> Iterator[tuple[str, str]]:
    described = _described(ast.get_docstring(module) or "")
    for node in ast.walk(module):
        if isinstance(node, ast.ClassDef):
            if code := _attribute(node):
                yield code, described.get(node.name) or _first_sentence(ast.get_docstring(node))
            if any(isinstance(base, ast.Name) and base.id in places for base in node.bases):
                yield from _own_init(node)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _called(node, places)
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript) and _ends(node, "Code"):
            yield from ((code, described.get(code, "")) for code in _literals(node.value.slice))
        elif isinstance(node, ast.Dict):
            keys = {key.value: value for key, value in zip(node.keys, node.values, strict=True)
                    if isinstance(key, ast.Constant)}  # fmt: skip
            words = next((keys[each] for each in WORDS if each in keys), None)
            if "code" in keys and words is not None:
                yield from ((code, _text(words, {})) for code in _literals(keys["code"]))
        elif isinstance(node, ast.Tuple) and len(node.elts) == 2:
            first, second = node.elts
            if _is_sentence(second):
                yield from ((code, _text(second, {})) for code in _literals(first) if SEVERAL_WORDS.fullmatch(code))


def _titles(module: ast.Module) -> Iterator[tuple[str, str]]:
    """What the API calls each kind of problem, whatever its words are."""
    for node in ast.walk(module):
        for key, value in zip(node.keys, node.values, strict=True) if isinstance(node, ast.Dict) else ():
            if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "Kind":
                yield from ((code, _text(value.args[1], {})) for code in _literals(key))


def _called(function: ast.FunctionDef | ast.AsyncFunctionDef, places: Mapping[str, Place]) -> Iterator[tuple[str, str]]:
    assigned = sorted(
        ((node.lineno, target.id, node.value) for node in ast.walk(function) if isinstance(node, ast.Assign)
         for target in node.targets if isinstance(target, ast.Name)),
        key=lambda each: each[0],
    )  # fmt: skip
    for node in ast.walk(function):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        place = places.get(name)
        if place is None:
            continue
        words = next(filter(None, (_argument(node, each, place.words) for each in WORDS)), None)
        local = {name: value for line, name, value in assigned if line < node.lineno}  # what it was set to last
        for code in _literals(_argument(node, "code", place.code)):
            yield code, "" if words is None else _text(words, local)


def _own_init(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    """A class that gives its base a code of its own, with words, or says in its docstring what it is about."""
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "__init__":
            words = _text(call.args[1], {}) if len(call.args) > 1 else ""
            for code in _literals(call.args[0] if call.args else None):
                yield code, words if re.search(r"\w", words) else _first_sentence(ast.get_docstring(node))


def _attribute(node: ast.ClassDef) -> str | None:
    """The code that stands in the body of the class."""
    for each in node.body:
        target = each.targets[0] if isinstance(each, ast.Assign) else getattr(each, "target", None)
        if isinstance(target, ast.Name) and target.id == "code" and isinstance(each, ast.Assign | ast.AnnAssign):
            return next(iter(_literals(each.value)), None)
    return None


def _ends(node: ast.Assign, end: str) -> bool:
    return isinstance(node.targets[0], ast.Name) and node.targets[0].id.endswith(end)


def _argument(call: ast.Call, name: str, place: int | None) -> ast.expr | None:
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    if place is None or not call.args:
        return None
    if any(isinstance(argument, ast.Starred) for argument in call.args[:place]):
        return call.args[-1]  # who can tell how many there are; words come last
    return call.args[place] if place < len(call.args) else None


def _literals(node: ast.expr | None) -> list[str]:
    """The codes that an expression can be."""
    match node:
        case ast.Constant(value=str(code)) if CODE.fullmatch(code):
            return [code]
        case ast.IfExp():
            return [*_literals(node.body), *_literals(node.orelse)]
        case ast.BoolOp():
            return [code for value in node.values for code in _literals(value)]
        case ast.Tuple():
            return [code for value in node.elts for code in _literals(value)]
        case _:
            return []


# What is said


def _text(node: ast.expr, local: Mapping[str, ast.expr]) -> str:
    return re.sub(r"…(\s*…)+", "…", " ".join(_said(node, local).split()))


def _said(node: ast.expr, local: Mapping[str, ast.expr]) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr():
            return "".join(_said(each, local) if isinstance(each, ast.Constant) else "…" for each in node.values)
        case ast.BinOp(op=ast.Add()):
            return _said(node.left, local) + _said(node.right, local)
        case ast.Name() if node.id in local:
            return _said(local[node.id], {})
        case _:
            return "…"


def _is_sentence(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.endswith(".")


def _first_sentence(docstring: str | None) -> str:
    return " ".join((docstring or "").split("\n\n")[0].split())


def _described(docstring: str) -> Mapping[str, str]:
    """What a module's tree of errors says of each: a name or a code, at least two spaces, words."""
    found: dict[str, str] = {}
    for line in docstring.splitlines():
        columns = [column.strip(" ├└│─") for column in re.split(r"\s{2,}", line)]
        names = [column for column in columns[:-1] if re.fullmatch(r"\w+", column)]
        for name in names:
            found[name] = columns[-1]
    return found


if __name__ == "__main__":
    written = page()
    if sys.argv[1:] == ["--print"]:
        sys.stdout.write(written)
    else:
        PAGE.write_text(written, "utf-8")
