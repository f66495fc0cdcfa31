"""People named in a text. Stored as `<@person id>`, so that names are written only when the text is shown."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

REFERENCE = re.compile(r"<@([0-9a-f-]{36})>")

# As people write it. Not after a letter, dot or slash: "ada@example.org" mentions nobody.
_WRITTEN = re.compile(r"(?<![\w.@/<-])@(\w(?:[\w.-]{0,98}\w)?)")


def candidates(text: str) -> frozenset[str]:
    """What may be user names in it: each as written, and in lower case."""
    return frozenset(
        name for found in _WRITTEN.findall(text) for part in _readings(found) for name in (part, part.lower())
    )


def rewrite(text: str, instead: Callable[[str], str | None]) -> str:
    """Each `@user_name` becomes what `instead` says for the user name, or stays where that is None.

    "@ada.Thanks" is read as "ada.Thanks" first, then as "ada".
    """

    def rewritten(match: re.Match[str]) -> str:
        for name in _readings(match[1]):
            words = instead(name)
            if words is not None:
                return words + match[1][len(name) :]
        return match[0]

    return _WRITTEN.sub(rewritten, text)


def to_references(text: str, people: Mapping[str, str]) -> str:
    """`@user_name` becomes a reference where `people` (user name → person id) has it, as written or in lower case."""

    def reference(name: str) -> str | None:
        person_id = people.get(name) or people.get(name.lower())
        return f"<@{person_id}>" if person_id else None

    return rewrite(text, reference)


def to_names(text: str, name_of: Callable[[str], str | None]) -> str:
    """References become `@name`; `@someone` where `name_of` (person id → name) knows nobody."""
    return REFERENCE.sub(lambda match: f"@{name_of(match[1]) or 'someone'}", text)


def people_in(text: str) -> tuple[str, ...]:
    """The ids of those mentioned, in order, each once."""
    return tuple(dict.fromkeys(REFERENCE.findall(text)))


def _readings(name: str) -> Iterator[str]:
    """The longest first; user names may have dots and dashes, and sentences too."""
    yield name
    for end in range(len(name) - 1, 0, -1):
        if name[end] in ".-" and name[end - 1] not in ".-":
            yield name[:end]
