"""What is wrong with a manifest that is valid TOML: pure functions over the parsed tables.

They look at the raw tables, not at the model, so that one wrong value doesn't hide the others.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ..details import DETAILS, SCOPES, STREAMED, nearest
from ..hooks import Hooks
from .cron import why_not
from .lines import KeyPath
from .model import Manifest, Setting
from .words import ADVICE, EXAMPLES, KEYS

LATER_KEYS = frozenset({"accounts", "attach", "suggest", "pages"})
LATER_SCOPES = frozenset({"access:limit", "notices:send", "accounts:token"})
LATER_HOOKS = frozenset(
    {
        "form_submitted", "attachment_search", "attachment_preview", "content", "people_suggested", "access_rules",
        "sync", "page", "incoming", "account_changed",
    }
)  # fmt: skip
MAX_FINDINGS = 100  # finding the nearest name takes time, and nobody reads more
SETTING_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


@dataclass(frozen=True, slots=True)
class Finding:
    code: str
    path: KeyPath
    message: str


def findings(raw: Mapping[str, Any]) -> list[Finding]:
    """Everything that is wrong, each thing once; of more than a hundred things the first hundred."""
    parts = (_structure, _scopes, _hooks, _contacts, _oauth, _settings, _schedule)
    checks = chain.from_iterable(part(raw) for part in parts)
    found = islice(checks, MAX_FINDINGS)
    return list({(finding.code, finding.path, finding.message): finding for finding in found}.values())


def _table(raw: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    """The table at the path, empty where there is none or where something else stands."""
    here: Any = raw
    for key in path:
        here = here.get(key) if isinstance(here, Mapping) else None
    return here if isinstance(here, Mapping) else {}


def _names(value: Any) -> Iterator[str]:
    """The strings of a list; whatever else is there, `_structure` reports."""
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, str))


def _meant(name: str, known: Iterable[str]) -> str:
    """`; write "x"` with the nearest known name, or all names where none is near."""
    known = list(known)
    near = nearest(name, known)
    return f'write "{near}"' if near else "the known ones are " + ", ".join(sorted(known))


# --- the shape -------------------------------------------------------------------------------------------------


def _structure(raw: Mapping[str, Any]) -> Iterator[Finding]:
    try:
        Manifest.model_validate(raw)
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_context=False):
            finding = _from_pydantic(detail)
            if finding is not None:
                yield finding


def _from_pydantic(detail: ErrorDetails) -> Finding | None:
    parts = [part for part in detail["loc"] if isinstance(part, str)]
    if parts[-1:] == ["[key]"]:
        return None  # contacts' names: `_contacts` says which ones there are
    if len(parts) > 2 and parts[0] in ("settings", "person_settings"):
        parts = parts[:3]  # behind it pydantic names the members of a union
    path = tuple(parts)
    dotted = ".".join(path)
    pattern = _pattern(path)
    if detail["type"] == "extra_forbidden":
        if dotted in LATER_KEYS:
            return Finding("manifest_not_yet", path, "arrives in a later SDK: leave it out for sdk = 1")
        return Finding("manifest_unknown_key", path, "there is no such key; " + _meant(path[-1], KEYS[pattern[:-1]]))
    if detail["type"] == "missing":
        return Finding("manifest_missing", path, f"is missing: write {EXAMPLES['.'.join(pattern)]}")
    advice = ADVICE.get(".".join(pattern)) or f"{detail['msg']}; see the manifest's schema"
    return Finding("manifest_value", path, f"{_shown(detail['input'])} can't be taken: write {advice}")


def _pattern(path: KeyPath) -> KeyPath:
    """The path with names that the vendor chooses as `*`."""
    free = {"settings": 1, "person_settings": 1, "schedule": 1, "hooks": 1, "contacts": 1, "scopes": 2}.get(path[0])
    return tuple("*" if index == free else part for index, part in enumerate(path))


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str)  # ASCII, so that odd characters are visible
    return text if len(text) <= 60 else f"{text[:57]}…"


# --- what depends on the catalogue -----------------------------------------------------------------------------


def _requested(raw: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(_table(raw, "scopes", "required")) | frozenset(_table(raw, "scopes", "optional"))


def _scopes(raw: Mapping[str, Any]) -> Iterator[Finding]:
    for kind in ("required", "optional"):
        for scope in _table(raw, "scopes", kind):
            path = ("scopes", kind, scope)
            if scope in LATER_SCOPES:
                yield Finding("manifest_not_yet", path, "arrives in a later SDK: leave it out for sdk = 1")
            elif scope not in SCOPES:
                yield Finding("manifest_unknown_scope", path, "there is no such scope; " + _meant(scope, SCOPES))
    for scope in sorted(set(_table(raw, "scopes", "required")) & set(_table(raw, "scopes", "optional"))):
        yield Finding(
            "manifest_value",
            ("scopes", "optional", scope),
            "is required and optional at once: leave it out here, or under [scopes.required]",
        )


def _hooks(raw: Mapping[str, Any]) -> Iterator[Finding]:
    requested = _requested(raw)
    for name, wanted in _table(raw, "hooks").items():
        path = ("hooks", name)
        spec = Hooks.all.get(name)
        if name in LATER_HOOKS:
            yield Finding("manifest_not_yet", path, "arrives in a later SDK: leave it out for sdk = 1")
        elif spec is None:
            yield Finding("manifest_unknown_hook", path, "there is no such hook; " + _meant(name, Hooks.all))
        else:
            if name == "task_saving" and "tasks:guard" not in requested:
                yield Finding("manifest_scope_missing", path, "needs the scope tasks:guard under [scopes]")
            for detail in _names(wanted):
                yield from _hook_detail(path, detail, spec.records, requested)


def _hook_detail(path: KeyPath, name: str, records: frozenset[str], requested: frozenset[str]) -> Iterator[Finding]:
    detail = DETAILS.get(name)
    carried = [known.name for known in DETAILS.values() if known.record in records and known.name not in STREAMED]
    if detail is None:
        yield Finding("manifest_unknown_detail", path, f"there is no detail {_shown(name)}; {_meant(name, carried)}")
    elif name in STREAMED:
        message = f"no hook carries {name}: leave it out here, and read it with ctx.attachments.content"
        yield Finding("manifest_unknown_detail", path, message)
    elif detail.record not in records:
        holds = "records of: " + ", ".join(sorted(records)) if records else "no details: write []"
        yield Finding("manifest_unknown_detail", path, f"this hook doesn't carry {name}; it carries {holds}")
    elif detail.scope not in requested:
        yield Finding("manifest_scope_missing", path, f"{name} needs the scope {detail.scope} under [scopes]")


def _contacts(raw: Mapping[str, Any]) -> Iterator[Finding]:
    personal = [detail.name for detail in DETAILS.values() if detail.record == "person"]
    for contact, wanted in _table(raw, "contacts").items():
        path = ("contacts", contact)
        known = KEYS[("contacts",)]
        if contact not in known:
            message = "there is no such contact; the known ones are " + ", ".join(sorted(known))
            yield Finding("manifest_unknown_key", path, message)
        for name in _names(wanted):
            if name not in DETAILS:
                message = f"there is no detail {_shown(name)}; {_meant(name, personal)}"
                yield Finding("manifest_unknown_detail", path, message)
            elif name not in personal:
                message = f"a contact has details of a person, not {name}; {_meant(name, personal)}"
                yield Finding("manifest_value", path, message)


def _oauth(raw: Mapping[str, Any]) -> Iterator[Finding]:
    oauth = _table(raw, "oauth")
    path = ("oauth",)
    if oauth.get("auth_method") == "private_key_jwt" and "jwks_uri" not in oauth:
        message = 'is missing: write jwks_uri = "https://…", where the host finds the keys that you sign with'
        yield Finding("manifest_missing", (*path, "jwks_uri"), message)
    elif "jwks_uri" in oauth and oauth.get("auth_method") != "private_key_jwt":
        yield Finding("manifest_value", (*path, "jwks_uri"), 'goes with auth_method = "private_key_jwt"')
    metadata = oauth.get("client_metadata")
    if isinstance(metadata, str) and _is_no_document(metadata):
        message = f"{_shown(metadata)} can't be taken: the address has a path, and no query, no # and no . or .. in it"
        yield Finding("manifest_value", (*path, "client_metadata"), message)


def _is_no_document(address: str) -> bool:
    """As the draft on client id metadata documents says of their addresses."""
    path = address.removeprefix("https://").partition("/")[2]
    return not path or bool({"?", "#"} & set(address)) or bool({".", ".."} & set(path.split("/")))


def _settings(raw: Mapping[str, Any]) -> Iterator[Finding]:
    for table in ("settings", "person_settings"):
        for name, written in _table(raw, table).items():
            path = (table, name)
            if not SETTING_NAME.fullmatch(name):
                message = "a setting's name has small letters, digits and underscores, at most 40, and a letter first"
                yield Finding("manifest_value", path, message)
            try:
                setting = Setting.model_validate(written)
            except ValidationError:
                continue  # `_structure` reports it
            if setting.type == "choice" and not setting.choices:
                yield Finding("manifest_missing", (*path, "choices"), 'is missing: write choices = ["first", "second"]')
            elif setting.type != "choice" and setting.choices:
                message = f'goes with type = "choice", not "{setting.type}"'
                yield Finding("manifest_value", (*path, "choices"), message)
            elif (why_not := setting.why_not(setting.default)) is not None:
                message = f'{_shown(setting.default)} does not go with type = "{setting.type}": {why_not}'
                yield Finding("manifest_value", (*path, "default"), message)


def _schedule(raw: Mapping[str, Any]) -> Iterator[Finding]:
    schedule, hooks = _table(raw, "schedule"), _table(raw, "hooks")
    for name, written in schedule.items():
        path = ("schedule", name)
        if not SETTING_NAME.fullmatch(name):
            message = "a schedule's name has small letters, digits and underscores, at most 40, and a letter first"
            yield Finding("manifest_value", path, message)
        if isinstance(written, str) and (why := why_not(written)) is not None:
            yield Finding("manifest_value", path, f"{_shown(written)} can't be taken: {why}")
    if schedule and "scheduled" not in hooks:
        message = "nothing is called for it: write scheduled = [] under [hooks], and the hook of that name"
        yield Finding("manifest_missing", ("schedule",), message)
    elif "scheduled" in hooks and not schedule:
        message = 'is never called: write when under [schedule], for example weekly = "30 6 * * mon"'
        yield Finding("manifest_missing", ("hooks", "scheduled"), message)
