"""What an installation was to be told, for an app that reads it instead of, or beside, being called."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Self

from pydantic import TypeAdapter

from .hooks import Hooks, Notice


@dataclass(frozen=True, slots=True)
class Event:
    """`ask` is what the hook would be given now. `position`: the place in the line. `at`: aware, in UTC."""

    id: str
    hook: str
    at: dt.datetime
    position: int
    ask: Notice

    def to_json(self) -> dict[str, Any]:
        ask = _adapter(self.hook).dump_python(self.ask, mode="json")
        return {"id": self.id, "hook": self.hook, "at": ask["at"], "position": self.position, "ask": ask}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self | None:
        """Takes what `to_json` wrote; None for a hook that this SDK does not know yet. Raises ValueError."""
        try:
            hook = str(body["hook"])
            if hook not in Hooks.all:
                return None
            ask: Notice = _adapter(hook).validate_python(body["ask"])
            return cls(str(body["id"]), hook, ask.at, int(body["position"]), ask)
        except (KeyError, TypeError) as error:
            raise ValueError(f"this is no event: {error!r}") from error


@dataclass(frozen=True, slots=True)
class EventPage:
    """`next` goes on behind the last one that was looked at, told or not: keep it. `more`: whether there was more."""

    items: tuple[Event, ...]
    next: str
    more: bool

    def to_json(self) -> dict[str, Any]:
        return {"items": [item.to_json() for item in self.items], "next": self.next, "more": self.more}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        """Takes what `to_json` wrote. Raises ValueError."""
        try:
            found = (Event.from_json(item) for item in body["items"])
            return cls(tuple(item for item in found if item is not None), str(body["next"]), bool(body["more"]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"this is no page of events: {error!r}") from error


@cache
def _adapter(hook: str) -> TypeAdapter[Any]:
    return TypeAdapter(Hooks.all[hook].ask)
