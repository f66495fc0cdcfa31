"""Client assertions: RFC 7523, section 3, as RFC 9700 and FAPI 2.0 narrow it. Pure; replay is `seen`'s to refuse."""

from __future__ import annotations

import json
import math
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

from assigntask.oauth.presenting import LONGEST_ASSERTION

ALGORITHMS = ("ES256", "Ed25519", "EdDSA", "PS256", "RS256")
"""For `token_endpoint_auth_signing_alg_values_supported`."""

LONGEST_LIFE = timedelta(minutes=5)
SKEW = timedelta(seconds=30)
"""How much earlier or later than ours a client's clock may be."""

LONGEST_JTI = 128
LEAST_RSA_BITS = 2048

Key: TypeAlias = ECKey | OKPKey | RSAKey

_KINDS: Mapping[str, type[Key]] = {
    "ES256": ECKey,
    "Ed25519": OKPKey,
    "EdDSA": OKPKey,
    "PS256": RSAKey,
    "RS256": RSAKey,
}


class AssertionRefused(Exception):
    """`str()` completes "The client assertion is refused: ", in printable ASCII."""


@dataclass(frozen=True, slots=True)
class Assertion:
    """`jti` counts once for its client until `expires_at`, which is aware, in UTC."""

    client_id: str
    jti: str
    expires_at: datetime


def keys_of(body: bytes) -> tuple[Key, ...]:
    """The public keys of a JWK set that an assertion may be signed with; others are passed over. Raises ValueError."""
    try:
        listed = json.loads(body)["keys"]
        candidates = [each for each in listed if isinstance(each, dict)]
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError("not a JWK set") from error
    found = (_key(each) for each in candidates)
    return tuple(key for key in found if key is not None)


def verify(text: str, *, client_id: str, audiences: Sequence[str], keys: Sequence[Key], now: datetime) -> Assertion:
    """Signed with one of the keys, for this host, about this client, and short-lived. Raises AssertionRefused."""
    if len(text) > LONGEST_ASSERTION or not text.isascii():
        raise AssertionRefused(f"it has at most {LONGEST_ASSERTION} ASCII characters")
    claims = _opened(text, keys)
    if claims.get("iss") != client_id or claims.get("sub") != client_id:
        raise AssertionRefused("its iss and sub are both the client's id")
    said = claims.get("aud")
    for_whom = [said] if isinstance(said, str) else said
    if not isinstance(for_whom, list) or not any(audience in for_whom for audience in audiences):
        raise AssertionRefused(f"its aud is {audiences[0]}")
    return Assertion(client_id, _jti(claims), _expiry(claims, now))


def key_id(text: str) -> str | None:
    """The `kid` that an assertion names, if it names one."""
    kid = _part(text, 0).get("kid")
    return kid if isinstance(kid, str) else None


def _opened(text: str, keys: Sequence[Key]) -> Mapping[str, Any]:
    header = _part(text, 0)
    if header.get("alg") not in ALGORITHMS:
        raise AssertionRefused(f"it is a JWT that is signed with one of {', '.join(ALGORITHMS)}")
    if "crit" in header or "b64" in header:
        raise AssertionRefused("its header asks for extensions that are not known here")
    signed, _, signature = text.rpartition(".")
    # Not through the library's door, which warns whoever runs the host of algorithms that clients choose.
    algorithm = jws.JWSRegistry.algorithms[header["alg"]]
    for key in keys:
        if _fits(key, header) and _signed(algorithm, signed, signature, key):
            return _part(text, 1)
    raise AssertionRefused("no key of the client's jwks_uri signed it")


def _signed(algorithm: Any, text: str, signature: str, key: Key) -> bool:
    try:
        return bool(algorithm.verify(text.encode(), _raw(signature), key))
    except (JoseError, ValueError):
        return False


def _part(text: str, at: int) -> Mapping[str, Any]:
    """The header or the claims of a compact JWT; empty for what is none."""
    parts = text.split(".")
    if len(parts) != 3:
        return {}
    try:
        found = json.loads(_raw(parts[at]))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _raw(part: str) -> bytes:
    """Raises ValueError for what is not base64url."""
    return b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)


def _fits(key: Key, header: Mapping[str, Any]) -> bool:
    """A key may say which assertions it is for: RFC 7517, sections 4.4 and 4.5."""
    named, algorithm = key.get("kid"), header["alg"]
    if "kid" in header and named is not None and named != header["kid"]:
        return False
    if key.get("alg") not in (None, algorithm):
        return False
    return isinstance(key, _KINDS[algorithm])


def _key(jwk: dict[str, Any]) -> Key | None:
    if jwk.get("use", "sig") != "sig":
        return None
    try:
        key = KeySet.import_key_set({"keys": [jwk]}).keys[0]
    except Exception:  # whatever a library makes of numbers that are no key
        return None
    if isinstance(key, RSAKey):
        return key if key.public_key.key_size >= LEAST_RSA_BITS else None
    if isinstance(key, ECKey):
        return key if key.curve_name == "P-256" else None
    if isinstance(key, OKPKey):
        return key if jwk.get("crv") == "Ed25519" else None
    return None


def _jti(claims: Mapping[str, Any]) -> str:
    jti = claims.get("jti")
    if not (isinstance(jti, str) and 0 < len(jti) <= LONGEST_JTI and jti.isprintable()):
        raise AssertionRefused(f"its jti is a text of 1 to {LONGEST_JTI} characters, new for each request")
    return jti


def _expiry(claims: Mapping[str, Any], now: datetime) -> datetime:
    expires_at = _moment(claims, "exp")
    if expires_at is None:
        raise AssertionRefused("its exp is the number of seconds since 1970 until which it holds")
    if expires_at + SKEW <= now:
        raise AssertionRefused("it has expired. Make a new one for each request")
    if expires_at > now + LONGEST_LIFE + SKEW:
        raise AssertionRefused("it holds for more than 5 minutes. Make a new one for each request")
    for name in ("iat", "nbf"):
        moment = _moment(claims, name)
        if (moment is None and name in claims) or (moment is not None and moment > now + SKEW):
            raise AssertionRefused(f"its {name} is not a moment of the past")
    return expires_at + SKEW


def _moment(claims: Mapping[str, Any], name: str) -> datetime | None:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, ValueError, OSError):
        return None
