"""Text that people wrote, checked before it is stored."""

from __future__ import annotations

import re
import unicodedata
from zoneinfo import ZoneInfo

from assigntask_sdk.errors import Invalid

# PostgreSQL stores no NUL, and neither database a lone half of a surrogate pair.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_EMAIL = re.compile(r"[^@\s\x00-\x1f]+@[^@\s\x00-\x1f]+")
_USER_NAME = re.compile(r"[\w.-]{1,100}")


def storable(text: str) -> str:
    """`text` with U+FFFD in place of what no database takes: for imports, which must not fail over one character."""
    return _UNSTORABLE.sub("�", text)


def checked(field: str, text: str, *, limit: int, empty: bool = False) -> str:
    """`text` without white space around it. Raises Invalid, naming `field`; `limit` is in characters."""
    if not isinstance(text, str):
        raise Invalid({field: "must be text"})
    if _UNSTORABLE.search(text):
        raise Invalid({field: "holds a character that can't be stored (U+0000 or half a surrogate pair): remove it"})
    stripped = text.strip()
    if not stripped and not empty:
        raise Invalid({field: "must not be empty"})
    if len(stripped) > limit:
        raise Invalid({field: f"has {len(stripped)} characters; at most {limit} can be kept"})
    return stripped


def checked_email(text: str) -> str:
    """An address as it was written. Raises Invalid where it has no form of one; 254 characters is RFC 5321's limit."""
    email = checked("email", text, limit=254)
    if not _EMAIL.fullmatch(email):
        raise Invalid({"email": "is not an e-mail address, such as ada@example.org"})
    return email


def email_key(email: str) -> str:
    """What addresses are compared by: neither case nor the way an accent is composed makes two people of one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", email).casefold())


def checked_user_name(text: str) -> str:
    """Letters, digits, `_`, `.` and `-`, so that `@name` in a comment has an end. Raises Invalid."""
    user_name = checked("user_name", text, limit=100)
    if not _USER_NAME.fullmatch(user_name):
        raise Invalid({"user_name": "may have letters, digits, '_', '.' and '-' only"})
    return user_name


def checked_time_zone(text: str) -> str:
    """A name of the IANA time zone database. Raises Invalid."""
    try:
        ZoneInfo(checked("time_zone", text, limit=100))
    except (KeyError, ValueError, OSError) as error:
        raise Invalid({"time_zone": f"{text!r} is not a time zone; write one such as Europe/Madrid or UTC"}) from error
    return text.strip()
