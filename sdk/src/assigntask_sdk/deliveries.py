"""What became of the notices for one installation, as admins and the app itself see it. Nobody's details are in it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

DeliveryState = Literal["waiting", "delivered", "skipped", "dead"]
"""`waiting` for its first or next try; `skipped`: nothing of it may be told; `dead`: given up."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One call of a hook that is kept until it arrived or was given up. Moments are aware, in UTC.

    `position`: its place in the installation's line. `at`: when it happened. `attempts`: since it was queued, or told
    once more. `next_at`: from when on it is tried, while it is waiting. `attempted_at`, `took` (milliseconds),
    `status` (of HTTP), `answer` (the first 1,024 bytes of what a remote app said when it failed, kept for 7 days) and
    `error` are of the last attempt. `done_at`: when it came to its end. `replayed_at`: when it was last told once more.
    """

    id: str
    hook: str
    state: DeliveryState
    position: int
    at: dt.datetime
    attempts: int
    next_at: dt.datetime | None = None
    attempted_at: dt.datetime | None = None
    took: int | None = None
    status: int | None = None
    answer: str | None = None
    error: str | None = None
    done_at: dt.datetime | None = None
    replayed_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class HookBreaker:
    """A hook that failed. `open`: it is left alone until `retry_at`; `failures` in a row, `total` ever."""

    hook: str
    state: Literal["closed", "open", "half-open"]
    failures: int
    total: int
    error: str | None
    retry_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Health:
    """How an installation does. Moments are aware, in UTC.

    `words` say what is the matter and what to do about it. `disabled_why`: the code of the host's reason, None where
    an admin disabled it. `waiting` and `dead` count deliveries; `oldest_waiting`: when it happened.
    `last_success`: when something arrived last. `failing_since`: of the first failure since then.
    """

    app: str
    state: str
    words: str
    disabled_why: str | None
    waiting: int
    dead: int
    oldest_waiting: dt.datetime | None
    last_success: dt.datetime | None
    failing_since: dt.datetime | None
    breakers: Sequence[HookBreaker]
