"""What needs no token: the OpenAPI document, the page that shows it, and the page's style sheet."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from pydantic_core import to_json

from assigntask_sdk.details import DETAILS, SCOPES
from assigntask_sdk.records import RECORDS

from . import conditions
from .openapi import document, headers, statuses, tag, tags
from .operation import Operation
from .problems import KINDS
from .replies import JSON, Header, Reply
from .requests import Heads, check_accept
from .routing import not_allowed
from .services import BASE

STYLE = Path(__file__).parent / "static" / "reference.css"
CACHE: Header = (b"cache-control", b"no-cache")
PAGE_HEADERS: tuple[Header, ...] = (
    (b"content-type", b"text/html; charset=utf-8"),
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
)


class Documents:
    """Made once for each address that the host goes by; they tell nothing of anybody."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._operations = operations
        self._made: dict[tuple[str, str], tuple[bytes, str]] = {}
        self._style = STYLE.read_bytes()

    def find(self, method: str, parts: Sequence[str], heads: Heads, base: str) -> Reply | None:
        """None where it is none of these. Raises Problem."""
        match tuple(parts):
            case ():
                name, media, given = "page", "text/html", PAGE_HEADERS
            case ("openapi.json",):
                name, media, given = "openapi", "application/json", (JSON,)
            case ("static", "reference.css"):
                name, media, given = "style", "text/css", ((b"content-type", b"text/css; charset=utf-8"),)
            case _:
                return None
        if method not in ("GET", "HEAD"):
            raise not_allowed({"GET": None})
        check_accept(heads.accept, media)
        body, tag = self._body(name, base)
        headers = [*given, (b"etag", f'"{tag}"'.encode())]
        if heads.if_none_match is not None and conditions.unchanged(heads.if_none_match, tag):
            return Reply(304, headers=headers[-1:], cache=CACHE)
        return Reply(200, body, headers, cache=CACHE)

    def _body(self, name: str, base: str) -> tuple[bytes, str]:
        known = self._made.get((name, base))
        if known is None:
            body = self._make(name, base)
            known = self._made[name, base] = (body, hashlib.sha256(body).hexdigest()[:32])
        return known

    def _make(self, name: str, base: str) -> bytes:
        if name == "style":
            return self._style
        if name == "openapi":
            return to_json(document(self._operations, base))
        return page(self._operations, base).encode()


def page(operations: Sequence[Operation], base: str) -> str:
    """The page of the API, as HTML. Pure but for the template."""
    environment = Environment(
        loader=PackageLoader("assigntask.api"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    groups = [(name, [each for each in operations if tag(each) == name]) for name in tags(operations)]
    records: list[tuple[str, list[Any]]] = [
        (kind, [detail for detail in DETAILS.values() if detail.record == kind]) for kind in RECORDS
    ]
    return environment.get_template("reference.html").render(
        base=base,
        path=BASE,
        groups=groups,
        records=[(kind, details) for kind, details in records if details],
        scopes=SCOPES,
        kinds=KINDS,
        headers=headers,
        statuses=statuses,
        fields_of=fields_of,
        example=example,
    )


def fields_of(operation: Operation) -> list[tuple[str, bool]]:
    """The fields of the body, and whether each has to be sent."""
    form = operation.form
    if form is None or form.model is None:
        return []
    return [(name, field.is_required()) for name, field in form.model.model_fields.items()]


def example(operation: Operation, base: str) -> str:
    """A request as curl sends it."""
    path = operation.path
    for name in operation.names:
        path = path.replace(f"{{{name}}}", name.upper())
    given = next((each.example for each in operation.query if "=" in each.example), "")
    lines = [f"curl {base}{path}{'?' + given if given else ''}", '  -H "Authorization: Bearer $TOKEN"']
    if operation.method not in ("GET", "POST"):
        lines.insert(1, f"  -X {operation.method}")
    form = operation.form
    if form is None and operation.method == "POST":
        lines.insert(1, "  -X POST")
    elif form is not None and form.model is None:
        lines += [f'  -H "Content-Type: {form.media[0]}"', "  --data-binary @plan.pdf"]
    elif form is not None:
        needed = [name for name, required in fields_of(operation) if required] or [fields_of(operation)[0][0]]
        body = ", ".join(f'"{name}": …' for name in needed)
        lines += [f'  -H "Content-Type: {form.media[0]}"', f"  -d '{{{body}}}'"]
    return " \\\n".join(lines)
