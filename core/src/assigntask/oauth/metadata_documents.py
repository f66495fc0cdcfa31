"""Clients that bring their own address: the document there says who they are.

As draft-ietf-oauth-client-id-metadata-document has it. Only a client of an active installation, whose accepted
manifest names the address, is ever looked up: nobody can make this host fetch what they like.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from assigntask.errors import HostError
from assigntask.oauth.clients import AuthMethod, Client
from assigntask.oauth.redirects import acceptable

Fetch = Callable[[str], Awaitable[bytes]]
"""The guarded way out: an address → the body of a plain 200, without redirects. Raises HostError, OSError."""

MAX_BYTES = 5 * 1024
KEPT = dt.timedelta(minutes=10)
MOST_KEPT = 1000
MOST_REDIRECTS = 20

_SECRET = frozenset({"client_secret", "client_secret_expires_at"})
_METHODS = ("none", "private_key_jwt")


@dataclass(frozen=True, slots=True)
class Document:
    """What of a client's metadata document counts here."""

    client_id: str
    redirect_uris: tuple[str, ...]
    auth_method: AuthMethod
    jwks_uri: str | None


class MetadataDocuments:
    """Fetches documents, and keeps each for at most 10 minutes; at most 1000 of them."""

    def __init__(self, fetch: Fetch, clock: Callable[[], dt.datetime]) -> None:
        self._fetch = fetch
        self._clock = clock
        self._kept: OrderedDict[str, tuple[dt.datetime, Document]] = OrderedDict()
        self._under_way: dict[str, asyncio.Task[Document]] = {}

    async def get(self, url: str) -> Document:
        """Raises HostError `client_metadata_invalid`, `client_metadata_unreachable`."""
        kept = self._kept.get(url)
        if kept is not None and self._clock() < kept[0]:
            return kept[1]
        under_way = self._under_way.get(url)
        if under_way is None:
            under_way = self._under_way[url] = asyncio.create_task(self._load(url))
            under_way.add_done_callback(lambda task: self._over(url, task))
        return await asyncio.shield(under_way)  # of many who wait, one may go without taking it from the others

    def _over(self, url: str, task: asyncio.Task[Document]) -> None:
        self._under_way.pop(url, None)
        if not task.cancelled():
            task.exception()  # looked at, also where everybody who waited has gone

    async def _load(self, url: str) -> Document:
        try:
            body = await self._fetch(url)
        except (HostError, OSError, TimeoutError):
            raise HostError(
                "client_metadata_unreachable",
                "The address by which the app names itself does not answer. Try again, or tell the app's vendor.",
            ) from None
        document = read(url, body)
        self._kept[url] = (self._clock() + KEPT, document)
        self._kept.move_to_end(url)
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return document

    async def described(self, client: Client) -> Client:
        """The client as its document describes it, where it named itself by its address; else as it is.

        Raises what `get` raises.
        """
        if client.metadata_url is None or client.name != client.metadata_url:
            return client
        found = await self.get(client.metadata_url)
        return replace(
            client, redirect_uris=found.redirect_uris, auth_method=found.auth_method, jwks_uri=found.jwks_uri
        )


def is_address(client_id: str) -> bool:
    """Whether a client names itself by an address."""
    return client_id.startswith("https://")


def read(url: str, body: bytes) -> Document:
    """Raises HostError `client_metadata_invalid`."""
    found = _object(body)
    if found.get("client_id") != url:
        raise _invalid("its client_id is not the address that it is at")
    if _SECRET & found.keys():
        raise _invalid("it holds a client secret, which everybody can read there")
    method = found.get("token_endpoint_auth_method", "none")
    if method not in _METHODS:
        raise _invalid("its token_endpoint_auth_method is none or private_key_jwt")
    jwks_uri = found.get("jwks_uri")
    if method == "private_key_jwt" and not (isinstance(jwks_uri, str) and _is_plain(jwks_uri)):
        raise _invalid("private_key_jwt goes with a jwks_uri, an https address")
    return Document(
        client_id=url,
        redirect_uris=_redirects(found.get("redirect_uris")),
        auth_method=cast(AuthMethod, method),
        jwks_uri=jwks_uri if method == "private_key_jwt" else None,
    )


def _object(body: bytes) -> Mapping[str, Any]:
    if len(body) > MAX_BYTES:
        raise _invalid(f"it has more than {MAX_BYTES // 1024} KiB")
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise _invalid("it is no JSON") from None
    if not isinstance(found, dict):
        raise _invalid("it is no JSON object")
    return found


def _redirects(written: object) -> tuple[str, ...]:
    if not isinstance(written, list) or not 0 < len(written) <= MOST_REDIRECTS:
        raise _invalid(f"its redirect_uris are a list of 1 to {MOST_REDIRECTS} addresses")
    if not all(isinstance(uri, str) and acceptable(uri) for uri in written):
        raise _invalid("each of its redirect_uris is https, or http to 127.0.0.1 or [::1], without a fragment")
    return tuple(written)


def _is_plain(address: str) -> bool:
    return acceptable(address) and is_address(address)


def _invalid(why: str) -> HostError:
    return HostError(
        "client_metadata_invalid",
        f"The app's client metadata document can't be taken: {why}. Its vendor has to mend it.",
    )
