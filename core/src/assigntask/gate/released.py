"""What passed the gate. Nothing that sends takes anything else, and only the gate can make one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_DOOR: Final = object()


class Released:
    """SDK records by slot name, with the details that were opened and the entry that says so.

    `entry_id` is None where the same details of the same revisions were recorded earlier today.
    """

    __slots__ = ("channel", "details", "entry_id", "installation_id", "values")

    def __init__(
        self,
        values: Mapping[str, Any],
        details: frozenset[str],
        entry_id: str | None,
        installation_id: str,
        channel: str,
        *,
        door: object,
    ) -> None:
        if door is not _DOOR:
            raise TypeError("Released is made by Gate.release alone: hand the facts to the gate.")
        self.values = values
        self.details = details
        self.entry_id = entry_id
        self.installation_id = installation_id
        self.channel = channel
