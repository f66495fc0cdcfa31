"""Authlib's framework-agnostic core, bound to our rows: the token endpoint's three grants.

It runs whole inside one unit of work and finds it in `EXCHANGE`. A refusal is an answer, not an exception that
leaves the unit: what a refused replay revoked is committed.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from authlib.oauth2.rfc6749 import (  # type: ignore[import-untyped]
    AuthorizationServer,
    InvalidGrantError,
    InvalidScopeError,
    OAuth2Error,
    OAuth2Request,
    UnauthorizedClientError,
)
from authlib.oauth2.rfc6749.grants import (  # type: ignore[import-untyped]
    AuthorizationCodeGrant,
    ClientCredentialsGrant,
    RefreshTokenGrant,
)
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload  # type: ignore[import-untyped]
from authlib.oauth2.rfc7636 import CodeChallenge  # type: ignore[import-untyped]

from assigntask.db import tables as t
from assigntask.oauth import authorizations, codes, refreshing
from assigntask.oauth.authorizations import Authorization
from assigntask.oauth.clients import METHODS, Client
from assigntask.oauth.codes import Code
from assigntask.oauth.exchange import EXCHANGE, Answer
from assigntask.oauth.hot import Hot
from assigntask.oauth.parameters import BadRequest
from assigntask.oauth.refreshing import RefreshToken
from assigntask.oauth.secrets import digest, new_secret
from assigntask_sdk.details import SCOPES

GRANT_TYPES = ("authorization_code", "client_credentials", "refresh_token")

# Its DEBUG lines print tokens.
logging.getLogger("authlib").setLevel(logging.INFO)


class Request(OAuth2Request):  # type: ignore[misc]
    """`uri` is the endpoint's as the outside sees it: the host may stand behind a proxy that ends TLS."""

    def __init__(self, uri: str, parameters: Mapping[str, str]) -> None:
        self.__dict__.update(_blank(uri))
        self.payload = BasicOAuth2Payload(parameters)

    @property
    def form(self) -> Mapping[str, str]:
        data: Mapping[str, str] = self.payload.data
        return data

    @property
    def args(self) -> Mapping[str, str]:
        return {}


@lru_cache(maxsize=16)
def _blank(uri: str) -> Mapping[str, Any]:
    """What a request to that endpoint begins with: the core takes the address apart each time it makes one."""
    return dict(OAuth2Request("POST", uri).__dict__)


@dataclass(frozen=True, slots=True)
class AsClient:
    """A client as the core asks for it."""

    client: Client

    def check_grant_type(self, grant_type: str) -> bool:
        """Only what can prove who it is acts as the installation; a metadata URL names an app, not an installation."""
        if grant_type == "client_credentials":
            return not self.client.is_public and self.client.name == self.client.id
        return grant_type in GRANT_TYPES


@dataclass(frozen=True, slots=True)
class AsCode:
    """A code as the core asks for it."""

    code: Code

    @property
    def code_challenge(self) -> str:
        return self.code.code_challenge

    @property
    def code_challenge_method(self) -> str:
        return "S256"

    def get_redirect_uri(self) -> str | None:
        return self.code.redirect_uri if self.code.redirect_uri_given else None

    def get_scope(self) -> str:
        return _words(self.code.authorization.scopes)


@dataclass(frozen=True, slots=True)
class AsRefreshToken:
    """A refresh token as the core asks for it."""

    token: RefreshToken
    scopes: frozenset[str]  # granted by the person, and to the installation at this moment

    def check_client(self, client: AsClient) -> bool:
        return self.token.authorization.client_name == client.client.name

    def get_scope(self) -> str:
        return _words(self.scopes)


class S256(CodeChallenge):  # type: ignore[misc]
    """PKCE of every client: each code has a challenge, made by SHA-256."""

    DEFAULT_CODE_CHALLENGE_METHOD = "S256"
    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)


