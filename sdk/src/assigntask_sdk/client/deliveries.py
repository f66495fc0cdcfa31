"""What became of this installation's deliveries, and having them told once more."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Any

from ..deliveries import Delivery, DeliveryState
from ..errors import Invalid
from .address import segment
from .calls import Calls
from .pages import Pages, Progress
from .reading import member, page, value
from .values import IDS, only


class ClientDeliveries:
    """With the app's own token: what it was told of. With a person's, who has to be an admin: all of it."""

    def __init__(self, calls: Calls, progress: Progress | None = None) -> None:
        self._calls = calls
        self._progress = progress

    def list(self, *, state: DeliveryState | None = None, since: dt.datetime | None = None) -> AsyncIterator[Delivery]:
        """The newest first, read in pages of 200. `since` (aware): of what happened then or later.

        Raises Invalid, Refused with the first page.
        """
        after = None if since is None else _moment(since)

        async def fetch(cursor: str | None) -> tuple[Sequence[Delivery], str | None]:
            params = only([("limit", str(IDS))], state=state, since=after, cursor=cursor)
            items, following = page(await self._calls.get("/deliveries", params))
            return [value(Delivery, item) for item in items], following

        return Pages(fetch, self._progress)

    async def get(self, id: str) -> Delivery:
        """Raises NotFound, Refused."""
        return value(Delivery, await self._calls.get(f"/deliveries/{segment(id, 'delivery')}"))

    async def replay(self, id: str) -> bool:
        """Has one notice told once more. False: it is being told at this moment.

        Raises NotFound, Refused, and Invalid where it is nothing that is told twice.
        """
        return bool(member(await self._calls.post(f"/deliveries/{segment(id, 'delivery')}/replay"), "replayed"))

    async def replay_since(
        self, since: dt.datetime, *, states: Collection[DeliveryState] | None = None, dry_run: bool = False
    ) -> int:
        """Has all notices of what happened at `since` (aware) or later told once more; how many they are.

        `states`: only those that are in one of these. With `dry_run` they are only counted. Raises Invalid, Refused.
        """
        body: dict[str, Any] = {"since": _moment(since), "dry_run": dry_run}
        if states is not None:
            body["states"] = sorted(states)
        return int(member(await self._calls.post("/deliveries/replay", body), "replayed"))


def _moment(at: dt.datetime) -> str:
    """Raises Invalid."""
    if at.utcoffset() is None:
        raise Invalid({"since": "give a moment with its time zone, for example UTC"})
    return at.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
