"""The template of a request's route, told by whoever finds it to whoever measures the request."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

UNKNOWN = "unknown"
_SEEN = "assigntask.seen"


@dataclass(slots=True)
class Seen:
    """What became known of a request on its way. Shared by all copies of its scope."""

    route: str | None = None


def watch(scope: MutableMapping[str, Any]) -> Seen:
    """To be called before the request goes on its way."""
    seen = scope[_SEEN] = Seen()
    return seen


def name_route(scope: Mapping[str, Any], template: str) -> None:
    """Says which route it is. `template` has no value of the request in it. Nobody may be watching."""
    seen: Seen | None = scope.get(_SEEN)
    if seen is not None:
        seen.route = template


def route_of(scope: Mapping[str, Any], seen: Seen) -> str:
    """As it was named, or, of a page, as the framework left it in the scope: pages have no values in their paths."""
    if seen.route is not None:
        return seen.route
    if "endpoint" not in scope:
        return UNKNOWN
    mounted: str = scope.get("root_path", "")
    path: str = scope["path"]
    return mounted or (UNKNOWN if scope.get("path_params") else path)
