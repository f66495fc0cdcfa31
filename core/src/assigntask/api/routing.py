"""Which operation answers a request. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .operation import Operation
from .problems import Problem


@dataclass(slots=True)
class _Node:
    """One part of a path: what may follow by name, what may follow with any value, and what answers here."""

    named: dict[str, _Node] = field(default_factory=dict)
    any: _Node | None = None
    methods: dict[str, Operation] = field(default_factory=dict)


class Routes:
    """A path that stands in the list by name goes before one with a value. HEAD is answered as GET."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._root = _Node()
        for operation in operations:
            node = self._root
            for part in operation.segments:
                if part.startswith("{"):
                    node.any = node.any or _Node()
                    node = node.any
                else:
                    node = node.named.setdefault(part, _Node())
            node.methods[operation.method] = operation

    def find(self, method: str, parts: Sequence[str]) -> tuple[Operation, Mapping[str, str]]:
        """The operation, and what stands in the path. Raises Problem."""
        node = self._root
        values: list[str] = []
        for part in parts:
            following = node.named.get(part)
            if following is None:
                following = node.any if part else None
                values.append(part)
            if following is None:
                raise unknown()
            node = following
        if not node.methods:
            raise unknown()
        operation = node.methods.get("GET" if method == "HEAD" else method)
        if operation is None:
            raise not_allowed(node.methods)
        return operation, dict(zip(operation.names, values, strict=True))


def unknown() -> Problem:
    return Problem("route_unknown", "There is nothing at this address. The page of the API lists what there is.")


def not_allowed(methods: Mapping[str, object]) -> Problem:
    allowed = sorted({*methods} | ({"HEAD"} if "GET" in methods else set()))
    words = f"This address takes {', '.join(allowed)}."
    return Problem("method_not_allowed", words, headers=((b"allow", ", ".join(allowed).encode()),))
