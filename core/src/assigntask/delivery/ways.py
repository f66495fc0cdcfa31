"""The ways to an app's service: a post over HTTP, or a frame down the connection that the app itself opened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

from assigntask.errors import HostError
from assigntask.outgoing.client import Outgoing
from assigntask_sdk.wire import ANSWER_BYTES

ENVELOPE_BYTES = 1024
"""What an answer's envelope may add to it."""
LONGEST_ANSWER = ANSWER_BYTES + ENVELOPE_BYTES

Reason = Literal["timeout", "too_large", "unreachable", "disconnected"]


class WayFailed(Exception):
    """No answer came back. The message holds nothing that was sent or answered.

    `disconnected`: the connection ended while the app was being asked, so nobody knows whether it acted.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason: Reason = reason


class Way(Protocol):
    async def post(self, path: str, headers: Mapping[str, str], body: bytes, *, limit: float) -> tuple[int, bytes]:
        """Status and body, of LONGEST_ANSWER bytes at most, within `limit` seconds over all. Raises WayFailed."""
        ...


class HttpWay:
    """`base`: where the app serves, without a slash at the end."""

    def __init__(self, outgoing: Outgoing, base: str) -> None:
        self._outgoing, self._base = outgoing, base

    async def post(self, path: str, headers: Mapping[str, str], body: bytes, *, limit: float) -> tuple[int, bytes]:
        try:
            answer = await self._outgoing.post(
                self._base + path,
                body,
                headers={**headers, "Content-Type": "application/json"},
                limit_bytes=LONGEST_ANSWER,
                timeout=limit,
            )
        except HostError as error:
            raise WayFailed(_REASONS.get(error.code, "unreachable"), error.message) from None
        return answer.status, answer.body


_REASONS: Mapping[str, Reason] = {"outgoing_timeout": "timeout", "outgoing_too_large": "too_large"}
