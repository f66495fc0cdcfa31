"""What clients can find out by themselves: RFC 8414, RFC 9728, and the host's public keys. Pure."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from assigntask.oauth import assertions, dpop
from assigntask.oauth.clients import METHODS
from assigntask.oauth.core import GRANT_TYPES
from assigntask_sdk.details import SCOPES

API_PATH = "/api/v1"
SERVER_PATH = "/.well-known/oauth-authorization-server"
RESOURCE_PATH = "/.well-known/oauth-protected-resource"

TOKEN = "/oauth/token"  # noqa: S105 - a path
REVOKE = "/oauth/revoke"
INTROSPECT = "/oauth/introspect"
PUSH = "/oauth/par"
AUTHORIZE = "/oauth/authorize"
KEYS = "/oauth/jwks"

INTROSPECTION_METHODS = tuple(method for method in METHODS if method != "none")
"""RFC 7662, section 2.1: whoever asks about tokens has to prove who it is."""


def authorization_server(url: str) -> dict[str, Any]:
    """RFC 8414, section 2. `url` is the issuer, without a slash at the end."""
    algorithms = list(assertions.ALGORITHMS)
    return {
        "issuer": url,
        "authorization_endpoint": url + AUTHORIZE,
        "token_endpoint": url + TOKEN,
        "token_endpoint_auth_methods_supported": list(METHODS),
        "token_endpoint_auth_signing_alg_values_supported": algorithms,
        "jwks_uri": url + KEYS,
        "scopes_supported": sorted(SCOPES),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": list(GRANT_TYPES),
        "revocation_endpoint": url + REVOKE,
        "revocation_endpoint_auth_methods_supported": list(METHODS),
        "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
        "introspection_endpoint": url + INTROSPECT,
        "introspection_endpoint_auth_methods_supported": list(INTROSPECTION_METHODS),
        "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,  # RFC 9207
        "pushed_authorization_request_endpoint": url + PUSH,  # RFC 9126
        "require_pushed_authorization_requests": False,
        "dpop_signing_alg_values_supported": list(dpop.ALGORITHMS),  # RFC 9449
        "client_id_metadata_document_supported": True,
        "protected_resources": [url + API_PATH],  # RFC 9728, section 4
    }


def protected_resource(url: str) -> dict[str, Any]:
    """RFC 9728, section 2: the API."""
    return {
        "resource": url + API_PATH,
        "resource_name": "AssignTask",
        "authorization_servers": [url],
        "scopes_supported": sorted(SCOPES),
        "bearer_methods_supported": ["header"],
        "dpop_signing_alg_values_supported": list(dpop.ALGORITHMS),
        "dpop_bound_access_tokens_required": False,
    }


def key_set(keys: Sequence[Ed25519PrivateKey]) -> dict[str, Any]:
    """RFC 7517, with the public halves alone; `kid` is the thumbprint of RFC 7638."""
    return {"keys": [_jwk(key) for key in keys]}


def _jwk(key: Ed25519PrivateKey) -> dict[str, str]:
    x = _encoded(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
    thumbprint = _encoded(sha256(f'{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}'.encode()).digest())
    return {"kty": "OKP", "crv": "Ed25519", "x": x, "kid": thumbprint, "use": "sig", "alg": "EdDSA"}


def _encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
