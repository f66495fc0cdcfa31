"""Taking an installation's credentials: only from a host that was named, and only what that host signed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import structlog
from pydantic import ValidationError

from ..webhooks import TOLERANCE, WebhookRefused, secret_from_text, verify
from ..wire import InstallBody
from .hosts import ServingError, origin_of, same_origin
from .keys import Clock, HostKeys
from .reply import Refusal, Reply
from .store import Kept, Store

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Installing:
    """`hosts` are origins, as `origin_of` writes them."""

    app_id: str
    hosts: Collection[str]
    store: Store
    keys: HostKeys
    clock: Clock

    async def take(self, headers: Mapping[str, str], body: bytes) -> Reply:
        """204 once the credentials are on disk. Raises Refusal."""
        given = _read(body)
        issuer = self._named(given)
        now = self.clock()
        message = await self._verified(issuer, headers, body, now)
        if given.app != self.app_id:
            raise Refusal(409, "app_differs", f"This service runs {self.app_id}: register it under that id.")
        if not await self.store.first_use(f"install {issuer} {message}", now, now + 2 * TOLERANCE):
            raise Refusal(
                409, "webhook_replayed", "This message was acted on already: send each with an id of its own."
            )
        await self.store.take(_kept(issuer, given, now))
        log.info("credentials_taken", host=issuer, installation=given.installation, version=given.version)
        return Reply(204)

    def _named(self, given: InstallBody) -> str:
        try:
            issuer = origin_of(given.issuer, dev=True)
        except ServingError:
            issuer = ""
        if issuer not in self.hosts:
            raise Refusal(
                403, "host_not_named", "This service was not started for that host: its operator adds it with --host."
            )
        if not (same_origin(given.api, issuer) and same_origin(given.token_endpoint, issuer)):
            raise Refusal(403, "host_elsewhere", "API and token endpoint have to be at the host itself.")
        return issuer

    async def _verified(self, issuer: str, headers: Mapping[str, str], body: bytes, now: dt.datetime) -> str:
        """The message's id. A signature that doesn't fit may be of a key that is new."""
        for fresh in (False, True):
            keys = await self.keys.of(issuer, fresh=fresh)
            try:
                return verify(headers, body, public_keys=keys, now=now)
            except WebhookRefused as error:
                refused = error
                if error.code != "webhook_signature_wrong":
                    break
        raise Refusal(401, refused.code, refused.message)


def _read(body: bytes) -> InstallBody:
    try:
        given = InstallBody.model_validate_json(body)
        secret_from_text(given.secret)
    except (ValidationError, ValueError):
        raise Refusal(400, "body_wrong", "The body is not that of an install: send what the SDK's wire says.") from None
    return given


def _kept(issuer: str, given: InstallBody, now: dt.datetime) -> Kept:
    return Kept(
        issuer=issuer,
        id=given.installation,
        app=given.app,
        version=given.version,
        api=given.api,
        token_endpoint=given.token_endpoint,
        client_id=given.client_id,
        client_secret=given.client_secret,
        secret=given.secret,
        previous_secret=None,
        previous_until=given.previous_until.timestamp() if given.previous_until is not None else None,
        taken_at=now.timestamp(),
    )
