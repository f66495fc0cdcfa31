"""One attempt at a delivery: which it is, and what whoever carried it saw of it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal

from assigntask.events.fences import Fence

Sending = Literal["sent", "refused", "unknown"]
"""Whether the app has what was released for it: it answered, well or badly; it surely did not take it; or who knows."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Of an app that runs elsewhere. `status` is HTTP's, None where no answer came.

    `retry_after`: how long it asks to be left alone, between 1 second and 24 hours. `answer`: the first words of one
    that is no success, without control characters.
    """

    sending: Sending
    status: int | None = None
    retry_after: dt.timedelta | None = None
    answer: str | None = None


@dataclass(slots=True)
class Attempt:
    """`number` counts from 1. With the delivery's id, `leased_until` (aware, UTC) proves whose turn it is.

    What is called sets the rest: `released` once the gate has let through what the notice says, `seen` where an app
    elsewhere was called.
    """

    delivery_id: str
    number: int
    leased_until: dt.datetime
    released: bool = False
    seen: Seen | None = None

    def fence(self, organisation_id: str) -> Fence:
        """What is written in this attempt is stored only while it stands."""
        return Fence(organisation_id, self.delivery_id, self.leased_until)
