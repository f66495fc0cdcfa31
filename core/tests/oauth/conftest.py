"""A host's authorization server, called over ASGI: two organisations, a few people, and apps as a test wants them."""

from __future__ import annotations

import hashlib
import itertools
import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus, urlencode

import httpx2
import pytest
import sqlalchemy as sa
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey
from sqlalchemy.engine import Connection
from starlette.applications import Starlette

from assigntask.actions.objections import Objections
from assigntask.actions.people import PeopleActions
from assigntask.db import Database
from assigntask.db.tables import metadata
from assigntask.errors import HostError
from assigntask.grants.grants import Grants
from assigntask.installations import installations
from assigntask.installations.directory import Directory
from assigntask.installations.installations import Installation
from assigntask.installations.installing import Installing
from assigntask.installations.leaving import Leaving
from assigntask.ledger.keys import KeyRing
from assigntask.ledger.ledger import Ledger
from assigntask.ledger.subjects import SubjectKeys
from assigntask.oauth import clients, codes
from assigntask.oauth.clients import Client
from assigntask.oauth.credentials import Credentials
from assigntask.oauth.endpoints import endpoints
from assigntask.oauth.presenting import ASSERTION_TYPE
from assigntask.oauth.secrets import new_secret
from assigntask.oauth.server import OAuthServer
from assigntask.oauth.tokens import Tokens
from assigntask.people import organisations, people
from assigntask.people.facts import Doer, PersonFacts, Role
from assigntask.settings import Settings
from assigntask_sdk.apps import InstalledApp
from assigntask_sdk.manifest import Manifest

ISSUER = "https://tasks.example"
KEYS_URL = "https://vendor.example/keys.json"
METADATA_URL = "https://vendor.example/client.json"
REDIRECT = "https://vendor.example/back"
GRANTED = frozenset({"tasks:read", "people:name"})
VERIFIER = "a-verifier-of-forty-three-characters-or-more-0"

Key = ECKey | OKPKey | RSAKey


def challenge(verifier: str) -> str:
    return urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def signed(key: Any, header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
    """A JWT with whatever header and claims a test wants, signed as its key can sign."""
    usual = {"EC": "ES256", "OKP": "Ed25519", "RSA": "RS256", "oct": "HS256"}[key.key_type]
    named = "PS256" if header.get("alg") == "PS256" else usual
    parts = [urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, claims)]
    signature = jws.JWSRegistry.algorithms[named].sign(".".join(parts).encode(), key)
    return ".".join([*parts, urlsafe_b64encode(signature).rstrip(b"=").decode()])


@dataclass(frozen=True)
class Installed:
    """An app in an organisation, with what its vendor holds."""

    client: Client
    secret: str
    installation: Installation
    key: Key | None = None

    @property
    def id(self) -> str:
        return self.client.name


