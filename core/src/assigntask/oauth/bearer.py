"""What a presented access token says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from assigntask.errors import HostError
from assigntask.events.fences import Fence
from assigntask.grants.grant import Actor

BearerKind = Literal["installation", "person", "call"]


@dataclass(frozen=True, slots=True)
class Bearer:
    """Made by `Tokens.check`, and true at the moment of that check only: check again for the next request.

    `actor` has the role of now. `scopes` is what the token is narrowed to; None: all that the grant has.
    `expires_at` is aware, in UTC. `goodbye`: a call's token in a notice of leaving, where ctx leads to the app's
    own storage, problems and log only. `fence`: a call's token in a notice is good for writing while that stands.
    """

    organisation_id: str
    installation_id: str
    client_id: str  # as the client names itself: an id or a metadata URL; "" for a call's token
    kind: BearerKind
    actor: Actor
    scopes: frozenset[str] | None
    expires_at: datetime
    dpop_thumbprint: str | None
    goodbye: bool = False
    fence: Fence | None = None


class InvalidToken(HostError):
    """Never says which of its reasons applies."""

    def __init__(self) -> None:
        super().__init__(
            "token_invalid",
            "This access token is unknown, expired or revoked. Ask the token endpoint for a new one.",
        )
