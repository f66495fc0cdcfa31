"""Pushed authorization requests: RFC 9126. A client that proved who it is leaves a request, and gets a name for it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from starlette.routing import Route

from assigntask.db import tables as t
from assigntask.db.database import Database
from assigntask.errors import HostError
from assigntask.oauth import authorize_request, metadata, redirects
from assigntask.oauth.authorize_request import Refusal
from assigntask.oauth.clients import Client
from assigntask.oauth.endpoints import FormEndpoint
from assigntask.oauth.exchange import Answer, TokenRequest
from assigntask.oauth.parameters import BadRequest
from assigntask.oauth.secrets import TEXT_LENGTH, digest, new_secret
from assigntask.oauth.server import OAuthServer

LIFETIME = dt.timedelta(seconds=60)
URN = "urn:ietf:params:oauth:request_uri:"

_KEPT = frozenset({"redirect_uri", *authorize_request.READ})
"""Not what proves who the client is, nor what nobody would read: whoever knows a public client's id may push."""


@dataclass(frozen=True, slots=True)
class Pushed:
    request_uri: str

    def to_json(self) -> dict[str, str | int]:
        return {"request_uri": self.request_uri, "expires_in": int(LIFETIME.total_seconds())}


def endpoint(server: OAuthServer, db: Database, clock: Callable[[], dt.datetime]) -> Route:
    """POST, by a client that proves who it is as it does at the token endpoint; 201 with the request's name."""

    async def pushed(request: TokenRequest) -> Answer:
        client, thumbprint = await server.admitted(request, metadata.PUSH)
        if not client.is_active:
            raise BadRequest("unauthorized_client", "The app is not active in its organisation.")
        kept = checked(request.parameters, client, server.url + metadata.API_PATH, thumbprint)
        return Answer(201, (await db.write(push, client, kept, clock())).to_json())

    return Route(metadata.PUSH, FormEndpoint(pushed), methods=["POST"])


def checked(given: Mapping[str, str], client: Client, api: str, thumbprint: str | None) -> Mapping[str, str]:
    """The parameters to keep: those that are read, and bound to the key of the DPoP proof that came along.

    Everything is checked here already (section 2.1). `thumbprint`: of that proof's key (RFC 9449, section 10.1).
    Raises BadRequest.
    """
    if "request_uri" in given:
        raise BadRequest("invalid_request", "A pushed request has no request_uri.")
    if given.get("client_id") not in (None, client.name):
        raise BadRequest("invalid_request", "client_id is not that of the client that proved who it is.")
    if thumbprint is not None and given.get("dpop_jkt") not in (None, thumbprint):
        raise BadRequest("invalid_dpop_proof", "dpop_jkt is not the thumbprint of the key that signed the DPoP proof.")
    kept = {name: value for name, value in given.items() if name in _KEPT}
    kept["client_id"] = client.name
    if thumbprint is not None:
        kept["dpop_jkt"] = thumbprint
    try:
        redirects.chosen(client.redirect_uris, kept.get("redirect_uri"))
        asked = authorize_request.asked(kept, api)
    except HostError:
        raise BadRequest("invalid_request", "redirect_uri is none of those that the app has registered.") from None
    except Refusal as refusal:
        raise BadRequest(refusal.error, f"{refusal.description}.") from None
    if asked.scopes is not None:
        kept["scope"] = " ".join(sorted(asked.scopes))
    return kept


def push(conn: Connection, client: Client, parameters: Mapping[str, str], now: dt.datetime) -> Pushed:
    """Keeps what `checked` returned, for 60 seconds."""
    secret = new_secret("pr_")
    conn.execute(
        sa.insert(t.oauth_pushed_request).values(
            digest=digest(secret),
            organisation_id=client.organisation_id,
            client_id=client.name,
            parameters=dict(parameters),
            expires_at=now + LIFETIME,
        )
    )
    return Pushed(f"{URN}{secret}")


def take(conn: Connection, request_uri: str, client: Client, now: dt.datetime) -> Mapping[str, str]:
    """Uses it up, once, for the client that pushed it. Raises HostError `request_uri_invalid`."""
    secret = request_uri.removeprefix(URN)
    row = None
    if request_uri.startswith(f"{URN}pr_") and len(secret) == TEXT_LENGTH:
        row = conn.execute(
            sa.update(t.oauth_pushed_request)
            .where(
                t.oauth_pushed_request.c.organisation_id == client.organisation_id,
                t.oauth_pushed_request.c.digest == digest(secret),
                t.oauth_pushed_request.c.client_id == client.name,
                t.oauth_pushed_request.c.used_at.is_(None),
                t.oauth_pushed_request.c.expires_at > now,
            )
            .values(used_at=now)
            .returning(t.oauth_pushed_request.c.parameters)
        ).first()
    if row is None:
        raise HostError(
            "request_uri_invalid",
            "This request was used already, is older than 60 seconds, or is another app's. Start again in the app.",
        )
    found: Mapping[str, str] = row.parameters
    return found
