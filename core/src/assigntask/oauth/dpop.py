"""Proofs that a caller holds the key which its token is bound to: RFC 9449. Pure; replay is `seen`'s to refuse."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from assigntask.errors import HostError

ALGORITHMS = ("ES256", "Ed25519", "EdDSA", "PS256", "RS256")
"""For `dpop_signing_alg_values_supported` (section 5.1)."""

TOLERANCE = dt.timedelta(minutes=5)
"""How far a proof's moment may lie from ours, either way; a proof that was seen is remembered as long."""

LONGEST_PROOF = 8192  # an RSA key of 4096 bits and a long address fit in less
LONGEST_JTI = 128

Key: TypeAlias = ECKey | OKPKey | RSAKey

_PORTS = {"http": 80, "https": 443}
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_KINDS: Mapping[str, type[Key]] = {
    "ES256": ECKey,
    "Ed25519": OKPKey,
    "EdDSA": OKPKey,
    "PS256": RSAKey,
    "RS256": RSAKey,
}
_RSA_BITS = range(2048, 4097)
_EXPONENT_BITS = 32
"""Of the public one: with a long one it takes us as much to check a proof as it takes to sign one."""
_ENCODED = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


class DPoPError(HostError):
    """A proof that proves nothing. `code` is the error of RFC 9449, section 5."""

    def __init__(self, message: str) -> None:
        super().__init__("invalid_dpop_proof", f"The DPoP proof can't be taken: {message}.")


@dataclass(frozen=True, slots=True)
class Proof:
    """`thumbprint`: of the key, RFC 7638 with SHA-256, 43 characters. `issued_at`: aware, in UTC.

    Each `jti` counts once for its key: remember it until `issued_at + TOLERANCE`.
    """

    thumbprint: str
    jti: str
    issued_at: dt.datetime

    @property
    def forgettable_at(self) -> dt.datetime:
        """From then on the proof is too old to be taken, seen before or not."""
        return self.issued_at + TOLERANCE


def verify(proof: str, *, method: str, url: str, now: dt.datetime, access_token: str | None) -> Proof:
    """Checks a `DPoP` header against the request that carries it: RFC 9449, section 4.3.

    `url`: of the request, as the outside sees it. `access_token`: the one that came with it, None at the token
    endpoint. Raises DPoPError.
    """
    if not proof.isascii() or len(proof) > LONGEST_PROOF:
        raise DPoPError(f"it has at most {LONGEST_PROOF} ASCII characters")
    parts = proof.split(".")
    if len(parts) != 3:
        raise DPoPError("it is one JWT in compact form, and one DPoP header carries it")
    header, claims = _json(parts[0], "header"), _json(parts[1], "payload")
    key = _key(header)
    _signed(proof, header, key)
    jti = _jti(claims)
    _request(claims, method, url)
    issued_at = _issued_at(claims, now)
    _token(claims, access_token)
    return Proof(key.thumbprint(), jti, issued_at)


def token_hash(access_token: str) -> str:
    """The `ath` of an access token: section 4.2."""
    return _encoded(hashlib.sha256(access_token.encode()).digest())


def normalised(url: str) -> str:
    """Without query and fragment; case, port and percent-encoding as in RFC 3986, section 6.2.2 and 6.2.3.

    Raises ValueError for what is no http address, or names a user.
    """
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    if scheme not in _PORTS or not parts.hostname or "@" in parts.netloc:
        raise ValueError("not an http address")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = "" if parts.port in (None, _PORTS[scheme]) else f":{parts.port}"
    return f"{scheme}://{host}{port}{_ENCODED.sub(_decoded_if_unreserved, parts.path) or '/'}"


def _decoded_if_unreserved(found: re.Match[str]) -> str:
    character = chr(int(found[1], 16))
    return character if character in _UNRESERVED else found[0].upper()


def _json(part: str, what: str) -> Mapping[str, Any]:
    try:
        value = json.loads(_raw(part).decode(), object_pairs_hook=_each_once)
    except (ValueError, RecursionError):
        raise DPoPError(f"its {what} is no JSON object, or names a member twice") from None
    if not isinstance(value, dict):
        raise DPoPError(f"its {what} is no JSON object, or names a member twice")
    return value


