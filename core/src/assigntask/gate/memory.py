"""What was recorded today, so that a repeat needs no second entry. Bounded: forgetting costs an entry, no more."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from assigntask.gate.projection import Noted


class Memory:
    def __init__(self, size: int = 200_000) -> None:
        self._size = size
        self._known: OrderedDict[tuple[str, str, str, int], tuple[int, int, frozenset[str]]] = OrderedDict()

    def holds(self, installation_id: str, day: int, noted: Iterable[Noted]) -> bool:
        """Whether each record was recorded for this installation today, at this version, with these details."""
        known = self._known
        for kind, record_id, version, whom, details in noted:
            found = known.get((installation_id, kind, record_id, 0 if whom is None else whom[1]))
            if found is None or found[0] != version or found[1] != day:
                return False
            if found[2] is not details and not details <= found[2]:
                return False
        return True

    def add(self, installation_id: str, day: int, noted: Iterable[Noted]) -> None:
        """Call this only after the entry was committed."""
        for kind, record_id, version, whom, details in noted:
            place = (installation_id, kind, record_id, 0 if whom is None else whom[1])
            found = self._known.pop(place, None)
            recorded = details
            if found is not None and found[0] == version and found[1] == day and not found[2] <= details:
                recorded = found[2] | details
            self._known[place] = (version, day, recorded)
        while len(self._known) > self._size:
            self._known.popitem(last=False)
