"""What a file is, by its first bytes. What the sender says of it counts for nothing.

It is told, and nothing follows from it: every file is given out as bytes to keep, never as a page to open.
"""

from __future__ import annotations

import re

import puremagic

HEAD = 4096
"""How many bytes are looked at."""
BINARY = "application/octet-stream"
TEXT = "text/plain"

# As browsers look for HTML and XML (WHATWG MIME Sniffing, section 7.1), so that what one would run is known as such.
_HTML = re.compile(
    rb"(?:\xef\xbb\xbf)?[\t\n\x0c\r ]*<(?:!doctype html|html|head|script|iframe|h1|div|font|table|a|style|title|b|body"
    rb"|br|p|!--)[\t\n\x0c\r />!-]",
    re.IGNORECASE,
)
_XML = re.compile(rb"(?:\xef\xbb\xbf)?[\t\n\x0c\r ]*<\?xml[\t\n\x0c\r ]")
_SVG = re.compile(rb"<svg[\t\n\x0c\r />]", re.IGNORECASE)
_ZIP = b"PK\x03\x04"
_SURE_OF_TEXT = 0.3
"""A signature of two bytes is easily the beginning of a text."""
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")


def media_type(head: bytes) -> str:
    """Of a file that begins so: the type without parameters; `application/octet-stream` where nothing is known."""
    head = head[:HEAD]
    active = _active(head)
    if active is not None:
        return active
    if head.startswith(_ZIP):
        return "application/zip"  # documents of many programs are one too, and these bytes do not tell which
    text = _is_text(head)
    return _known(head, _SURE_OF_TEXT if text else 0.0) or (TEXT if text else BINARY)


def _active(head: bytes) -> str | None:
    if _SVG.search(head) and (_XML.match(head) or head.lstrip(b"\xef\xbb\xbf\t\n\x0c\r ").startswith(b"<")):
        return "image/svg+xml"
    if _HTML.match(head):
        return "text/html"
    return "application/xml" if _XML.match(head) else None


def _known(head: bytes, sure: float) -> str | None:
    """By signature: the likeliest of those that match, where it is as likely as that."""
    if not head:
        return None
    try:
        found = puremagic.magic_string(head)
    except (puremagic.PureError, ValueError):
        return None
    return str(found[0].mime_type) or None if found and found[0].confidence >= sure else None


def _is_text(head: bytes) -> bool:
    if not head or _CONTROL.search(head):
        return False
    try:
        head.decode()
    except UnicodeDecodeError as error:
        cut = len(head) == HEAD and error.start >= HEAD - 3  # within a character
        return cut and error.reason == "unexpected end of data"
    return True
