"""The authorization server: what its endpoints answer. OAuth 2.1 with RFC 9700 as the rule."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.engine import Connection

from assigntask.db.database import Database
from assigntask.errors import HostError
from assigntask.grants.grants import Grants
from assigntask.ledger.keys import KeyRing
from assigntask.metrics.meter import SILENT, Meter
from assigntask.oauth import assertions, clients, dpop, metadata, revoking
from assigntask.oauth.assertions import Assertion, AssertionRefused
from assigntask.oauth.bearer import InvalidToken
from assigntask.oauth.clients import Client
from assigntask.oauth.core import Core, Request
from assigntask.oauth.credentials import host_keys
from assigntask.oauth.dpop import DPoPError, Proof
from assigntask.oauth.exchange import EXCHANGE, Answer, Exchange, TokenRequest, Verified, refused
from assigntask.oauth.key_sets import KeySets
from assigntask.oauth.known_clients import KnownClient, KnownClients
from assigntask.oauth.metadata_documents import MetadataDocuments, is_address
from assigntask.oauth.parameters import BadRequest
from assigntask.oauth.presenting import Presented, presented
from assigntask.oauth.tokens import Tokens
from assigntask.settings import Settings

Fetch = Callable[[str], Awaitable[bytes]]
"""The guarded way out: an address → the body of a plain 200, without redirects. Raises HostError."""

NOWHERE = "This host does not know its own address. Whoever runs it has to set ASSIGNTASK_URL."


class OAuthServer:
    """`url` gives the issuer at each use: a host that was not told finds out where it listens when it starts.

    Methods take a request whose body was read and parsed, and answer it; they raise DatabaseError alone.
    """

    def __init__(
        self,
        db: Database,
        grants: Grants,
        keys: KeyRing,
        clock: Callable[[], datetime],
        settings: Settings,
        fetch: Fetch,
        url: Callable[[], str] | None = None,
        documents: MetadataDocuments | None = None,
        meter: Meter = SILENT,
    ) -> None:
        self._db = db
        self._meter = meter
        self._keys = keys
        self._clock = clock
        self._settings = settings
        self._url = url or (lambda: settings.url)
        self._tokens = Tokens(db, grants, keys, clock)
        self._core = Core()
        self._known_clients = KnownClients()
        self._key_sets = KeySets(fetch, clock)
        self._documents = documents or MetadataDocuments(fetch, clock)

    @property
    def url(self) -> str:
        return self._url()

    async def token(self, request: TokenRequest) -> Answer:
        """RFC 6749, section 3.2; with RFC 7636, 8707, 9449 and 9700."""
        try:
            verified = await self._verified(request, metadata.TOKEN)
            _check_resource(request.parameters, self.url)
        except BadRequest as error:
            return Answer.of(error)
        asked = Request(self.url + metadata.TOKEN, request.parameters)
        # Nobody waits for the row that this grant inserts; the others hold rows until the end.
        kind = request.parameters.get("grant_type", "")
        answer = await self._run(verified, lambda _: self._core.answer(asked), alone=kind != "client_credentials")
        if answer.status == 200:
            self._meter.gave_token(kind)
        return answer

    async def revoke(self, request: TokenRequest) -> Answer:
        """RFC 7009. An unknown token, and an unknown hint of its type, are answered as any other."""
        try:
            verified = await self._verified(request, metadata.REVOKE)
            text = _token_of(request)
        except BadRequest as error:
            return Answer.of(error)

        def unit(exchange: Exchange) -> Answer:
            revoking.revoke(exchange.conn, exchange.authenticated(), text, exchange.now)
            return Answer(200, {})

        return await self._run(verified, unit)

    async def introspect(self, request: TokenRequest) -> Answer:
        """RFC 7662. A client hears about its own installation's tokens; any other token is not active."""
        try:
            client, _ = await self.admitted(request, metadata.INTROSPECT)
            text = _token_of(request)
            if client.is_public:
                raise BadRequest("invalid_client", "Only a client that proves who it is may ask.", status=401)
        except BadRequest as error:
            return Answer.of(error)
        said = await self._said_of_access(client, text) or await self._said_of_refresh(client, text)
        return Answer(200, said or {"active": False})

    async def authenticate(self, request: TokenRequest, path: str = metadata.PUSH) -> Client:
        """The client that a request to the endpoint at `path` comes from, active or not. Raises BadRequest."""
        return (await self.admitted(request, path))[0]

    async def admitted(self, request: TokenRequest, path: str) -> tuple[Client, str | None]:
        """As `authenticate`, with the thumbprint of the key whose DPoP proof came along."""
        verified = await self._verified(request, path)
        found: list[Client] = []

        def unit(exchange: Exchange) -> Answer:
            found[:] = [exchange.authenticated()]
            return Answer(200, {})

        answer = await self._run(verified, unit)
        if answer.body is None or answer.status != 200:
            said = answer.body or {}
            raise BadRequest(str(said.get("error")), str(said.get("error_description")), status=answer.status)
        return found[0], verified.proof.thumbprint if verified.proof else None

    def key_set(self) -> Mapping[str, Any]:
        return metadata.key_set(host_keys(self._keys))

    # One unit of work

    async def _run(self, verified: Verified, call: Callable[[Exchange], Answer], *, alone: bool = True) -> Answer:
        write = self._db.write if alone else self._db.write_grouped
        answer, known = await write(self._unit, verified, call, self._clock())
        if known is not None:
            self._known_clients.keep(known)
        return answer

    def _unit(
        self, conn: Connection, verified: Verified, call: Callable[[Exchange], Answer], now: datetime
    ) -> tuple[Answer, KnownClient | None]:
        """A refusal is returned, so that what it did is committed: a replay ends what it was a replay of."""
        exchange = Exchange(conn, now, verified, self._settings.lifetimes, self._known_clients)
        token = EXCHANGE.set(exchange)
        try:
            answer = call(exchange)
        except BadRequest as error:
            answer = Answer.of(error)
        finally:
            EXCHANGE.reset(token)
        return answer, exchange.known

    # Before it: what needs no row to be held, and what has to be fetched

    async def _verified(self, request: TokenRequest, path: str) -> Verified:
        """Raises BadRequest."""
        if not self.url:
            raise BadRequest("temporarily_unavailable", NOWHERE, status=503)
        shown = presented(request.parameters, request.authorization)
        proof = self._proof(request, path)
        if shown.is_secret and proof is None and not is_address(shown.client_id):
            return Verified(shown)
        try:
            described = await self._described(shown, request.parameters) if is_address(shown.client_id) else None
            if shown.method != "private_key_jwt":
                return Verified(shown, described=described, proof=proof)
            client = described or await self._db.read(clients.by_id, shown.client_id)
            assertion = await self._assertion(shown, client, path)
        except HostError:
            raise BadRequest(
                "invalid_client",
                "The client's keys or metadata can't be read where its manifest says they are. Mend that, try again.",
                status=401,
            ) from None
        return Verified(shown, assertion, client.jwks_uri if client else None, described, proof)

    def _proof(self, request: TokenRequest, path: str) -> Proof | None:
        if request.dpop is None:
            return None
        try:
            return dpop.verify(request.dpop, method="POST", url=self.url + path, now=self._clock(), access_token=None)
        except DPoPError as error:
            raise BadRequest("invalid_dpop_proof", str(error).replace('"', "'")) from None

    async def _described(self, shown: Presented, parameters: Mapping[str, str]) -> Client:
        """The client that named itself by its metadata URL: which one of its installations, the request's token says.

        Where it shows none, the app has to be installed in one organisation of this host only.
        """
        named = await self._db.read(clients.by_metadata_url, shown.client_id)
        if not named:
            raise refused(shown)
        whose = await self._db.read(revoking.installation_of, parameters)
        meant = [each for each in named if whose is None or each.installation_id == whose]
        if len(meant) != 1:
            raise refused(shown)
        return await self._documents.described(meant[0])

    async def _assertion(self, shown: Presented, client: Client | None, path: str) -> Assertion:
        if client is None or client.auth_method != "private_key_jwt" or client.jwks_uri is None:
            raise refused(shown)
        keys = await self._key_sets.get(client.jwks_uri, assertions.key_id(shown.proof))
        audiences = (self.url, self.url + metadata.TOKEN, self.url + path)
        try:
            return assertions.verify(
                shown.proof, client_id=client.name, audiences=audiences, keys=keys, now=self._clock()
            )
        except AssertionRefused as error:
            raise BadRequest("invalid_client", f"The client assertion is refused: {error}.", status=401) from None

    # What is said about tokens

    async def _said_of_access(self, client: Client, text: str) -> dict[str, Any] | None:
        try:
            bearer = await self._tokens.check(text)
        except InvalidToken:
            return None
        at = await self._db.read(revoking.issued_at, text)
        if bearer.installation_id != client.installation_id or at is None:
            return None
        scopes = client.scopes if bearer.scopes is None else bearer.scopes
        bound = {} if bearer.dpop_thumbprint is None else {"cnf": {"jkt": bearer.dpop_thumbprint}}
        return {
            **self._said(bearer.client_id, scopes, at, bearer.expires_at),
            "token_type": "DPoP" if bound else "Bearer",
            "aud": self.url + metadata.API_PATH,
            **bound,
        }

    async def _said_of_refresh(self, client: Client, text: str) -> dict[str, Any] | None:
        found = await self._db.read(revoking.renewable, client, text, self._clock())
        if found is None:
            return None
        return self._said(found.client_name, found.scopes, found.issued_at, found.expires_at)

    def _said(self, client_name: str, scopes: frozenset[str], at: datetime, until: datetime) -> dict[str, Any]:
        return {
            "active": True,
            "iss": self.url,
            "client_id": client_name,
            "scope": " ".join(sorted(scopes)),
            "iat": int(at.timestamp()),
            "exp": int(until.timestamp()),
        }


def _token_of(request: TokenRequest) -> str:
    text = request.parameters.get("token")
    if text is None:
        raise BadRequest("invalid_request", "The parameter token is missing.")
    return text


def _check_resource(parameters: Mapping[str, str], url: str) -> None:
    """RFC 8707: there is one resource here."""
    resource = parameters.get("resource")
    if resource is not None and resource != url + metadata.API_PATH:
        raise BadRequest("invalid_target", f"The one resource here is {url}{metadata.API_PATH}.")
