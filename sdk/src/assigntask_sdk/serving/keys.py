"""The keys with which hosts sign what they hand over, from where each publishes them."""

from __future__ import annotations

import base64
import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import httpx2

from ..wire import KEYS_PATH
from .reply import Refusal

Clock = Callable[[], dt.datetime]

FETCH_SECONDS = 10.0
DOCUMENT_BYTES = 64 * 1024
KEPT_FOR = dt.timedelta(minutes=10)
AGAIN_AFTER = dt.timedelta(seconds=10)


class HostKeys:
    """Remembers each host's keys for ten minutes, and looks again, at most every ten seconds, for a new one."""

    def __init__(self, clock: Clock, *, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        self._clock = clock
        self._transport = transport
        self._known: dict[str, tuple[dt.datetime, tuple[bytes, ...]]] = {}

    async def of(self, issuer: str, *, fresh: bool = False) -> tuple[bytes, ...]:
        """Ed25519 keys of 32 bytes. `fresh`: none that is known fitted. Raises Refusal `host_keys_unreachable`."""
        now = self._clock()
        read_at, keys = self._known.get(issuer, (None, ()))
        if read_at is not None and now - read_at < (AGAIN_AFTER if fresh else KEPT_FOR):
            return keys
        try:
            keys = ed25519_keys(await self._fetch(issuer + KEYS_PATH))
        except (httpx2.HTTPError, ValueError) as error:
            raise Refusal(
                503,
                "host_keys_unreachable",
                f"The host's keys can't be read at {issuer}{KEYS_PATH} ({type(error).__name__}): try again later.",
            ) from error
        self._known[issuer] = (now, keys)
        return keys

    async def _fetch(self, url: str) -> bytes:
        """Raises ValueError for any other answer than a short document with status 200; follows nothing."""
        client = httpx2.AsyncClient(
            transport=self._transport, timeout=FETCH_SECONDS, trust_env=False, follow_redirects=False
        )
        body = b""
        async with client, client.stream("GET", url, headers={"Accept": "application/json"}) as answer:
            if answer.status_code != httpx2.codes.OK:
                raise ValueError(f"status {answer.status_code}")
            async for chunk in answer.aiter_bytes():
                body += chunk
                if len(body) > DOCUMENT_BYTES:
                    raise ValueError("too long")
        return body


def ed25519_keys(document: bytes) -> tuple[bytes, ...]:
    """Those keys of a JSON Web Key Set that are Ed25519 (RFC 8037). Raises ValueError for what is no set."""
    body: Any = json.loads(document)
    keys = body.get("keys") if isinstance(body, dict) else None
    if not isinstance(keys, list):
        raise ValueError("this is no key set")
    found = [_raw(key) for key in keys if isinstance(key, dict)]
    return tuple(key for key in found if key is not None)


def _raw(key: dict[str, Any]) -> bytes | None:
    if (key.get("kty"), key.get("crv")) != ("OKP", "Ed25519") or not isinstance(key.get("x"), str):
        return None
    try:
        raw = base64.b64decode(key["x"] + "=" * (-len(key["x"]) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return None
    return raw if len(raw) == 32 else None
