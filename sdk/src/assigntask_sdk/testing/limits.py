"""Blocks over the limits are cut in production and an error in tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..blocks import Excess, cut


class OverLimit(AssertionError):
    """An app answered with more blocks, rows or bytes than a page takes."""

    code = "blocks_over_limit"

    def __init__(self, hook: str, excess: Sequence[Excess]) -> None:
        found = "; ".join(str(one) for one in excess)
        super().__init__(f"{hook}: {found}. Show less, or the first part and a link: in production the rest is cut.")
        self.hook = hook
        self.excess = tuple(excess)


def within_limits(hook: str, blocks: Sequence[Any]) -> Sequence[Any]:
    """The blocks as they are. Raises OverLimit."""
    _, excess = cut(blocks)
    if excess:
        raise OverLimit(hook, excess)
    return blocks
