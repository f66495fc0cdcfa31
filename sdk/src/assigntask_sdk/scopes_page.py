"""The catalogue as a page for people, in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from .details import DETAILS, SCOPES, About, Detail, DetailClass, Scope, details_of

KINDS: Mapping[DetailClass, str] = {
    DetailClass.IDENTIFYING: "tells who somebody is. The ledger keeps the value that was given, sealed",
    DetailClass.BEHAVIOURAL: "tells what somebody does, and when",
    DetailClass.FREE_TEXT: "is written by people, and may name anyone. No scope can filter that",
    DetailClass.FILE: "is what a file holds",
    DetailClass.SIGNAL: "tells that somebody is here and does something now",
    DetailClass.PLAIN: "tells little about anybody by itself",
}
WHOM: Mapping[About, str] = {
    About.SELF: "the person",
    About.AUTHOR: "who wrote or added it",
    About.ASSIGNEE: "who is assigned",
    About.VIEWER: "who looks or acts",
    About.ANYONE: "may be anyone",
    About.NONE: "nobody",
}

_BEGINNING = """\
# Scopes and details

<!-- Written by `assigntask-sdk scopes --markdown`; change the catalogue, not this page. -->

A **scope** is what an admin grants to an app. It opens **details**, each one field of one kind of record, or it is a
**power**: it lets the app do something. What is not on this page can't leave the host. To an app a person is an id that
only this installation knows, unless one of the scopes `people:` is granted too.

An app gets a detail only within the projects that it was installed for, and nothing that goes with a person who
objected to it, is restricted, or was forgotten.
"""


def markdown() -> str:
    """The whole page, with a newline at its end."""
    reading = [scope for scope in SCOPES.values() if not scope.power]
    powers = [scope for scope in SCOPES.values() if scope.power]
    used = {detail.klass for detail in DETAILS.values()}
    parts = [
        _BEGINNING,
        "## Scopes that open details\n",
        _table(("scope", "lets an app", "opens"), (_scope(scope, _opened(scope)) for scope in reading)),
        "## Powers\n",
        _table(("scope", "lets an app"), (_scope(scope) for scope in powers)),
        "Scopes marked *admins* can be given by admins only, and not by a member who installs an app for themselves.\n",
        "## Details\n",
        "*About* says whom a detail tells something about. *Category* is a term of the W3C Data Privacy Vocabulary.\n",
        *_records(),
        "## Kinds of details\n",
        _table(("kind", "a detail of this kind"), ((kind.value, KINDS[kind]) for kind in DetailClass if kind in used)),
    ]
    return "\n".join(parts)


def _records() -> Iterable[str]:
    by_record: dict[str, list[Detail]] = {}
    for detail in DETAILS.values():
        by_record.setdefault(detail.record, []).append(detail)
    for record, details in by_record.items():
        yield f"### {record.capitalize()}\n"
        yield _table(
            ("detail", "scope", "the app gets", "kind", "about", "category"), (_detail(each) for each in details)
        )


def _scope(scope: Scope, *more: str) -> Sequence[str]:
    return (f"`{scope.name}`", f"{scope.words} *(admins)*" if scope.admin_only else scope.words, *more)


def _opened(scope: Scope) -> str:
    return ", ".join(f"`{name}`" for name in DETAILS if name in details_of([scope.name]))


def _detail(detail: Detail) -> Sequence[str]:
    category = f"`{detail.category}`" if detail.category else ""
    return (f"`{detail.name}`", f"`{detail.scope}`", detail.words, detail.klass.value, WHOM[detail.about], category)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
