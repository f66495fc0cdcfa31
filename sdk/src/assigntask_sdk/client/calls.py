"""Calls of the API: the token, the tries, the waits; an answer, or the error that it stands for."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import random
import re
import time
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias
from uuid import uuid4

import httpx2

from ..errors import AppError, Invalid, NotFound
from .access import Auth
from .address import token_url
from .failures import ApiError, failure, token_failure, unreachable
from .retrying import Broken, Patience, retry, seconds_of

OnWait: TypeAlias = Callable[[float, AppError], None]
"""Told before each wait how many seconds it takes, and the error because of which."""

Params: TypeAlias = Sequence[tuple[str, str]]
_ID = re.compile(r"[\x21-\x7e]{1,255}")
_UNSENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError)


@dataclass(frozen=True, slots=True)
class Call:
    """One request below the API's address. `body`: JSON as bytes, or a stream, which can be sent once.

    `idempotent`: doing it twice does no harm, by its nature or for its Idempotency-Key.
    """

    method: str
    path: str
    params: Params = ()
    body: bytes | AsyncIterable[bytes] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    idempotent: bool = False


class Calls:
    """Makes calls with one Auth, as one person or as the installation itself."""

    def __init__(
        self,
        http: httpx2.AsyncClient,
        api: str,
        auth: Auth,
        *,
        person: str | None,
        patience: Patience,
        on_wait: OnWait | None,
    ) -> None:
        self._http, self._auth = http, auth
        self._patience, self._on_wait = patience, on_wait
        self.api = api
        self.person = person
        self.url = token_url(api)

    def __repr__(self) -> str:
        return f"Calls({self.api!r})"

    def with_person(self, person: str | None) -> Calls:
        return Calls(self._http, self.api, self._auth, person=person, patience=self._patience, on_wait=self._on_wait)

    def with_auth(self, auth: Auth) -> Calls:
        return Calls(self._http, self.api, auth, person=self.person, patience=self._patience, on_wait=self._on_wait)

    async def get(self, path: str, params: Params = ()) -> Any:
        """The JSON of the answer."""
        return _read(await self._answer(Call("GET", path, params)))

    async def post(self, path: str, body: Mapping[str, Any] | None = None, *, idempotent: bool = False) -> Any:
        """With an Idempotency-Key, kept over its tries, unless it is `idempotent` by its nature or by a key in it."""
        headers = {} if idempotent else {"idempotency-key": uuid4().hex}
        return _read(await self._answer(_with_json("POST", path, body, headers, idempotent=True)))

    async def put(self, path: str, body: Mapping[str, Any]) -> Any:
        return _read(await self._answer(_with_json("PUT", path, body, {}, idempotent=True)))

    async def patch(self, path: str, body: Mapping[str, Any], *, if_version: int | None = None) -> Any:
        # Of a tag of the host's the number in front is the version; what follows makes no difference here.
        headers = {} if if_version is None else {"if-match": f'"{if_version}-any"'}
        return _read(await self._answer(_with_json("PATCH", path, body, headers, idempotent=False)))

    async def delete(self, path: str) -> None:
        await self._answer(Call("DELETE", path))

    async def upload(self, path: str, params: Params, content: AsyncIterable[bytes]) -> Any:
        headers = {"content-type": "application/octet-stream"}
        return _read(await self._answer(Call("POST", path, params, _Once(content), headers)))

    async def download(self, path: str) -> AsyncGenerator[bytes, None]:
        """The body in parts, as they arrive. The call is tried again only until the first part is there."""
        async with self._opened(Call("GET", path), stream=True) as response:
            try:
                async for part in response.aiter_bytes():
                    yield part
            except httpx2.TransportError:
                raise unreachable("unanswered", self._host()) from None

    async def ask(
        self, made: Callable[[], tuple[Mapping[str, str], Mapping[str, str]]], *, url: str, idempotent: bool
    ) -> Mapping[str, Any]:
        """As `access.TokenEndpoint` says."""

        async def once() -> httpx2.Response | Broken:
            headers, form = made()
            return await self._sent(self._http.build_request("POST", url, data=dict(form), headers=headers), False)

        response = await self._tried("POST", idempotent, once, token_failure)
        answer = _read(response)
        if not isinstance(answer, Mapping):
            raise ApiError("token_answer_invalid", "The token endpoint answered with no token: is token_url right?")
        return answer

    async def _answer(self, call: Call) -> httpx2.Response:
        async with self._opened(call, stream=False) as response:
            return response

    @asynccontextmanager
    async def _opened(self, call: Call, *, stream: bool) -> AsyncIterator[httpx2.Response]:
        """A good answer, closed in the end."""
        refused: str | None = None

        async def once() -> httpx2.Response | Broken:
            nonlocal refused
            token = await self._auth.token(self, refused)
            response = await self._sent(self._request(call, token or refused or ""), stream)
            renewable = refused is None and token is not None and not _is_stream(call)
            if not (renewable and isinstance(response, httpx2.Response) and _token_refused(response)):
                return response
            refused = token
            fresh = await self._auth.token(self, refused)
            if fresh is None:
                return response
            await response.aclose()
            return await self._sent(self._request(call, fresh), stream)

        idempotent = call.idempotent and not _is_stream(call)
        response = await self._tried(call.method, idempotent, once, failure, lambda: _repeatable(call))
        try:
            yield response
        finally:
            await response.aclose()

    async def _tried(
        self,
        method: str,
        idempotent: bool,
        once: Callable[[], Any],
        fault: Callable[..., AppError],
        repeatable: Callable[[], bool] = lambda: True,
    ) -> httpx2.Response:
        attempt, waited = 0, 0.0
        while True:
            attempt += 1
            began = time.monotonic()
            outcome: httpx2.Response | Broken = await once()
            if isinstance(outcome, httpx2.Response) and outcome.is_success:
                return outcome
            error, header = await self._failed(outcome, fault)
            if method == "DELETE" and attempt > 1 and isinstance(error, NotFound):
                assert isinstance(outcome, httpx2.Response)  # noqa: S101 - for the type checker
                return outcome  # the try before was heard: it is gone
            wait = None
            if repeatable():
                wait = retry(
                    attempt,
                    method,
                    idempotent=idempotent,
                    failure=outcome.status_code if isinstance(outcome, httpx2.Response) else outcome,
                    retry_after=header,
                    now=dt.datetime.now(dt.UTC),
                    waited=waited + time.monotonic() - began,
                    jitter=random.random(),  # noqa: S311 - spreads the load, guards nothing
                    patience=self._patience,
                )
            if wait is None:
                raise error
            if self._on_wait is not None:
                self._on_wait(wait, error)
            await (self._patience.sleep or asyncio.sleep)(wait)
            waited += wait + time.monotonic() - began

    async def _failed(
        self, outcome: httpx2.Response | Broken, fault: Callable[..., AppError]
    ) -> tuple[AppError, str | None]:
        """The error, and the header Retry-After."""
        if not isinstance(outcome, httpx2.Response):
            return unreachable(outcome, self._host()), None
        body = b""
        try:
            body = await outcome.aread()
        except (httpx2.TransportError, httpx2.DecodingError):
            pass  # the status alone tells enough
        finally:
            await outcome.aclose()
        header = outcome.headers.get("retry-after")
        after = seconds_of(header, dt.datetime.now(dt.UTC))
        if outcome.is_redirect and fault is failure:
            return failure(outcome.status_code, body, after=after, location=outcome.headers.get("location")), header
        return fault(outcome.status_code, body, after=after), header

    async def _sent(self, request: httpx2.Request, stream: bool) -> httpx2.Response | Broken:
        try:
            return await self._http.send(request, stream=stream, follow_redirects=False)
        except _UNSENT:
            return "unsent"
        except (httpx2.TransportError, httpx2.DecodingError):
            return "unanswered"

    def _request(self, call: Call, token: str) -> httpx2.Request:
        url = self.api + call.path
        headers = {**call.headers, **self._auth.headers(token, call.method, url)}
        if self.person is not None:
            if not _ID.fullmatch(self.person):
                raise NotFound("There is no such person, or this app may not know of them.")
            headers["assigntask-person"] = self.person
        try:
            return self._http.build_request(
                call.method, url, params=list(call.params) or None, content=call.body, headers=headers
            )
        except UnicodeEncodeError:
            raise Invalid({"text": "this is no text: it holds half a character (a lone surrogate)"}) from None

    def _host(self) -> str:
        return httpx2.URL(self.api).host


class _Once:
    """A stream, and whether it was begun: from then on it can't be sent again."""

    def __init__(self, content: AsyncIterable[bytes]) -> None:
        self._content = content
        self.begun = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.begun = True
        async for part in self._content:
            yield part


def as_json(body: Mapping[str, Any]) -> bytes:
    """Raises Invalid where it can't be JSON."""
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise Invalid({"body": f"this can't be sent as JSON: {type(error).__name__}"}) from None


def _with_json(
    method: str, path: str, body: Mapping[str, Any] | None, headers: Mapping[str, str], *, idempotent: bool
) -> Call:
    call = Call(method, path, headers=headers, idempotent=idempotent)
    if body is None:
        return call
    return replace(call, body=as_json(body), headers={**headers, "content-type": "application/json"})


def _read(response: httpx2.Response) -> Any:
    if not response.content:
        return None
    try:
        return response.json()
    except (ValueError, RecursionError):
        message = "The answer is no JSON: is base_url the address of the API?"
        raise ApiError("answer_invalid", message, status=response.status_code) from None


def _token_refused(response: httpx2.Response) -> bool:
    return response.status_code == 401 and "invalid_token" in response.headers.get("www-authenticate", "")


def _is_stream(call: Call) -> bool:
    return isinstance(call.body, _Once)


def _repeatable(call: Call) -> bool:
    return not (isinstance(call.body, _Once) and call.body.begun)
