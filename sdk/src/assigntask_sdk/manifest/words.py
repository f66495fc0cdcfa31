"""What the manifest's keys are called and take, in words: the advice that its errors give."""

from __future__ import annotations

from collections.abc import Mapping

from .lines import KeyPath
from .model import Manifest, OAuth, Scopes, Setting, Vendor

_SETTING = frozenset(Setting.model_fields)

KEYS: Mapping[KeyPath, frozenset[str]] = {
    (): frozenset(Manifest.model_fields),
    ("vendor",): frozenset(Vendor.model_fields),
    ("scopes",): frozenset(Scopes.model_fields),
    ("oauth",): frozenset(OAuth.model_fields),
    ("settings", "*"): _SETTING,
    ("person_settings", "*"): _SETTING,
    ("contacts",): frozenset({"installer", "technical", "billing"}),
}

EXAMPLES: Mapping[str, str] = {
    "sdk": "sdk = 1",
    "id": 'id = "due-guard"',
    "name": 'name = "Due guard"',
    "version": 'version = "1.0.0"',
    "vendor": "a table [vendor] with name, contact, privacy and country",
    "vendor.name": 'name = "…", the publisher as a contract would name it',
    "vendor.contact": 'contact = "help@vendor.example", or an https address',
    "vendor.privacy": 'privacy = "https://vendor.example/privacy", the address of your privacy policy',
    "vendor.country": 'country = "NZ", the country by two letters (ISO 3166-1)',
    "settings.*.type": 'type = "text", "number", "check" or "choice"',
    "settings.*.label": 'label = "Days of grace", the words beside the field',
    "settings.*.default": "default = …, the value until somebody sets another",
    "person_settings.*.type": 'type = "text", "number", "check" or "choice"',
    "person_settings.*.label": 'label = "Days of grace", the words beside the field',
    "person_settings.*.default": "default = …, the value until somebody sets another",
}

_LINE = "characters of text in one line"

_SETTING_ADVICE = {
    "": "a table with type, label and default",
    ".type": '"text", "number", "check" or "choice"',
    ".label": f"1 to 80 {_LINE}",
    ".default": "text, a number, or true or false, as the type says",
    ".choices": f"a list of texts, each with 1 to 80 {_LINE}",
    ".help": f"1 to 300 {_LINE}",
}

ADVICE: Mapping[str, str] = {
    "sdk": "1, the only version of the contract that this SDK knows",
    "id": 'small letters, digits and hyphens, 2 to 39 of them, a letter first, for example "due-guard"',
    "name": f"1 to 60 {_LINE}",
    "version": 'three numbers, for example "1.2.0"',
    "module": 'the module inside your package that holds the hooks, for example "hooks"',
    "vendor": "a table [vendor] with name, contact, privacy and country",
    "vendor.name": f"1 to 80 {_LINE}",
    "vendor.contact": 'an e-mail address or an https address, for example "help@vendor.example"',
    "vendor.privacy": 'an https address, for example "https://vendor.example/privacy"',
    "vendor.country": 'two capital letters of ISO 3166-1, for example "NZ" (the United Kingdom is "GB")',
    "scopes": "tables [scopes.required] and [scopes.optional]",
    "scopes.required": 'a table of scopes with your reason, for example "tasks:read" = "to show what is due"',
    "scopes.optional": 'a table of scopes with your reason, for example "tasks:read" = "to show what is due"',
    "scopes.required.*": f"the reason why you need it, 1 to 200 {_LINE}: admins read it before they decide",
    "scopes.optional.*": f"the reason why you would like it, 1 to 200 {_LINE}: admins read it before they decide",
    "contacts": 'a table, for example installer = ["person.email"]',
    "contacts.*": 'a list of details, for example ["person.email"]',
    "hooks": 'a table, for example task_badges = ["task.due"]',
    "hooks.*": 'a list of details, for example ["task.due"], or [] where the hook needs none',
    "settings": "a table of settings, for example [settings.grace_days] with type, label and default",
    "person_settings": "a table of settings, for example [person_settings.grace_days] with type, label and default",
    "egress": 'a list of host names without scheme, port or path, for example ["api.vendor.example"]',
    "oauth": "a table [oauth], for an app that asks people for an authorization",
    "oauth.redirect_uris": "a list of addresses: https, or http://127.0.0.1 for a program on people's machines; no #",
    "oauth.jwks_uri": 'the https address of your public keys, for example "https://vendor.example/jwks.json"',
    "oauth.auth_method": '"client_secret_basic", "client_secret_post", "private_key_jwt" or "none"',
    "oauth.client_metadata": 'the https address of your client\'s metadata, for example "https://vendor.example/client"',
    "schedule": 'a table of at most 20 schedules, for example weekly = "30 6 * * mon"',
    "schedule.*": 'five fields in quotes, minute hour day month weekday, for example "30 6 * * mon"',
    "retention_days": "a whole number of days from 0 (wiped at once) to 3650",
    "in_order": "true (a notice waits until the one before it was told or given up) or false",
    "on_failure": '"allow" (a change passes unchecked while the app fails) or "refuse"',
    **{f"settings.*{key}": words for key, words in _SETTING_ADVICE.items()},
    **{f"person_settings.*{key}": words for key, words in _SETTING_ADVICE.items()},
}
