"""Text that others wrote, made fit for a page: cut, isolated, and with nothing in it that steers. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from markupsafe import Markup

LONGEST = 20_000

# Control characters, and the bidirectional ones that would turn around what stands beside them.
_STEERING = dict.fromkeys(
    (*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
)
_WEB = re.compile(r"https?://[^\s/?#\\@]+(?:[/?#][^\s\\]*)?", re.IGNORECASE)
_MAIL = re.compile(r"mailto:[^\s?\\@]+@[^\s?\\@]+", re.IGNORECASE)


def clean(text: str, most: int = LONGEST) -> str:
    """At most so many characters; the last is an ellipsis where there were more."""
    kept = text.translate(_STEERING)
    return kept if len(kept) <= most else kept[: most - 1].rstrip() + "…"


def said(text: str, most: int = LONGEST) -> Markup:
    """Escaped, in an element of its own, so that its direction is nobody else's."""
    return Markup("<bdi>{}</bdi>").format(clean(text, most))


@dataclass(frozen=True, slots=True)
class Target:
    """Where a link may lead. `place` is shown beside the link's words, which may claim anything."""

    url: str
    place: str


def target(url: str) -> Target | None:
    """None for what is not plainly a page (http, https) or a mailbox: no scripts, no data, no user names."""
    if _MAIL.fullmatch(url):
        return Target(url, url.partition(":")[2])
    if not _WEB.fullmatch(url):
        return None
    try:
        host = urlsplit(url).hostname
    except ValueError:
        return None
    return Target(url, host) if host else None
