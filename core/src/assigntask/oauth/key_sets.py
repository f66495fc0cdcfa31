"""Clients' public keys, fetched from where their manifest or metadata says they are."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from assigntask.errors import HostError
from assigntask.oauth.assertions import Key, keys_of

Fetch = Callable[[str], Awaitable[bytes]]

KEPT_FOR = timedelta(minutes=10)
NOT_AGAIN_FOR = timedelta(seconds=30)
"""A key that isn't there yet is looked for again, but not more often than this: anybody can name a key."""

CACHED_SETS = 500


@dataclass(frozen=True, slots=True)
class _Fetched:
    """`keys` None: it could not be fetched, or was no key set."""

    at: datetime
    keys: tuple[Key, ...] | None


class KeySets:
    def __init__(self, fetch: Fetch, clock: Callable[[], datetime]) -> None:
        self._fetch = fetch
        self._clock = clock
        self._known: OrderedDict[str, _Fetched] = OrderedDict()

    async def get(self, url: str, kid: str | None) -> tuple[Key, ...]:
        """The keys at this address; fetched again when they are old, or when none of them is called `kid`.

        Raises HostError `client_keys_unusable`.
        """
        known = self._known.get(url)
        if known is None or _is_stale(known, kid, self._clock()):
            known = await self._fetched(url, known)
        if known.keys is None:
            raise HostError(
                "client_keys_unusable", "The client's jwks_uri does not answer with a JWK set. Mend it, then try again."
            )
        return known.keys

    async def _fetched(self, url: str, before: _Fetched | None) -> _Fetched:
        now = self._clock()
        try:
            keys: tuple[Key, ...] | None = keys_of(await self._fetch(url))
        except (HostError, ValueError, OSError, TimeoutError):
            # Keys that were good a moment ago are no worse because the client's server is down now.
            keys = before.keys if before is not None and now - before.at < 2 * KEPT_FOR else None
        fetched = self._known[url] = _Fetched(now, keys)
        self._known.move_to_end(url)
        while len(self._known) > CACHED_SETS:
            self._known.popitem(last=False)
        return fetched


def _is_stale(known: _Fetched, kid: str | None, now: datetime) -> bool:
    age = now - known.at
    if age >= KEPT_FOR:
        return True
    if known.keys is not None and (kid is None or any(key.get("kid") == kid for key in known.keys)):
        return False
    return age >= NOT_AGAIN_FOR
