"""Keys instead of secrets: a client that proves itself by a signature, and tokens that only its key can use."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Mapping
from typing import Any, Self, TypeAlias
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from .failures import ApiError

Private: TypeAlias = Ed25519PrivateKey | EllipticCurvePrivateKey

ASSERTION_LIFE = 60  # seconds


class SigningKey:
    """A private key, Ed25519 or P-256. `key_id`: its `kid` in the key set that the app publishes."""

    def __init__(self, private: Private, key_id: str | None = None) -> None:
        self._private = private
        self._key_id = key_id
        self.public: Mapping[str, str] = _public(private)

    def __repr__(self) -> str:
        return f"SigningKey(kty={self.public['kty']!r})"

    @classmethod
    def generate(cls) -> Self:
        """A new key, of this process alone."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_pem(cls, pem: bytes, *, key_id: str | None = None, password: bytes | None = None) -> Self:
        """Raises ApiError `key_unfit`."""
        try:
            private = load_pem_private_key(pem, password)
        except (ValueError, TypeError):
            raise _unfit() from None
        if not isinstance(private, Ed25519PrivateKey | EllipticCurvePrivateKey):
            raise _unfit()
        return cls(private, key_id)

    @property
    def algorithm(self) -> str:
        return "Ed25519" if isinstance(self._private, Ed25519PrivateKey) else "ES256"

    def jwt(self, header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
        """RFC 7519, in compact form."""
        signed = f"{_json({'alg': self.algorithm, **header})}.{_json(claims)}"
        return f"{signed}.{_text(self._signature(signed.encode()))}"

    def assertion(self, client_id: str, audience: str) -> str:
        """RFC 7523, section 3: good for one use, within a minute."""
        now = int(time.time())
        claims = {"iss": client_id, "sub": client_id, "aud": audience, "iat": now, "exp": now + ASSERTION_LIFE}
        header = {"typ": "JWT"} if self._key_id is None else {"typ": "JWT", "kid": self._key_id}
        return self.jwt(header, {**claims, "jti": uuid4().hex})

    def proof(self, method: str, url: str, access_token: str | None) -> str:
        """RFC 9449, section 4.2: for one request. `url` without its query."""
        claims = {"jti": uuid4().hex, "htm": method, "htu": url, "iat": int(time.time())}
        if access_token is not None:
            claims["ath"] = _text(hashlib.sha256(access_token.encode()).digest())
        return self.jwt({"typ": "dpop+jwt", "jwk": self.public}, claims)

    def _signature(self, data: bytes) -> bytes:
        if isinstance(self._private, Ed25519PrivateKey):
            return self._private.sign(data)
        r, s = decode_dss_signature(self._private.sign(data, ECDSA(SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


class PrivateKeyJwt:
    """`private_key_jwt`: the app's manifest names the key set (`jwks_uri`) in which the public key stands.

    Give it as `proof` to ClientCredentials or Refreshing.
    """

    def __init__(self, client_id: str, key: SigningKey) -> None:
        self._client_id = client_id
        self._key = key

    def __repr__(self) -> str:
        return f"PrivateKeyJwt({self._client_id!r})"

    def __call__(self, url: str) -> tuple[Mapping[str, str], Mapping[str, str]]:
        return {}, {
            "client_id": self._client_id,
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": self._key.assertion(self._client_id, url),
        }


def _public(private: Private) -> Mapping[str, str]:
    if isinstance(private, Ed25519PrivateKey):
        raw = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return {"kty": "OKP", "crv": "Ed25519", "x": _text(raw)}
    if not isinstance(private.curve, SECP256R1):
        raise _unfit()
    numbers = private.public_key().public_numbers()
    x, y = (_text(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y}


def _unfit() -> ApiError:
    return ApiError("key_unfit", "Give a private key in PEM form, Ed25519 or EC on the curve P-256.")


def _json(value: Mapping[str, Any]) -> str:
    return _text(json.dumps(value, separators=(",", ":")).encode())


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
