"""The manifest as JSON Schema, for editors: names are completed and checked while typing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..details import DETAILS, SCOPES, STREAMED
from ..hooks import Hooks
from .model import Manifest


def json_schema() -> dict[str, Any]:
    """JSON Schema 2020-12. What depends on two keys at once (a detail's scope) only `parse` checks."""
    schema = Manifest.model_json_schema()
    properties, parts = schema["properties"], schema["$defs"]
    for kind in ("required", "optional"):
        reasons = parts["Scopes"]["properties"][kind]
        reason = reasons.pop("additionalProperties")
        reasons["properties"] = {name: {**reason, "description": scope.words} for name, scope in SCOPES.items()}
        reasons["additionalProperties"] = False
    properties["hooks"] = _object(
        {
            name: _details(
                [
                    detail.name
                    for detail in DETAILS.values()
                    if detail.record in spec.records and detail.name not in STREAMED
                ]
            )
            for name, spec in Hooks.all.items()
        }
    )
    personal = [detail.name for detail in DETAILS.values() if detail.record == "person"]
    properties["contacts"] = _object({name: _details(personal) for name in ("installer", "technical", "billing")})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "app.toml of an AssignTask app",
        "description": "What an app says of itself, what it asks for and why.",
    }


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": dict(properties), "additionalProperties": False, "default": {}}


def _details(names: list[str]) -> dict[str, Any]:
    if not names:
        return {"type": "array", "maxItems": 0}
    return {"type": "array", "items": {"enum": names}, "uniqueItems": True}
