"""Tokens of one hook call to a remote app: sealed, not stored, and gone with the call.

Text: `ct_` and base64url of 02 ‖ nonce (12) ‖ AES-256-GCM with its tag over a JSON array. Sealed and not merely
signed, because the host's own ids are in it, and a remote app knows people by its pairwise ids alone.
"""

from __future__ import annotations

import json
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from assigntask.events.fences import Fence
from assigntask.grants.grant import ActorKind
from assigntask.oauth.bearer import InvalidToken

PREFIX = "ct_"
KEY_USE = "call tokens"
"""What `KeyRing.derived` is asked for."""

_VERSION = b"\x02"
_NONCE_BYTES = 12
_LONGEST = 1024


@dataclass(frozen=True, slots=True)
class CallToken:
    """`expires_at` is aware, in UTC, in whole seconds. `fence`: of the delivery that is told; a question has none."""

    organisation_id: str
    installation_id: str
    credential: str
    actor_kind: ActorKind
    person_id: str | None
    goodbye: bool
    expires_at: datetime
    fence: Fence | None = None


def mint(
    keys: Sequence[bytes],
    *,
    organisation_id: str,
    installation_id: str,
    credential: str,
    actor_kind: ActorKind,
    person_id: str | None,
    goodbye: bool,
    expires_at: datetime,
    fence: Fence | None = None,
) -> str:
    """`keys` are `KeyRing.derived(KEY_USE)`; the first one seals. A part of a second counts as a whole one."""
    until = -int(-expires_at.timestamp() // 1)
    turn = None if fence is None else [fence.delivery_id, fence.leased_until.isoformat()]
    said = [organisation_id, installation_id, credential, actor_kind, person_id, goodbye, until, turn]
    nonce = os.urandom(_NONCE_BYTES)
    sealed = AESGCM(keys[0]).encrypt(nonce, json.dumps(said, separators=(",", ":")).encode(), _VERSION)
    return PREFIX + urlsafe_b64encode(_VERSION + nonce + sealed).decode().rstrip("=")


def read(keys: Sequence[bytes], text: str) -> CallToken:
    """Opens what any of the keys sealed; whether it has expired is the caller's to see. Raises InvalidToken."""
    if not text.startswith(PREFIX) or len(text) > _LONGEST or not text.isascii():
        raise InvalidToken
    body = text[len(PREFIX) :]
    try:
        raw = urlsafe_b64decode(body + "=" * (-len(body) % 4))
    except ValueError:
        raise InvalidToken from None
    # Base64 has several spellings of the same bytes, and leaves out characters that it does not know.
    if raw[:1] != _VERSION or urlsafe_b64encode(raw).decode().rstrip("=") != body:
        raise InvalidToken
    nonce, sealed = raw[1 : 1 + _NONCE_BYTES], raw[1 + _NONCE_BYTES :]
    for key in keys:
        try:
            said = json.loads(AESGCM(key).decrypt(nonce, sealed, _VERSION))
        except (InvalidTag, ValueError):
            continue
        organisation_id, installation_id, credential, actor_kind, person_id, goodbye, until, turn = said
        expires_at = datetime.fromtimestamp(until, UTC)
        fence = None if turn is None else Fence(organisation_id, turn[0], datetime.fromisoformat(turn[1]))
        return CallToken(
            organisation_id, installation_id, credential, actor_kind, person_id, goodbye, expires_at, fence
        )
    raise InvalidToken
