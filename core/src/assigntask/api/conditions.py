"""ETags and what requests say about them: RFC 9110, sections 8.8.3 and 13. Pure."""

from __future__ import annotations

import re

from .problems import Problem

_TAG = re.compile(r'\s*(W/)?"([\x21\x23-\x7e\x80-\xff]*)"\s*')
_OURS = re.compile(r"(\d{1,15})-[A-Za-z0-9_-]{1,100}")
MOST_TAGS = 20


def tags(header: str, name: str) -> list[tuple[bool, str]] | None:
    """Each tag with whether it is weak; None for `*`. Raises Problem where there is no such list."""
    if header.strip() == "*":
        return None
    found: list[tuple[bool, str]] = []
    place = 0
    while place <= len(header) and len(found) < MOST_TAGS:
        match = _TAG.match(header, place)
        if match is None:
            break
        found.append((match[1] is not None, match[2]))
        if match.end() == len(header):
            return found
        if header[match.end()] != ",":
            break
        place = match.end() + 1
    words = f'Give {name} as it came in an ETag, quotation marks and all, such as "7-x", or as *; at most {MOST_TAGS}.'
    raise Problem("request_malformed", words)


def unchanged(if_none_match: str, tag: str) -> bool:
    """Whether the caller has what would be sent: compared weakly, as section 13.1.2 says. Raises Problem."""
    given = tags(if_none_match, "If-None-Match")
    return given is None or any(opaque == tag for _weak, opaque in given)


def versions(if_match: str) -> list[int] | None:
    """The versions that a change may be made to; None: whichever it is at. Raises Problem.

    Compared strongly: a weak tag matches nothing. What is no tag of ours matches nothing either.
    """
    given = tags(if_match, "If-Match")
    if given is None:
        return None
    found = [int(match[1]) for weak, opaque in given if not weak and (match := _OURS.fullmatch(opaque))]
    return list(dict.fromkeys(found))


def mismatch() -> Problem:
    return Problem(
        "conflict", "The record is not at the version that If-Match names. Read it again.", status=412, keys=[]
    )
