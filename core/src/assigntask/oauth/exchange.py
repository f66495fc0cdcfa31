"""One request to the authorization server, and what a unit of work needs to answer it."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.engine import Connection

from assigntask.oauth import clients, seen
from assigntask.oauth.assertions import Assertion
from assigntask.oauth.clients import Client
from assigntask.oauth.dpop import Proof
from assigntask.oauth.known_clients import KnownClient, KnownClients
from assigntask.oauth.parameters import BadRequest
from assigntask.oauth.presenting import Presented
from assigntask.oauth.secrets import digest
from assigntask.settings import Lifetimes


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A POST to the token, revocation, introspection or pushed-request endpoint, its body read and parsed.

    `authorization` and `dpop` are the headers of those names.
    """

    parameters: Mapping[str, str] = field(repr=False)
    authorization: str | None = field(default=None, repr=False)
    dpop: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` None: an answer without a body."""

    status: int
    body: Mapping[str, Any] | None = field(repr=False)
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, refused: BadRequest) -> Answer:
        """RFC 6749, section 5.2: a 401 says how to authenticate."""
        headers = (("www-authenticate", 'Basic realm="AssignTask"'),) if refused.status == 401 else ()
        return cls(refused.status, refused.to_json(), headers)


@dataclass(frozen=True, slots=True)
class Verified:
    """What was checked before the unit of work: signatures, and what had to be fetched for them.

    `described`: the client, where it named itself by its metadata URL. `keys_url`: where the key was found that
    signed the assertion. `proof`: of DPoP.
    """

    presented: Presented
    assertion: Assertion | None = None
    keys_url: str | None = None
    described: Client | None = None
    proof: Proof | None = None


@dataclass(slots=True)
class Exchange:
    """One run of a unit of work. It may be run again, so nothing here outlives it but what the unit returns."""

    conn: Connection
    now: datetime
    verified: Verified
    lifetimes: Lifetimes
    known_clients: KnownClients
    known: KnownClient | None = None

    def authenticated(self) -> Client:
        """The client, after all it showed was checked. Raises BadRequest `invalid_client`, `invalid_dpop_proof`."""
        presented = self.verified.presented
        client = self._described() if self.verified.described is not None else self._by_id()
        if client is None or not self._shown(client):
            raise refused(presented)
        proof = self.verified.proof
        if proof is not None and not seen.first_use(
            self.conn, "dpop", proof.thumbprint, proof.jti, proof.forgettable_at
        ):
            raise BadRequest("invalid_dpop_proof", "This DPoP proof was used before. Make a new one for each request.")
        return client

    def _by_id(self) -> Client | None:
        self.known = self.known_clients.look(self.conn, self.verified.presented.client_id)
        return None if self.known is None else self.known.client

    def _described(self) -> Client | None:
        """Known by its metadata, as long as its installation is active and its manifest names that URL."""
        described = self.verified.described
        if described is None:
            return None
        standing = clients.by_metadata_url(self.conn, described.name, described.organisation_id)
        return described if any(each.id == described.id for each in standing) else None

    def _shown(self, client: Client) -> bool:
        presented, assertion = self.verified.presented, self.verified.assertion
        if presented.is_secret:
            known = self.known
            return (
                known is not None
                and client.auth_method in clients.SECRET_METHODS
                and known.opens(digest(presented.proof), self.now)
            )
        if presented.method == "private_key_jwt":
            return (
                assertion is not None
                and client.auth_method == "private_key_jwt"
                and client.jwks_uri == self.verified.keys_url
                and seen.first_use(self.conn, "assertion", client.name, assertion.jti, assertion.expires_at)
            )
        return client.is_public


def refused(presented: Presented) -> BadRequest:
    """The same words for an unknown client, a wrong secret and a method that is not this client's."""
    if presented.method == "none":
        words = "There is no such client, or it has to authenticate: send its secret, or a client assertion."
    elif presented.method == "private_key_jwt":
        words = "There is no such client, or this client assertion was used before, or its keys have changed."
    else:
        words = "There is no such client, or its secret is another one, or it authenticates in another way."
    return BadRequest("invalid_client", words, status=401)


EXCHANGE: ContextVar[Exchange] = ContextVar("exchange")
"""Set inside a unit of work, for the sync core that has no place to pass it."""
