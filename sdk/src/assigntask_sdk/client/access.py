"""Who calls: a token that is at hand, or one that is fetched, and renewed before and when it ends."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import inspect
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import quote_plus

from .address import checked
from .failures import ApiError

LEEWAY = 30.0  # seconds before its end from which on a token is renewed, or a tenth of its life where that is less


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the host gave. `expires_at` is aware; `scopes` what the access token opens, None where the host left it out.

    Keep `refresh_token` where secrets are kept: it is used once, and the next `Tokens` bring another.
    """

    access_token: str = field(repr=False)
    expires_at: dt.datetime
    refresh_token: str | None = field(default=None, repr=False)
    scopes: frozenset[str] | None = None


OnRotated = Callable[[Tokens], Awaitable[None] | None]


class TokenEndpoint(Protocol):
    """The way to the host's token endpoint."""

    @property
    def url(self) -> str:
        """The one that goes with the API; an Auth may know another."""
        ...

    async def ask(
        self, made: Callable[[], tuple[Mapping[str, str], Mapping[str, str]]], *, url: str, idempotent: bool
    ) -> Mapping[str, Any]:
        """The members of its answer. `made` gives headers and form anew for each try: proofs are good for one.

        Raises ApiError with OAuth's error as its code, TryLater.
        """
        ...


class BindingKey(Protocol):
    """Binds tokens to a key (RFC 9449): `proofs.SigningKey`."""

    def proof(self, method: str, url: str, access_token: str | None) -> str: ...


class Auth(ABC):
    """Gives the token for each call. One belongs to one client (and what comes of its `as_person`)."""

    @abstractmethod
    async def token(self, endpoint: TokenEndpoint, refused: str | None = None) -> str | None:
        """`refused`: the token that the host just refused; None comes back where there is no other."""

    def headers(self, token: str, method: str, url: str) -> Mapping[str, str]:
        """What goes with a call at this address, so that the host takes the token."""
        return {"authorization": f"Bearer {token}"}


