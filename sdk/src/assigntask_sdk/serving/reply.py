"""What the service answers to a post, over HTTP or over a websocket."""

from __future__ import annotations

import http
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

JSON = "application/json"
PROBLEM = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Reply:
    """`after` is to be run once the reply has been sent."""

    status: int
    body: bytes = b""
    media_type: str = JSON
    after: Callable[[], Awaitable[None]] | None = None


class Refusal(Exception):
    """A post that is not acted on. The message holds nothing that the sender chose."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    def reply(self) -> Reply:
        """As a problem document (RFC 9457)."""
        body = {
            "type": "about:blank",
            "title": http.HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.message,
            "code": self.code,
        }
        return Reply(self.status, json.dumps(body).encode(), PROBLEM)
