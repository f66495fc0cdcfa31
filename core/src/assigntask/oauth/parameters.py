"""Parameters of OAuth requests, read strictly: what two readers could read differently is refused.

RFC 6749, appendix B (application/x-www-form-urlencoded, UTF-8) and section 3.2: parameters without a value
count as left out, and none may be repeated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

FORM = "application/x-www-form-urlencoded"
MAX_BYTES = 64 * 1024
MAX_PARAMETERS = 50
SHOWN_NAME = 40

# What may stand in an encoded form. More than a careful client sends, and nothing that is not printable ASCII.
_ENCODED = re.compile(rb"(?:[!-$&-~]|%[0-9A-Fa-f]{2})*")
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f]")
_NAME = re.compile(r"[A-Za-z0-9_.:-]+")


class BadRequest(Exception):
    """An answer of RFC 6749, section 5.2. `description` is printable ASCII and repeats no value of the request."""

    def __init__(self, error: str, description: str, *, status: int = 400) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = description
        self.status = status

    def to_json(self) -> dict[str, str]:
        return {"error": self.error, "error_description": self.description}


def parameters(raw: bytes) -> Mapping[str, str]:
    """The parameters of a form's body or of a query, empty ones left out, in the order in which they came.

    Raises BadRequest `invalid_request` for more than 64 KiB or 50 parameters, for a repeated or nameless one, and
    for bytes that are not printable ASCII or do not stand for printable UTF-8.
    """
    if len(raw) > MAX_BYTES:
        raise _refused(f"The parameters are longer than {MAX_BYTES // 1024} KiB. Send less.")
    if _ENCODED.fullmatch(raw) is None:
        raise _refused("The parameters are not a form: percent-encode every character that is not printable ASCII.")
    pairs = [pair for pair in raw.split(b"&") if pair]
    if len(pairs) > MAX_PARAMETERS:
        raise _refused(f"There are more than {MAX_PARAMETERS} parameters. Send only those that are needed.")
    found: dict[str, str] = {}
    for pair in pairs:
        name, _, value = pair.partition(b"=")
        key = _text(name)
        if not key:
            raise _refused("A parameter has no name. Leave it out, or name it.")
        if key in found:
            raise _refused(f"The parameter {_shown(key)} is there twice. Send it once.")
        found[key] = _text(value)
    return {name: value for name, value in found.items() if value}


def is_form(content_type: str | None) -> bool:
    """Whether a Content-Type header announces what `parameters` reads."""
    if content_type is None:
        return False
    kind, _, rest = content_type.partition(";")
    charset = rest.strip().lower().removeprefix("charset=").strip('"')
    return kind.strip().lower() == FORM and charset in ("", "utf-8")


def _text(encoded: bytes) -> str:
    if b"%" not in encoded and b"+" not in encoded:
        return encoded.decode("ascii")  # as `parameters` has made sure
    try:
        text = unquote_to_bytes(encoded.replace(b"+", b" ")).decode()
    except UnicodeDecodeError:
        raise _refused("A parameter is not UTF-8. Encode text as UTF-8, then percent-encode it.") from None
    if _UNPRINTABLE.search(text):
        raise _refused("A parameter holds a character that is not printable, such as a line break. Leave it out.")
    return text


def _shown(name: str) -> str:
    """A name as an answer may repeat it: only what can't be anything but a name."""
    return name if len(name) <= SHOWN_NAME and _NAME.fullmatch(name) else "of that name"


def _refused(description: str) -> BadRequest:
    return BadRequest("invalid_request", description)
