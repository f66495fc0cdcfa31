"""What is asked of whoever carries a call to an app that runs on its vendor's machine."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from assigntask.grants.grant import Grant

from .attempts import Attempt
from .replies import Reply


@dataclass(frozen=True, slots=True)
class RemoteHook:
    """Stands where an app in this process has a function."""

    app_id: str
    hook: str


@dataclass(frozen=True, slots=True)
class RemoteCall:
    """One call. `ask` is the ask as JSON, made of what the gate released; `viewer` a pairwise id.

    `limit` in seconds, over all; `now` and `deadline` are aware, in UTC. `attempt`: of a delivery; a question has none.
    """

    grant: Grant
    hook: str
    notice: bool
    version: str  # of the accepted manifest
    ask: bytes = field(repr=False)
    viewer: str | None
    settings: Mapping[str, Any] = field(repr=False)
    now: dt.datetime
    deadline: dt.datetime
    limit: float
    attempt: Attempt | None = None


class Carrier(Protocol):
    async def check(self, grant: Grant, hook: str) -> None:
        """Nothing leaves. Raises CallFailed `app_offline`, `app_not_connected`, `host_without_address`."""
        ...

    async def carry(self, call: RemoteCall) -> Reply:
        """Whatever the app's service does, it becomes a reply, and what was seen of it is noted in the attempt.

        Raises what `check` raises.
        """
        ...

    async def introduce(self, grant: Grant, *, renew: bool) -> bool:
        """Gives the app its credentials where it has none that hold, or, with `renew`, not the newest.

        False: it is leaving and never had any. Raises what `check` raises.
        """
        ...
