"""A host that answers as it is told, in the client's own process."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from assigntask_sdk.client import Client, Patience, SyncClient, Token


class StandIn(httpx2.AsyncBaseTransport):
    """`answers`: each a response, an error to raise, or what makes one of the request; the last one stays."""

    def __init__(self) -> None:
        self.requests: list[httpx2.Request] = []
        self.waits: list[float] = []
        self.told: list[tuple[float, str]] = []
        self._answers: deque[Any] = deque([httpx2.Response(500)])

    def answers(self, *answers: Any) -> None:
        self._answers = deque(answers)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = self._answers.popleft() if len(self._answers) > 1 else self._answers[0]
        self.requests.append(request)
        if isinstance(answer, Exception):
            raise answer
        await request.aread()
        if callable(answer):
            answer = answer(request)
            if not isinstance(answer, httpx2.Response):
                answer = await answer
        assert isinstance(answer, httpx2.Response)
        # A copy: a response is used up by its reader.
        return httpx2.Response(answer.status_code, headers=answer.headers.raw, content=answer.content)

    @property
    def last(self) -> httpx2.Request:
        return self.requests[-1]

    def body(self, number: int = -1) -> Any:
        return json.loads(self.requests[number].content)

    def patience(self, **more: Any) -> Patience:
        async def sleep(seconds: float) -> None:
            self.waits.append(seconds)

        return Patience(sleep=sleep, **more)

    def client(self, auth: Any = None, *, kind: type[Any] = Client, **more: Any) -> Any:
        return kind(
            "https://host.example",
            auth or Token("at_secret"),
            transport=self,
            patience=self.patience(),
            on_wait=lambda seconds, error: self.told.append((seconds, error.code)),
            **more,
        )


@pytest.fixture
def host() -> StandIn:
    return StandIn()


@pytest.fixture
def sync_client(host: StandIn) -> Any:
    with host.client(kind=SyncClient) as client:
        yield client


@pytest.fixture
def says() -> Callable[..., httpx2.Response]:
    """`says(200, {…})`: a response with this JSON; `says(429, retry_after=3)`: one with this header."""

    def make(status: int, body: Any = None, **headers: Any) -> httpx2.Response:
        named = {name.replace("_", "-"): str(value) for name, value in headers.items()}
        return (
            httpx2.Response(status, json=body, headers=named)
            if body is not None
            else httpx2.Response(status, headers=named)
        )

    return make
