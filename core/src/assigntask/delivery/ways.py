"""The ways to an app's service: a post over HTTP, or a frame down the connection that the app itself opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from assigntask.errors import HostError
from assigntask.outgoing.client import Outgoing
from assigntask_sdk.wire import ANSWER_BYTES

ENVELOPE_BYTES = 1024
"""What an answer's envelope may add to it."""
LONGEST_ANSWER = ANSWER_BYTES + ENVELOPE_BYTES

Reason = Literal["timeout", "too_large", "unreachable", "broken_off", "disconnected"]


@dataclass(frozen=True, slots=True)
class Answered:
    """Of a body that is no success there is the beginning. `retry_after` is the header's text."""

    status: int
    body: bytes
    retry_after: str | None = None


class WayFailed(Exception):
    """No answer came back that can be used. The message holds nothing that was sent or answered.

    `unreachable`: there was no connection, so the app has nothing. `broken_off` and `disconnected`: it ended while the
    app was being asked, a post or a connection of the app's own, so nobody knows whether it acted. `too_large` alone
    has a `status`.
    """

    def __init__(self, reason: Reason, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.reason: Reason = reason
        self.status = status


class Way(Protocol):
    async def post(self, path: str, headers: Mapping[str, str], body: bytes, *, limit: float) -> Answered:
        """A body of LONGEST_ANSWER bytes at most, within `limit` seconds over all. Redirects are answers too.

        Raises WayFailed.
        """
        ...


class HttpWay:
    """`base`: where the app serves, without a slash at the end."""

    def __init__(self, outgoing: Outgoing, base: str) -> None:
        self._outgoing, self._base = outgoing, base

    async def post(self, path: str, headers: Mapping[str, str], body: bytes, *, limit: float) -> Answered:
        try:
            answer = await self._outgoing.post(
                self._base + path,
                body,
                headers={**headers, "Content-Type": "application/json"},
                limit_bytes=LONGEST_ANSWER,
                timeout=limit,
            )
        except HostError as error:
            raise WayFailed(_reason(error), error.message, error.facts.get("status")) from None
        return Answered(answer.status, answer.body, answer.headers.get("retry-after"))


def _reason(error: HostError) -> Reason:
    if error.code == "outgoing_failed" and error.facts.get("connected"):
        return "broken_off"
    return _REASONS.get(error.code, "unreachable")


_REASONS: Mapping[str, Reason] = {"outgoing_timeout": "timeout", "outgoing_too_large": "too_large"}
