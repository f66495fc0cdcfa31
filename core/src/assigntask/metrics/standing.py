"""How much waits, at one moment: read from the tables, and the same whichever process is asked."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Standing:
    """Counts are of the whole host. Ages in seconds; 0 where nothing waits."""

    waiting: int  # deliveries of active installations
    oldest: float  # the longest that one of them waits, since what it tells of happened
    dead: int  # deliveries that were given up and are still kept
    breakers: int  # hooks of active installations that are left alone
    entries: int  # of the ledger, ever
    unsealed: int  # of them, those without their place in the tree
    seal_lag: float  # the age of the oldest of these
