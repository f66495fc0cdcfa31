"""How often one installation may call: the generic cell rate algorithm, in memory. A bounded number is remembered."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from .problems import Headers, Problem

REMEMBERED = 50_000


@dataclass(frozen=True, slots=True)
class Standing:
    """After one request: whether it may go on, how many more may come at once, and seconds.

    `full`: until the whole quota is there again. `wait`: until the next request may come; 0 where it may now.
    """

    allowed: bool
    left: int
    full: float
    wait: float


def decide(due: float, now: float, requests: int, window: float) -> tuple[float, Standing]:
    """One request at `now`; all in seconds. `due`: when the quota is whole again. Gives the new one. Pure."""
    interval = window / requests
    start = max(due, now)
    after = start + interval
    if after - now > window + 1e-9:
        return due, Standing(False, 0, due - now, after - now - window)
    return after, Standing(True, int((window - (after - now)) / interval + 1e-9), after - now, 0.0)


class Rates:
    """`monotonic`: seconds that never go back. Forgetting the one who called longest ago costs a quota at most."""

    def __init__(self, requests: int, window: float, monotonic: Callable[[], float]) -> None:
        self._requests = requests
        self._window = window
        self._monotonic = monotonic
        self._due: OrderedDict[str, float] = OrderedDict()
        self._policy = (b"ratelimit-policy", f'"default";q={requests};w={window:.0f}'.encode())

    def take(self, installation_id: str) -> Headers:
        """The headers of draft-ietf-httpapi-ratelimit-headers that tell how it stands. Raises Problem."""
        now = self._monotonic()
        due, standing = decide(self._due.get(installation_id, now), now, self._requests, self._window)
        self._due[installation_id] = due
        self._due.move_to_end(installation_id)
        if len(self._due) > REMEMBERED:
            self._due.popitem(last=False)
        limit = b'"default";r=%d;t=%d' % (standing.left, -(-standing.full // 1))
        headers = (self._policy, (b"ratelimit", limit))
        if standing.allowed:
            return headers
        after = max(1, int(-(-standing.wait // 1)))
        words = f"At most {self._requests} requests in {self._window:.0f} seconds. Wait {after} seconds."
        raise Problem("rate_limited", words, headers=(*headers, (b"retry-after", b"%d" % after)), after=after)
