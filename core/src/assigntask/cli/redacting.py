"""What may stand in a line of the log: no secret, and nothing that says who somebody is or what they wrote. Pure.

What the host writes down is names, codes, ids and numbers. This is the second wall behind that, for the day on which
somebody gives a log call more than it should have: keys that are known to hold such things are emptied, what looks
like a secret or an address is cut out, and text in sentences is kept under no key but a few.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from typing import Any

from assigntask.db.ids import is_id

WITHHELD = "[withheld]"
MAX_TEXT = 300
MAX_ITEMS = 30

_DENIED = re.compile(
    "secrets?|password|passwd|passphrase|tokens?|bearer|authorization|cookies?|credentials?|session|signature|proof"
    "|assertion|dpop|nonce|emails?|mail|phone|address|addresses|birthday|username|names?|nickname|first|last|title"
    "|labels?|summary|description|comments?|text|body|answer|values?|query|url|uri|links?|content|headers|payload"
    "|form|params|parameters|attachment|filename|locale"
)
"""Words of which a key must not have one. An id in such a place is named for what it is an id of."""

_SENTENCES = frozenset({"frames", "where"})
"""Keys whose text has spaces in it: places in code. Of `said`, below, only what is plainly a name."""

_NAME = re.compile(r"[a-z][a-z0-9_.:/-]*(?: [a-z0-9_.:/-]+){0,7}")
_WORD = re.compile(r"[\w.:/@+#{}<>*=,;()\[\]-]*")
_PARTS = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+")

_CUT: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\b(?:at|rt|ac|cs|ck|pr|sl|whsec|whsk)_[A-Za-z0-9_+/=-]{16,}"), WITHHELD),
    (re.compile(r"\beyJ[\w-]{5,}\.[\w-]+\.[\w-]*"), WITHHELD),  # a JSON web token
    (re.compile(r"\b(?:Bearer|DPoP|Basic)[ :=]+\S+", re.IGNORECASE), WITHHELD),
    (re.compile(r"://[^/\s]*@[^/\s]*"), f"://{WITHHELD}"),
    (re.compile(r"[^\s@<>(\"',;:/]+@[^\s@<>)\"',;:/]+"), WITHHELD),  # an e-mail address, in any script
    (re.compile(r"(?<![\w.-])\+?\d[\d ()./-]{6,}\d(?![\w-])"), WITHHELD),  # a telephone number; ids have letters
    (re.compile(r"(?<![\w-])[\w+/=-]{43,}"), WITHHELD),  # 32 random bytes, in base64
)
"""What looks like a secret, or like a way to somebody, wherever it stands."""


def redact(_logger: Any, _method: str, found: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """As structlog's processor, before the renderer. `event`, `level` and `timestamp` are the host's own words."""
    return {
        key: value if key in ("level", "timestamp") else shown(key, value)
        for key, value in list(found.items())[:MAX_ITEMS]
    }


def shown(key: str, value: Any) -> Any:
    """What the line says in the value's place: text, a number, a truth value, None, or lists and mappings of such."""
    if _denied(key):
        return value if isinstance(value, bool | None) else WITHHELD
    if isinstance(value, bool | int | float | None):
        return value if not isinstance(value, int) or value.bit_length() <= 64 else WITHHELD
    if isinstance(value, str):
        return _text(key, value)
    if isinstance(value, Mapping):
        return {str(name)[:MAX_TEXT]: shown(str(name), each) for name, each in list(value.items())[:MAX_ITEMS]}
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value, key=str) if isinstance(value, set | frozenset) else value
        return [shown(key, each) for each in list(items)[:MAX_ITEMS]]
    return WITHHELD  # bytes, records, exceptions: who knows what is in them


def _denied(key: str) -> bool:
    return any(_DENIED.fullmatch(part.lower()) for part in _PARTS.findall(key))


def _text(key: str, value: str) -> str:
    """`said` is an app's own line, and apps are given people's details: a few small words are a name, not a detail."""
    if key == "said":
        return _cut(value) if _NAME.fullmatch(value) else WITHHELD
    if key in _SENTENCES:
        return value[:MAX_TEXT] if "@" not in value else WITHHELD
    return _cut(value) if _WORD.fullmatch(value) else WITHHELD


def _cut(value: str) -> str:
    if is_id(value):
        return value
    for looks, instead in _CUT:
        value = looks.sub(instead, value)
    return value[:MAX_TEXT]
