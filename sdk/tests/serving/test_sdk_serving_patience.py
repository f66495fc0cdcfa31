"""A body is read before anybody knows whose it is, so it is not waited for long."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

from assigntask_sdk.serving import site
from assigntask_sdk.wire import INSTALL_PATH


@pytest.mark.timeout(10)
@pytest.mark.parametrize("path", [INSTALL_PATH, "/hooks/report"])
async def test_a_body_that_does_not_come_is_not_waited_for(
    service: Any, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(sys.modules["assigntask_sdk.serving.site"], "SECONDS", 0.01)
    pieces: list[Any] = [{"type": "http.request", "body": b"{", "more_body": True}]
    sent: list[Any] = []

    async def receive() -> Any:
        if not pieces:
            await asyncio.Event().wait()
        return pieces.pop()

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": []}
    await site(service)(scope, receive, send)
    assert sent[0]["status"] == 408
    assert b'"code": "body_too_slow"' in sent[1]["body"]
