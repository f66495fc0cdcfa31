"""A form that does not come is not waited for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.types import Message

from assigntask.oauth import endpoints
from assigntask.oauth.exchange import Answer


@pytest.mark.timeout(10)
async def test_a_form_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "SECONDS", 0.01)
    sent: list[Message] = []
    pieces: list[Message] = [{"type": "http.request", "body": b"grant_type=", "more_body": True}]

    async def receive() -> Message:
        if not pieces:
            await asyncio.Event().wait()
        return pieces.pop()

    async def send(message: Message) -> None:
        sent.append(message)

    async def nobody(_: Any) -> Answer:
        raise AssertionError("there is nothing to answer")

    headers = [(b"content-type", b"application/x-www-form-urlencoded")]
    scope = {"type": "http", "method": "POST", "path": "/oauth/token", "query_string": b"", "headers": headers}
    await endpoints.FormEndpoint(nobody)(scope, receive, send)
    assert sent[0]["status"] == 408
    assert b'"error":"invalid_request"' in sent[1]["body"]
