"""Person ids that differ per installation (pairwise: OpenID Connect Core 8.1): an id alone joins nothing."""

from __future__ import annotations

from base64 import b32encode
from hashlib import sha256
from hmac import digest as hmac_digest


def pairwise_id(key: bytes, credential: str, person_id: str, generation: int) -> str:
    """`credential` is the installation's, renewed when it is restored; `generation` counts withdrawals."""
    named = f"{credential}\0{person_id}\0{generation}".encode()
    return "p_" + b32encode(hmac_digest(key, named, sha256)[:16]).decode().rstrip("=").lower()