class AsInstallation(ClientCredentialsGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    def validate_token_request(self) -> None:
        super().validate_token_request()
        asked = self.request.payload.scope
        if asked:
            _within(asked, self.client.client.scopes)


class WithCode(AuthorizationCodeGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    def query_authorization_code(self, code: str, client: AsClient) -> AsCode | None:
        exchange = EXCHANGE.get()
        found = codes.find(exchange.conn, code)
        if found is None or not _is_of(found.authorization, client.client):
            return None
        if found.used:
            raise _replayed(found.authorization, "code")
        if found.expires_at <= exchange.now:
            return None
        given = self.request.payload.redirect_uri
        if given is not None and given != found.redirect_uri:
            return None
        return AsCode(found)

    def authenticate_user(self, authorization_code: AsCode) -> str:
        """Uses the code up, before anything is given for it."""
        exchange, code = EXCHANGE.get(), authorization_code.code
        _check_authorization(code.authorization, self.client.client, bound=code.authorization.dpop_thumbprint)
        if not codes.take(exchange.conn, code, exchange.now):
            raise _replayed(code.authorization, "code")
        proof = exchange.verified.proof
        if proof is not None and self.client.client.is_public:
            authorizations.bind(exchange.conn, code.authorization, proof.thumbprint)
        return code.authorization.person_id

    def delete_authorization_code(self, authorization_code: AsCode) -> None:
        """It stays, used up, so that a second use is known for what it is."""


class WithRefreshToken(RefreshTokenGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> AsRefreshToken | None:
        exchange = EXCHANGE.get()
        found = refreshing.find(exchange.conn, refresh_token)
        if found is None or not _is_of(found.authorization, self.client.client):
            return None
        if found.used:
            raise _replayed(found.authorization, "refresh token")
        if found.expires_at <= exchange.now:
            return None
        return AsRefreshToken(found, found.authorization.scopes & self.client.client.scopes)

    def authenticate_user(self, refresh_token: AsRefreshToken) -> str:
        """Uses the token up, before anything is given for it."""
        exchange, token = EXCHANGE.get(), refresh_token.token
        client: Client = self.client.client
        bound = token.authorization.dpop_thumbprint if client.is_public else None
        _check_authorization(token.authorization, client, bound=bound)
        if not refreshing.take(exchange.conn, token, exchange.now):
            raise _replayed(token.authorization, "refresh token")
        return token.authorization.person_id

    def revoke_old_credential(self, refresh_token: AsRefreshToken) -> None:
        """It was used up by `authenticate_user`, at once with being looked at."""


class Core(AuthorizationServer):  # type: ignore[misc]
    """Holds nothing of a request; one is made per host."""

    def __init__(self) -> None:
        super().__init__(scopes_supported=None)
        self.register_grant(AsInstallation)
        self.register_grant(WithCode, [S256(required=True)])
        self.register_grant(WithRefreshToken)
        self.register_token_generator("default", _generated)

    def answer(self, request: Request) -> Answer:
        """Inside a unit of work, with `EXCHANGE` set."""
        try:
            answer: Answer = self.create_token_response(request)
        except BadRequest as refused:
            return Answer.of(refused)
        return answer

    def create_oauth2_request(self, request: Request) -> Request:
        return request

    def authenticate_client(self, request: Request, methods: Collection[str], endpoint: str = "token") -> AsClient:
        exchange = EXCHANGE.get()
        client = exchange.authenticated()
        if not client.is_active:
            raise UnauthorizedClientError("This app is disabled here. An admin can enable it.")
        found = AsClient(client)
        request.client, request.auth_method = found, exchange.verified.presented.method
        return found

    def validate_requested_scope(self, scope: str | None) -> None:
        if scope:
            _within(scope, SCOPES)

    def save_token(self, token: dict[str, Any], request: Request) -> None:
        """Stores digests, and turns the core's draft into the answer's body."""
        exchange = EXCHANGE.get()
        client: Client = request.client.client
        authorization = _authorization(request)
        scopes = _granted(request, client, authorization)
        proof = exchange.verified.proof
        _INSERT_ACCESS.run(
            exchange.conn,
            {
                "digest": digest(token["access_token"]),
                "organisation_id": client.organisation_id,
                "installation_id": client.installation_id,
                "client_id": client.name,
                "credential": client.credential,
                "authorization_id": authorization.id if authorization else None,
                "person_id": authorization.person_id if authorization else None,
                "scopes": sorted(scopes) if scopes is not None else None,
                "dpop_thumbprint": proof.thumbprint if proof else None,
                "issued_at": exchange.now,
                "expires_at": exchange.now + exchange.lifetimes.access,
                "revoked_at": None,
            },
        )
        if authorization is not None:
            until = exchange.now + exchange.lifetimes.refresh
            refreshing.store(exchange.conn, authorization, token["refresh_token"], exchange.now, until)
        token["scope"] = _words(client.scopes if scopes is None else scopes)

    def handle_response(self, status: int, body: Mapping[str, Any], headers: object) -> Answer:
        return Answer(status, body)

    def handle_error_response(self, request: Request, error: OAuth2Error) -> Answer:
        # The core's own words may repeat what was sent.
        words = _WORDS.get(error.error) or error.get_error_description()
        return Answer(error.status_code, {"error": error.error, "error_description": words})

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Nobody listens."""


_INSERT_ACCESS = Hot(sa.insert(t.oauth_access_token), t.oauth_access_token.columns.keys())

_WORDS: Mapping[str, str] = {
    "unsupported_grant_type": f"The grant_type is one of {', '.join(GRANT_TYPES)}.",
    "invalid_scope": "A scope is unknown, or was not granted. Ask for granted scopes only, apart by spaces.",
}


def _generated(
    grant_type: str,
    client: AsClient,
    user: str | None = None,
    scope: str | None = None,
    expires_in: int | None = None,
    include_refresh_token: bool = True,
) -> dict[str, Any]:
    exchange = EXCHANGE.get()
    token: dict[str, Any] = {
        "access_token": new_secret("at_"),
        "token_type": "Bearer" if exchange.verified.proof is None else "DPoP",
        "expires_in": int(exchange.lifetimes.access.total_seconds()),
    }
    if include_refresh_token:
        token["refresh_token"] = new_secret("rt_")
    return token


def _authorization(request: Request) -> Authorization | None:
    if request.authorization_code is not None:
        found: Authorization = request.authorization_code.code.authorization
        return found
    if request.refresh_token is not None:
        renewed: Authorization = request.refresh_token.token.authorization
        return renewed
    return None


def _granted(request: Request, client: Client, authorization: Authorization | None) -> frozenset[str] | None:
    """What the token is narrowed to. None: nothing was said, so all that the grant has at each moment."""
    asked = request.payload.scope if request.authorization_code is None else None
    if authorization is None:
        return frozenset(asked.split()) if asked else None
    held = authorization.scopes & client.scopes
    if asked:
        _within(asked, held)
        return frozenset(asked.split())
    return held


def _within(asked: str, held: Collection[str]) -> None:
    if any(scope not in held for scope in asked.split(" ")):
        raise InvalidScopeError


def _is_of(authorization: Authorization, client: Client) -> bool:
    """The name alone does not say it: one metadata URL may name a client in each of several organisations."""
    return (authorization.installation_id, authorization.client_name) == (client.installation_id, client.name)


def _check_authorization(authorization: Authorization, client: Client, *, bound: str | None) -> None:
    """Before it gives a token: whether it stands, and whether the proof is of the key that it is bound to."""
    exchange = EXCHANGE.get()
    if not authorizations.stands(exchange.conn, authorization, client) or not authorization.scopes & client.scopes:
        raise InvalidGrantError("What the person gave was ended. Send them to the authorization endpoint again.")
    proof = exchange.verified.proof
    if bound is not None and (proof is None or proof.thumbprint != bound):
        raise InvalidGrantError("This is bound to a key. Send a DPoP proof of that key.")


def _replayed(authorization: Authorization, what: str) -> OAuth2Error:
    """RFC 9700, sections 2.1.1 and 4.14.2: whoever used it first may have been a thief, so all of it ends."""
    exchange = EXCHANGE.get()
    if not authorization.revoked:
        authorizations.revoke(
            exchange.conn, authorization.organisation_id, authorization.id, f"{what} used twice", exchange.now
        )
    return InvalidGrantError(
        f"This {what} was used before, so all that came of it was revoked. Send the person to authorize again."
    )


def _words(scopes: Collection[str]) -> str:
    return " ".join(sorted(scopes))