def _raw(part: str) -> bytes:
    """Raises ValueError for what is not base64url."""
    return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member is named twice")
    return found


def _key(header: Mapping[str, Any]) -> Key:
    """The public key in the header, of the kind that the algorithm needs."""
    if header.get("typ") != "dpop+jwt":
        raise DPoPError('its typ is "dpop+jwt"')
    algorithm, jwk = header.get("alg"), header.get("jwk")
    if algorithm not in ALGORITHMS:
        raise DPoPError(f"sign it with one of {', '.join(ALGORITHMS)}")
    if not isinstance(jwk, dict):
        raise DPoPError("its header has the public key as jwk")
    if _PRIVATE & jwk.keys():
        raise DPoPError("its jwk is the public half alone. The private key was just sent: make a new one")
    if algorithm in ("PS256", "RS256"):
        _require(_bits(jwk.get("n")) in _RSA_BITS and _bits(jwk.get("e")) <= _EXPONENT_BITS)
    elif algorithm == "ES256":
        _require(jwk.get("crv") == "P-256")
    else:
        _require(jwk.get("crv") == "Ed25519")
    try:
        return _KINDS[algorithm].import_key(jwk)
    except Exception:  # whatever a library makes of numbers that are no key
        raise DPoPError("its jwk is not a key that can be used with its alg") from None


def _require(fits: bool) -> None:
    if not fits:
        raise DPoPError(
            "its jwk is a key on P-256 or Ed25519, or RSA of 2048 to 4096 bits, its e short, as its alg says"
        )


def _bits(number: object) -> int:
    """The length of a number in base64url; 0 for anything else."""
    try:
        return int.from_bytes(_raw(number)).bit_length() if isinstance(number, str) else 0
    except ValueError:
        return 0


def _signed(proof: str, header: Mapping[str, Any], key: Key) -> None:
    if "crit" in header or "b64" in header:
        raise DPoPError("its header asks for extensions that are not known here")
    text, _, signature = proof.rpartition(".")
    # Not through the library's door: that limits headers to 512 bytes, in which no RSA key fits.
    algorithm = jws.JWSRegistry.algorithms[header["alg"]]
    try:
        right = algorithm.verify(text.encode(), _raw(signature), key)
    except (JoseError, ValueError):
        right = False
    if not right:
        raise DPoPError("its signature is not that of the key in its header")


def _jti(claims: Mapping[str, Any]) -> str:
    jti = claims.get("jti")
    if not (isinstance(jti, str) and 0 < len(jti) <= LONGEST_JTI and jti.isprintable()):
        raise DPoPError(f"its jti is a text of 1 to {LONGEST_JTI} characters, new for each request")
    return jti


def _request(claims: Mapping[str, Any], method: str, url: str) -> None:
    if claims.get("htm") != method:
        raise DPoPError(f'its htm is the method of this request, "{method}"')
    htu = claims.get("htu")
    try:
        same = isinstance(htu, str) and normalised(htu) == normalised(url)
    except ValueError:
        same = False
    if not same:
        raise DPoPError("its htu is the address of this request, without query and fragment")


def _issued_at(claims: Mapping[str, Any], now: dt.datetime) -> dt.datetime:
    iat = claims.get("iat")
    if isinstance(iat, bool) or not isinstance(iat, int | float):
        raise DPoPError("its iat is the number of seconds since 1970")
    try:
        issued_at = dt.datetime.fromtimestamp(iat, dt.UTC)
    except (OverflowError, ValueError, OSError):
        issued_at = None
    if issued_at is None or abs(issued_at - now) > TOLERANCE:
        raise DPoPError("its iat is more than 5 minutes away from this host's clock. Make a new proof for each request")
    return issued_at


def _token(claims: Mapping[str, Any], access_token: str | None) -> None:
    if access_token is None:
        return
    ath = claims.get("ath")
    if not (isinstance(ath, str) and ath.isascii() and hmac.compare_digest(ath, token_hash(access_token))):
        raise DPoPError("its ath is the SHA-256 of the access token that comes with it, in base64url without padding")


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
