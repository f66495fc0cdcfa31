"""What was recorded today, so that a repeat needs no second entry. Bounded: forgetting costs an entry, no more."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from assigntask.ledger.entry import RecordSeen

Noted = tuple[RecordSeen, frozenset[str]]


class Memory:
    def __init__(self, size: int = 200_000) -> None:
        self._size = size
        self._known: OrderedDict[tuple[str, str, str, int], tuple[int, int, frozenset[str]]] = OrderedDict()

    def holds(self, installation_id: str, day: int, noted: Iterable[Noted]) -> bool:
        """Whether each record was recorded for this installation today, at this version, with these details."""
        known = self._known
        for record, details in noted:
            found = known.get(_place(installation_id, record))
            if found is None or found[0] != record.version or found[1] != day:
                return False
            if found[2] is not details and not details <= found[2]:
                return False
        return True

    def add(self, installation_id: str, day: int, noted: Iterable[Noted]) -> None:
        """Call this only after the entry was committed."""
        for record, details in noted:
            place = _place(installation_id, record)
            found = self._known.pop(place, None)
            if found is not None and found[0] == record.version and found[1] == day:
                details = found[2] | details  # noqa: PLW2901 - the union is what is known from now on
            self._known[place] = (record.version, day, details)
        while len(self._known) > self._size:
            self._known.popitem(last=False)


def _place(installation_id: str, record: RecordSeen) -> tuple[str, str, str, int]:
    subject = record.subject
    return (installation_id, record.kind, record.id, subject.generation if subject is not None else 0)