class Token(Auth):
    """A token that somebody else renews, such as that of one hook call."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "Token(…)"

    async def token(self, endpoint: TokenEndpoint, refused: str | None = None) -> str | None:
        return None if refused == self._text else self._text


class ClientProof(Protocol):
    """How a client proves to the token endpoint who it is."""

    def __call__(self, url: str) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """The headers and the fields of the form to add, for the endpoint at this address."""
        ...


class BasicSecret:
    """`client_secret_basic` (RFC 6749, 2.3.1)."""

    def __init__(self, client_id: str, client_secret: str) -> None:
        self._header = _basic(client_id, client_secret)

    def __repr__(self) -> str:
        return "BasicSecret(…)"

    def __call__(self, url: str) -> tuple[Mapping[str, str], Mapping[str, str]]:
        return {"authorization": self._header}, {}


class NoSecret:
    """A client that can keep no secret names itself only."""

    def __init__(self, client_id: str) -> None:
        self._client_id = client_id

    def __call__(self, url: str) -> tuple[Mapping[str, str], Mapping[str, str]]:
        return {}, {"client_id": self._client_id}


class Renewing(Auth):
    """Holds the newest tokens. Calls at the same time wait for one renewal; none makes a second."""

    def __init__(self, proof: ClientProof, held: Tokens | None, token_url: str | None, dpop: BindingKey | None) -> None:
        self._proof = proof
        self._dpop = dpop
        self._held = held
        self._token_url = None if token_url is None else checked(token_url, "token_url")
        self._renewal = asyncio.Lock()
        self._renew_at = None if held is None else held.expires_at - dt.timedelta(seconds=LEEWAY)

    async def token(self, endpoint: TokenEndpoint, refused: str | None = None) -> str | None:
        held = self._current(refused)
        if held is None:
            async with self._renewal:
                held = self._current(refused)
                if held is None:
                    held = self._held = await self._renewed(endpoint)
        return held.access_token

    def headers(self, token: str, method: str, url: str) -> Mapping[str, str]:
        if self._dpop is None:
            return super().headers(token, method, url)
        return {"authorization": f"DPoP {token}", "dpop": self._dpop.proof(method, url, token)}

    @abstractmethod
    async def _renewed(self, endpoint: TokenEndpoint) -> Tokens: ...

    async def _ask(self, endpoint: TokenEndpoint, form: Mapping[str, str], *, idempotent: bool) -> Tokens:
        url = self._token_url or endpoint.url

        def made() -> tuple[Mapping[str, str], Mapping[str, str]]:
            headers, proof = self._proof(url)
            bound = {} if self._dpop is None else {"dpop": self._dpop.proof("POST", url, None)}
            return {**headers, **bound}, {**form, **proof}

        asked_at = dt.datetime.now(dt.UTC)
        answer = await endpoint.ask(made, url=url, idempotent=idempotent)
        tokens, life = _tokens(answer, asked_at, "bearer" if self._dpop is None else "dpop")
        self._renew_at = tokens.expires_at - dt.timedelta(seconds=min(LEEWAY, life / 10))
        return tokens

    def _current(self, refused: str | None) -> Tokens | None:
        """The tokens that are held, unless they are refused or about to end."""
        held = self._held
        if held is None or held.access_token == refused:
            return None
        late = self._renew_at is not None and dt.datetime.now(dt.UTC) >= self._renew_at
        return None if late else held


class ClientCredentials(Renewing):
    """The installation as itself, with the client id and secret that an admin handed over (RFC 6749, 4.4).

    `scopes` narrows what the tokens open; None: all that was granted. `token_url`: left out, the one beside the API.
    `proof` takes the secret's place where the client proves itself otherwise, and `dpop` is the key to which the tokens
    are bound (both: `assigntask_sdk.client.proofs`).
    """

    def __init__(
        self,
        client_id: str,
        client_secret: str | None = None,
        *,
        scopes: Collection[str] | None = None,
        token_url: str | None = None,
        proof: ClientProof | None = None,
        dpop: BindingKey | None = None,
    ) -> None:
        super().__init__(proof or _proof_of(client_id, client_secret), None, token_url, dpop)
        self._client_id = client_id
        self._scopes = scopes

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._client_id!r})"

    async def _renewed(self, endpoint: TokenEndpoint) -> Tokens:
        form = {"grant_type": "client_credentials"}
        if self._scopes is not None:
            form["scope"] = " ".join(sorted(self._scopes))
        return await self._ask(endpoint, form, idempotent=True)


class Refreshing(Renewing):
    """A person through the app, by the refresh token of their authorisation (RFC 6749, 6).

    Each refresh token is good for one use. `on_rotated` gets the new ones and is awaited before they are used: keep
    them there. Where it fails, its error is raised, and the next call hands it the same tokens again. `access_token`
    and its `expires_at` (aware) spare the first renewal, where they were kept. `proof` and `dpop` as above; the key has
    to be the same in each process that uses the tokens.
    """

    def __init__(
        self,
        client_id: str,
        client_secret: str | None = None,
        *,
        refresh_token: str,
        on_rotated: OnRotated,
        access_token: str | None = None,
        expires_at: dt.datetime | None = None,
        token_url: str | None = None,
        proof: ClientProof | None = None,
        dpop: BindingKey | None = None,
    ) -> None:
        held = None
        if access_token is not None and expires_at is not None:
            held = Tokens(access_token, expires_at, refresh_token)
        super().__init__(proof or _proof_of(client_id, client_secret), held, token_url, dpop)
        self._client_id = client_id
        self._refresh_token = refresh_token
        self._on_rotated = on_rotated
        self._unkept: Tokens | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._client_id!r})"

    async def _renewed(self, endpoint: TokenEndpoint) -> Tokens:
        if self._unkept is None:
            # Never repeated: a token that comes twice is taken for stolen.
            form = {"grant_type": "refresh_token", "refresh_token": self._refresh_token}
            self._unkept = await self._ask(endpoint, form, idempotent=False)
            self._refresh_token = self._unkept.refresh_token or self._refresh_token
        tokens = self._unkept
        kept = self._on_rotated(tokens)
        if inspect.isawaitable(kept):
            await kept
        self._unkept = None
        return tokens


def _proof_of(client_id: str, client_secret: str | None) -> ClientProof:
    return NoSecret(client_id) if client_secret is None else BasicSecret(client_id, client_secret)


def _basic(client_id: str, client_secret: str) -> str:
    pair = f"{quote_plus(client_id)}:{quote_plus(client_secret)}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def _tokens(answer: Mapping[str, Any], asked_at: dt.datetime, kind: str) -> tuple[Tokens, float]:
    """The tokens, and the seconds that they live. `kind`: their type. Raises ApiError `token_answer_invalid`."""
    access, refresh, scope = (answer.get(name) for name in ("access_token", "refresh_token", "scope"))
    life = answer.get("expires_in", 3600)
    given = str(answer.get("token_type", kind)).lower()
    known = (
        given == kind and isinstance(access, str) and isinstance(refresh, str | None) and isinstance(scope, str | None)
    )
    if not known or isinstance(life, bool) or not isinstance(life, int | float) or not 0 < life < 10**9:
        raise ApiError("token_answer_invalid", "The token endpoint answered with no token: is token_url right?")
    scopes = None if scope is None else frozenset(scope.split())
    return Tokens(str(access), asked_at + dt.timedelta(seconds=life), refresh, scopes), float(life)
