"""Identifiers: UUID version 7 (RFC 9562, section 5.7) as lowercase text of 36 characters."""

import re

from uuid_utils import uuid7

_UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def new_id() -> str:
    """A fresh identifier; within one process later ones sort after earlier ones, as text too."""
    return str(uuid7())


def is_id(text: str) -> bool:
    """Whether ``text`` has exactly the form that ``new_id`` gives (upper case is refused)."""
    return _UUID7.fullmatch(text) is not None
