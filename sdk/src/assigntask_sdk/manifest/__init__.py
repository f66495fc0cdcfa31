"""`app.toml`: what an app says of itself, what it asks for and why."""

from .difference import Difference, compare, origins
from .model import Contact, Manifest, OAuth, Scopes, Setting, SettingValue, Vendor
from .problems import ManifestError, Problem
from .reading import load, parse
from .schema import json_schema

__all__ = [
    "Contact",
    "Difference",
    "Manifest",
    "ManifestError",
    "OAuth",
    "Problem",
    "Scopes",
    "Setting",
    "SettingValue",
    "Vendor",
    "compare",
    "json_schema",
    "load",
    "origins",
    "parse",
]