@dataclass
class Desk:
    """Everything a test of the authorization server needs. `web`: what answers at which address."""

    db: Database
    ledger: Ledger
    keys: KeyRing
    clock: Any
    web: dict[str, bytes] = field(default_factory=dict)
    fetched: list[str] = field(default_factory=list)
    apps: list[InstalledApp] = field(default_factory=list)
    people: dict[str, PersonFacts] = field(default_factory=dict)
    organisations: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.settings = Settings("sqlite://", None, "sqlite://", url=ISSUER)
        self.directory = Directory(lambda: self.apps)
        parts = (self.db, self.directory, self.ledger, self.clock)
        self.installing, self.leaving = Installing(*parts), Leaving(*parts)
        self.actions = PeopleActions(self.db, self.clock)
        self.objections = Objections(self.db, self.ledger, self.clock)
        self.credentials = Credentials(self.db, self.ledger, self.keys, self.clock, self.settings)
        self.server, self.tokens, self.http = self.host(self.db)
        self._numbers = itertools.count(1)

    def host(self, db: Database) -> tuple[OAuthServer, Tokens, httpx2.AsyncClient]:
        """A server, as another process of the same host would have it."""
        grants = Grants(db, self.keys.pairwise())
        server = OAuthServer(db, grants, self.keys, self.clock, self.settings, self.fetch)
        transport = httpx2.ASGITransport(Starlette(routes=endpoints(server)))
        http = httpx2.AsyncClient(transport=transport, base_url=ISSUER)
        return server, Tokens(db, grants, self.keys, self.clock), http

    async def fetch(self, url: str) -> bytes:
        self.fetched.append(url)
        if url not in self.web:
            raise HostError("outgoing_failed", "It does not answer.")
        return self.web[url]

    async def fill(self) -> None:
        def run(conn: Connection) -> None:
            for name in ("Harbour", "Quay"):
                organisation = organisations.create(conn, name, "Europe/Amsterdam", self.clock()).id
                self.organisations[name] = organisation
                for person, role in (("Ada", "admin"), ("Ben", "member")):
                    self.people[f"{name} {person}"] = self._add(conn, organisation, person, role, name)

        await self.db.write(run)

    def _add(self, conn: Connection, organisation: str, person: str, role: Any, host: str) -> PersonFacts:
        email = f"{person.lower()}@{host.lower()}.example"
        return people.add(conn, organisation, name=person, email=email, role=role, now=self.clock())

    def person(self, name: str = "Ben", organisation: str = "Harbour") -> PersonFacts:
        return self.people[f"{organisation} {name}"]

    def doer(self, name: str = "Ada", organisation: str = "Harbour") -> Doer:
        person = self.person(name, organisation)
        role: Role = person.role
        return Doer(self.organisations[organisation], person.id, role)

    def offer(self, **oauth: Any) -> str:
        """A new app in the directory; its id."""
        app_id = f"app-{next(self._numbers)}"
        manifest = Manifest.model_validate(
            {
                "sdk": 1,
                "id": app_id,
                "name": "Due Guard",
                "version": "1.0.0",
                "vendor": {
                    "name": "Acme",
                    "contact": "help@acme.example",
                    "privacy": "https://acme.example/privacy",
                    "country": "NL",
                },
                "scopes": {"required": {"tasks:read": "to see tasks"}, "optional": {"people:name": "to greet people"}},
                "hooks": {"installed": []},
                "retention_days": 30,
                "oauth": {"redirect_uris": [REDIRECT], **oauth},
            }
        )
        digest = f"sha256:{hashlib.sha256(app_id.encode()).hexdigest()}"
        package = app_id.replace("-", "_")
        self.apps.append(InstalledApp(app_id, package, None, f"acme-{app_id}", "1.0.0", digest, False, manifest, None))
        return app_id

    async def install(
        self,
        auth_method: str = "client_secret_basic",
        *,
        organisation: str = "Harbour",
        without: Collection[str] = (),
        key: Key | None = None,
        **oauth: Any,
    ) -> Installed:
        if auth_method == "private_key_jwt":
            key = key or ECKey.generate_key("P-256", {"kid": "one"})
            self.web[KEYS_URL] = json.dumps({"keys": [key.as_dict(private=False)]}).encode()
            oauth["jwks_uri"] = KEYS_URL
        app_id = self.offer(auth_method=auth_method, **oauth)
        return await self.install_offered(app_id, organisation=organisation, without=without, key=key)

    async def install_offered(
        self, app_id: str, *, organisation: str = "Harbour", without: Collection[str] = (), key: Key | None = None
    ) -> Installed:
        doer = self.doer(organisation=organisation)
        installation = await self.installing.install(doer, app_id, without=without)
        return await self.installed(installation, key)

    async def installed(self, installation: Installation, key: Key | None = None) -> Installed:
        issued = await self.credentials.issue(installation)
        client = await self.credentials.client(installation)
        return Installed(client, issued.client_secret, installation, key)

    async def current(self, installed: Installed) -> Installation:
        return await self.db.read(installations.get, installed.installation.organisation_id, installed.installation.id)

    async def named_by_url(self, installed: Installed) -> Client:
        organisation_id = installed.client.organisation_id
        found = await self.db.read(clients.by_metadata_url, METADATA_URL, organisation_id)
        return next(client for client in found if client.id == installed.client.id)

    # What a vendor's service sends

    signed = staticmethod(signed)

    def shown(self, installed: Installed, method: str | None = None) -> tuple[dict[str, str], dict[str, str]]:
        """Headers and parameters with which a client shows who it is."""
        method = method or installed.client.auth_method
        if method == "client_secret_basic":
            pair = f"{quote_plus(installed.id)}:{quote_plus(installed.secret)}"
            return {"authorization": f"Basic {b64encode(pair.encode()).decode()}"}, {}
        if method == "client_secret_post":
            return {}, {"client_id": installed.id, "client_secret": installed.secret}
        if method == "private_key_jwt":
            return {}, {"client_assertion_type": ASSERTION_TYPE, "client_assertion": self.assertion(installed)}
        return {}, {"client_id": installed.id}

    def assertion(self, installed: Installed, *, header: Mapping[str, Any] | None = None, **claims: Any) -> str:
        key = installed.key or ECKey.generate_key("P-256")
        now = int(self.clock().timestamp())
        said = {"iss": installed.id, "sub": installed.id, "aud": ISSUER, "iat": now, "exp": now + 60}
        said |= {"jti": new_secret("cs_"), **claims}
        named = {"alg": "ES256", "kid": key.get("kid"), **(header or {})}
        given = {name: value for name, value in said.items() if value is not None}
        return signed(key, {name: value for name, value in named.items() if value is not None}, given)

    async def post(
        self,
        path: str,
        installed: Installed | None = None,
        *,
        method: str | None = None,
        headers: Mapping[str, str] | None = None,
        http: httpx2.AsyncClient | None = None,
        **form: str | None,
    ) -> httpx2.Response:
        shown_headers, shown = self.shown(installed, method) if installed is not None else ({}, {})
        body = {**shown, **{name: value for name, value in form.items() if value is not None}}
        kind = {"content-type": "application/x-www-form-urlencoded"}
        sent = {**kind, **shown_headers, **(headers or {})}
        return await (http or self.http).post(path, content=urlencode(body), headers=sent)

    async def token(self, installed: Installed | None = None, **more: Any) -> httpx2.Response:
        """`grant_type` is client_credentials where nothing else is said."""
        return await self.post("/oauth/token", installed, **{"grant_type": "client_credentials", **more})

    async def access(self, installed: Installed, **more: Any) -> str:
        answer = await self.token(installed, **more)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    async def code(
        self,
        installed: Installed,
        *,
        person: PersonFacts | None = None,
        scopes: Collection[str] = GRANTED,
        given: bool = True,
        client: Client | None = None,
        dpop_thumbprint: str | None = None,
    ) -> str:
        """A code, as when a person agreed on the consent page."""
        person = person or self.person()
        return await self.db.write(
            codes.issue,
            client=client or installed.client,
            organisation_id=installed.client.organisation_id,
            person_id=person.id,
            scopes=scopes,
            redirect_uri=REDIRECT,
            redirect_uri_given=given,
            code_challenge=challenge(VERIFIER),
            notice_digest="sha256:words",
            dpop_thumbprint=dpop_thumbprint,
            now=self.clock(),
            lifetime=self.settings.lifetimes.code,
        )

    async def redeem(self, installed: Installed, code: str, **more: Any) -> httpx2.Response:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT, "code_verifier": VERIFIER}
        return await self.post("/oauth/token", installed, **{**form, **more})

    async def authorized(self, installed: Installed, **more: Any) -> dict[str, Any]:
        """What a token request with a fresh code answers."""
        answer = await self.redeem(installed, await self.code(installed, **more))
        assert answer.status_code == 200, answer.text
        said: dict[str, Any] = answer.json()
        return said

    async def refresh(self, installed: Installed, token: str, **more: Any) -> httpx2.Response:
        return await self.post(
            "/oauth/token", installed, **{"grant_type": "refresh_token", "refresh_token": token, **more}
        )

    async def rows(self, table: sa.Table) -> list[dict[str, Any]]:
        def run(conn: Connection) -> list[dict[str, Any]]:
            return [dict(row) for row in conn.execute(sa.select(table)).mappings()]

        return await self.db.read(run)


@pytest.fixture
async def desk(database: Database, ledger: Ledger, keys: KeyRing, clock: Any) -> AsyncIterator[Desk]:
    opened = Desk(database, ledger, keys, clock)
    await opened.fill()
    yield opened
    await opened.http.aclose()


@pytest.fixture
async def local(keys: KeyRing, clock: Any) -> AsyncIterator[Desk]:
    """As `desk`, in memory: for what does not depend on the database."""
    async with Database.open("sqlite://") as db:
        await db.write(metadata.create_all)
        subject_keys = SubjectKeys("sqlite://", keys)
        ledger = Ledger(db, keys, subject_keys, clock)
        opened = Desk(db, ledger, keys, clock)
        await opened.fill()
        yield opened
        await opened.http.aclose()
        await ledger.close()
        subject_keys.close()
