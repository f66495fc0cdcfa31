"""JSON schemas of what is answered, made of the types themselves and the catalogue. Pure."""

from __future__ import annotations

import dataclasses
import datetime as dt
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NewType, Union, get_args, get_origin, get_type_hints

from assigntask_sdk.details import DETAILS
from assigntask_sdk.events import Event
from assigntask_sdk.hooks import Hooks, Notice
from assigntask_sdk.records import Person, Record

from .bodies import Body

Schema = dict[str, Any]
COMPONENTS = "#/components/schemas/"

_PLAIN: Mapping[Any, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    dt.date: {"type": "string", "format": "date"},
    dt.datetime: {"type": "string", "format": "date-time"},
    type(None): {"type": "null"},
    Any: {},
    object: {},
}


class Schemas:
    """Gives the schema of a type; what has a name stands once in `components`."""

    def __init__(self) -> None:
        self.components: dict[str, Schema] = {}
        self._types: dict[str, type[Any]] = {}

    def of(self, hint: Any) -> Schema:
        """Raises TypeError for a type that no answer holds yet."""
        if isinstance(hint, NewType):
            return self.of(hint.__supertype__)
        if hint in _PLAIN:
            return dict(_PLAIN[hint])
        if hint is Notice:
            return {"anyOf": [self.of(spec.ask) for spec in Hooks.all.values() if issubclass(spec.ask, Notice)]}
        if isinstance(hint, type) and issubclass(hint, Record):
            return self._named(hint, lambda: self._record(hint))
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            return self._named(hint, lambda: self._dataclass(hint))
        return self._generic(hint)

    def _generic(self, hint: Any) -> Schema:
        origin, arguments = get_origin(hint), get_args(hint)
        if origin is Literal:
            return {"enum": list(arguments)}
        if origin in (Union, types.UnionType):
            return {"anyOf": [self.of(each) for each in arguments]}
        if origin in (tuple, list, frozenset, Sequence):
            return {"type": "array", "items": self.of(arguments[0])}
        if origin in (dict, Mapping):
            return {"type": "object", "additionalProperties": self.of(arguments[1])}
        raise TypeError(f"no schema for {hint!r}")

    def page_of(self, hint: Any) -> Schema:
        following = {"type": ["string", "null"], "description": "Goes on behind this page; null: there is no more."}
        items = {"type": "array", "items": self.of(hint)}
        return _object({"items": items, "next": following}, ["items", "next"])

    def body(self, model: type[Body]) -> Schema:
        """Of what is sent. What it names has the ending `Input`: it may leave out what an answer always has."""

        def made() -> Schema:
            schema = model.model_json_schema(ref_template=f"{COMPONENTS}{{model}}Input")
            for name, part in schema.pop("$defs", {}).items():
                self.components[f"{name}Input"] = part
            return schema

        return self._named(model, made)

    def _named(self, kind: type[Any], made: Callable[[], Schema]) -> Schema:
        name = kind.__name__
        if self._types.setdefault(name, kind) is not kind:
            raise TypeError(f"two types are called {name}")
        if name not in self.components:
            self.components[name] = {}  # records name each other
            self.components[name] = made()
        return {"$ref": f"{COMPONENTS}{name}"}

    def _record(self, kind: type[Record]) -> Schema:
        properties = {name: self._field(kind, name, hint) for name, hint in kind.fields().items()}
        words = f"{(kind.__doc__ or kind.__name__).strip()} A field whose scope is missing is absent."
        required = ["withheld"] if kind is Person else ["id", "version"]
        return _object(properties, required) | {"description": words}

    def _field(self, kind: type[Record], name: str, hint: Any) -> Schema:
        schema = self.of(hint)
        detail = DETAILS.get(f"{kind.kind}.{name}")
        if detail is None:
            return schema
        return {**schema, "description": _sentence(detail.words), "x-detail": detail.name, "x-scope": detail.scope}

    def _dataclass(self, kind: type[Any]) -> Schema:
        hints = get_type_hints(kind)
        ours = not kind.__module__.startswith("assigntask_sdk")
        properties: dict[str, Schema] = {}
        required: list[str] = []
        for each in dataclasses.fields(kind):
            properties[each.name] = self.of(hints[each.name])
            if not ours or each.default is dataclasses.MISSING:
                required.append(each.name)
        made = _object(properties, required)
        if kind is Event:
            made["properties"]["hook"] = {"enum": sorted(name for name, spec in Hooks.all.items() if _told(spec.ask))}
        return made


def _told(ask: type[Any]) -> bool:
    return issubclass(ask, Notice)


def _object(properties: Mapping[str, Schema], required: Sequence[str]) -> Schema:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
    }


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."
