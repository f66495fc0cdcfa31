"""Cursors: where a list that is read page by page goes on. Opaque to apps, checked when they come back. Pure."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from assigntask_sdk.errors import Invalid

LONGEST = 500
MOST = 200


def cursor(of: str, last: str) -> str:
    """The cursor behind `last`, an id that the app was given, in the list `of`."""
    body = json.dumps([of, last], separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(body).decode().rstrip("=")


def behind(of: str, text: Any) -> str | None:
    """The id behind which to go on; None from the start. Raises Invalid for what is no cursor of this list."""
    if text is None:
        return None
    last = _read(of, text)
    if last is None or cursor(of, last) != text:
        raise no_cursor()
    return last


def no_cursor() -> Invalid:
    return Invalid({"cursor": "this is no cursor of this list; leave it out to begin anew"})


def checked_limit(limit: Any) -> int:
    """How many at once. Raises Invalid."""
    if type(limit) is not int or not 1 <= limit <= MOST:
        raise Invalid({"limit": f"give a whole number from 1 to {MOST}"})
    return limit


def _read(of: str, text: Any) -> str | None:
    if not isinstance(text, str) or len(text) > LONGEST or not text.isascii():
        return None
    try:
        body = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return None
    match body:
        case [str(named), str(last)] if named == of:
            return last
    return None
