"""What a file is called: a name, and nothing that could be a path, hide, or turn the text around it."""

from __future__ import annotations

import re
import unicodedata

from assigntask_sdk.errors import Invalid

MAX_NAME = 200  # characters
_PATH = re.compile(r"[/\\]")
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories: control, format (the bidirectional ones among them), half pairs, and what has no meaning."""


def cleaned(name: str) -> str:
    """The last part of a path, without characters that can't be seen. Raises Invalid where nothing is left.

    Of a name that is too long the end of what stands before the extension is cut.
    """
    if not isinstance(name, str):
        raise Invalid({"name": "must be text"})
    last = _PATH.split(name)[-1]
    seen = "".join(each for each in last if unicodedata.category(each) not in _INVISIBLE)
    words = " ".join(unicodedata.normalize("NFC", seen).split()).strip(" .")
    if not words:
        raise Invalid({"name": "must be a file's name, such as plan.pdf"})
    stem, dot, extension = words.rpartition(".")
    if len(words) <= MAX_NAME or not stem or len(extension) > MAX_NAME // 2:
        return words[:MAX_NAME].rstrip(" .")
    return stem[: MAX_NAME - len(extension) - 1].rstrip(" .") + dot + extension
