"""The head of a request: its address and its headers, read once. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from starlette.types import Scope

from .parameters import BROKEN_ESCAPE
from .problems import Problem

LONGEST_ADDRESS = 16 * 1024
LONGEST_HEADERS = 32 * 1024
MOST_HEADERS = 100
_KEY = re.compile(r"[\x20-\x7e]{1,255}")
_QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])+)"')
_UNREADABLE = re.compile("[\x00-\x1f\x7f]")
_FORMS = ("*/*", "application/*", "application/json", "application/problem+json")


@dataclass(slots=True)
class Heads:
    """The headers that mean something here. What may stand only once is a list where two are told apart."""

    authorization: list[bytes] = field(default_factory=list)
    dpop: list[bytes] = field(default_factory=list)
    content_type: str = ""
    encoding: str = ""
    length: int | None = None
    accept: str = ""
    key: str | None = None
    person: str | None = None
    if_match: str | None = None
    if_none_match: str | None = None


def read_heads(headers: Iterable[tuple[bytes, bytes]]) -> Heads:
    """Raises Problem for a header that is repeated or can't be read, and for more than are ever needed."""
    heads = Heads()
    size = count = 0
    for name, value in headers:
        size += len(name) + len(value)
        count += 1
        if name == b"authorization":
            heads.authorization.append(value)
        elif name in _READ:
            _READ[name](heads, value)
    if size > LONGEST_HEADERS or count > MOST_HEADERS:
        words = f"At most {MOST_HEADERS} headers with {LONGEST_HEADERS} bytes are read."
        raise Problem("headers_too_large", words)
    return heads


def segments(scope: Scope) -> tuple[str, ...]:
    """The parts of the path below where the API stands, each decoded by itself; () for the root.

    Raises Problem for an address that is too long, or that is no UTF-8.
    """
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    if len(raw) + len(scope["query_string"]) > LONGEST_ADDRESS:
        raise Problem("address_too_long", f"An address has at most {LONGEST_ADDRESS} bytes.")
    path = raw.partition(b"?")[0].removeprefix(scope.get("root_path", "").encode()).decode("latin-1")
    if path in ("", "/"):
        return ()
    if "%" not in path and path.isascii():
        return tuple(path[1:].split("/"))
    if BROKEN_ESCAPE.search(path):
        raise Problem("request_malformed", "The address can't be read: % stands before two hexadecimal digits.")
    try:
        parts = tuple(unquote_to_bytes(part).decode() for part in path[1:].split("/"))
    except UnicodeDecodeError:
        raise Problem("request_malformed", "The address can't be read: it is UTF-8, percent-encoded.") from None
    if any(_UNREADABLE.search(part) for part in parts):
        raise Problem("request_malformed", "The address holds a control character: remove it.")
    return parts


def check_accept(accept: str, also: str) -> None:
    """`also`: what this operation can answer beside JSON. Raises Problem where the caller takes neither."""
    if not accept or "*/*" in accept:
        return
    for each in accept.split(","):
        form, _, parameters = each.partition(";")
        weight = parameters.replace(" ", "").lower()
        if form.strip().lower() in (*_FORMS, also) and not re.search(r"(^|;)q=0(\.0*)?$", weight):
            return
    raise Problem("not_acceptable", f"This is answered as {also}. Accept that, or leave Accept out.")


def _once(name: str, words: str, heads: Heads, attribute: str, value: bytes) -> None:
    if getattr(heads, attribute) is not None:
        raise Problem("request_malformed", f"Send {name} once.")
    text = value.decode("latin-1").strip(" ")
    if quoted := _QUOTED.fullmatch(text):  # a string of RFC 8941, section 3.3.3, as the draft has it
        text = re.sub(r"\\(.)", r"\1", quoted[1])
    if not _KEY.fullmatch(text):
        raise Problem("request_malformed", f"{name} has 1 to 255 printable ASCII characters{words}.")
    setattr(heads, attribute, text)


def _idempotency(heads: Heads, value: bytes) -> None:
    _once("Idempotency-Key", ", such as a UUID", heads, "key", value)


def _person(heads: Heads, value: bytes) -> None:
    _once("AssignTask-Person", ": an id that this app was given", heads, "person", value)


def _length(heads: Heads, value: bytes) -> None:
    text = value.decode("latin-1")
    if heads.length is not None or not (text.isascii() and text.isdigit() and len(text) < 16):
        raise Problem("request_malformed", "Content-Length is one number of bytes.")
    heads.length = int(text)


def _type(heads: Heads, value: bytes) -> None:
    if heads.content_type:
        raise Problem("request_malformed", "Send Content-Type once.")
    heads.content_type = value.decode("latin-1")


def _encoding(heads: Heads, value: bytes) -> None:
    heads.encoding = _joined(heads.encoding or None, value)


def _accept(heads: Heads, value: bytes) -> None:
    heads.accept = _joined(heads.accept or None, value)


def _if_match(heads: Heads, value: bytes) -> None:
    heads.if_match = _joined(heads.if_match, value)


def _if_none_match(heads: Heads, value: bytes) -> None:
    heads.if_none_match = _joined(heads.if_none_match, value)


def _dpop(heads: Heads, value: bytes) -> None:
    heads.dpop.append(value)


def _joined(before: str | None, value: bytes) -> str:
    """A list may stand in several lines: RFC 9110, section 5.3."""
    text = value.decode("latin-1")
    return text if before is None else f"{before}, {text}"


_READ = {
    b"dpop": _dpop,
    b"content-type": _type,
    b"content-encoding": _encoding,
    b"content-length": _length,
    b"accept": _accept,
    b"idempotency-key": _idempotency,
    b"assigntask-person": _person,
    b"if-match": _if_match,
    b"if-none-match": _if_none_match,
}
