"""Secrets that are handed out once and kept as digests: they are random, so nothing slower than SHA-256 is needed."""

from __future__ import annotations

import secrets
from hashlib import sha256
from typing import Literal

Prefix = Literal["at_", "rt_", "ac_", "cs_", "ck_", "pr_"]
"""Access token, refresh token, authorization code, client secret, connection key, pushed request."""

ENTROPY_BYTES = 32
TEXT_LENGTH = 3 + 43
"""Characters of every secret: its prefix, and 32 bytes in base64url without padding."""


def new_secret(prefix: Prefix) -> str:
    """256 random bits behind a prefix that tells people, and scanners for leaks, what they look at."""
    return prefix + secrets.token_urlsafe(ENTROPY_BYTES)


def digest(text: str) -> str:
    """SHA-256 in 64 characters of hex: what is stored in a secret's place."""
    return sha256(text.encode()).hexdigest()
