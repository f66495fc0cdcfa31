"""Keys instead of secrets. joserfc, which shares no code with the client, checks what it signs."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jws
from joserfc.jwk import import_key

from assigntask_sdk.client import ApiError, ClientCredentials
from assigntask_sdk.client.proofs import PrivateKeyJwt, SigningKey

TOKEN = {"access_token": "at_1", "token_type": "DPoP", "expires_in": 3600}
TASK = {"id": "t", "version": 1}


def pem(private: Any) -> bytes:
    return bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


KEYS = [SigningKey.generate(), SigningKey.from_pem(pem(generate_private_key(SECP256R1())))]


def read(token: str, key: SigningKey) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of what the key signed."""
    algorithms = [key.algorithm]
    checked = jws.deserialize_compact(token, import_key(dict(key.public)), algorithms=algorithms)
    header = json.loads(base64.urlsafe_b64decode(token.partition(".")[0] + "=="))
    return header, json.loads(checked.payload)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.algorithm)
async def test_a_client_proves_itself_anew_at_each_try(host: Any, says: Any, key: SigningKey) -> None:
    host.answers(says(503), says(200, {**TOKEN, "token_type": "Bearer"}), says(200, TASK))
    async with host.client(ClientCredentials("c_1", proof=PrivateKeyJwt("c_1", key))) as client:
        await client.tasks.get("t")
    forms = [parse_qs(request.content.decode()) for request in host.requests[:2]]
    claims = [read(form["client_assertion"][0], key)[1] for form in forms]
    assert claims[0]["jti"] != claims[1]["jti"]
    assert {claims[0][name] for name in ("iss", "sub")} == {"c_1"}
    assert claims[0]["aud"] == "https://host.example/oauth/token"
    assert claims[0]["exp"] - claims[0]["iat"] == 60
    assert "authorization" not in host.requests[0].headers


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.algorithm)
async def test_each_request_with_a_bound_token_has_a_proof_of_its_own(host: Any, says: Any, key: SigningKey) -> None:
    host.answers(says(200, TOKEN), says(503), says(200, TASK))
    async with host.client(ClientCredentials("c_1", "cs_1", dpop=key)) as client:
        await client.tasks.get("t", fields=["due"])
    proofs = [read(request.headers["dpop"], key) for request in host.requests]
    assert [header["typ"] for header, _ in proofs] == ["dpop+jwt"] * 3
    assert proofs[0][0]["jwk"] == key.public
    assert [claims["htu"] for _, claims in proofs] == [
        "https://host.example/oauth/token",
        "https://host.example/api/v1/tasks/t",
        "https://host.example/api/v1/tasks/t",
    ]
    assert len({claims["jti"] for _, claims in proofs}) == 3
    assert "ath" not in proofs[0][1]
    hashed = base64.urlsafe_b64encode(hashlib.sha256(b"at_1").digest()).decode().rstrip("=")
    assert [claims["ath"] for _, claims in proofs[1:]] == [hashed] * 2
    assert host.last.headers["authorization"] == "DPoP at_1"


async def test_a_token_that_is_not_bound_is_refused_where_a_bound_one_was_asked_for(host: Any, says: Any) -> None:
    host.answers(says(200, {**TOKEN, "token_type": "Bearer"}))
    async with host.client(ClientCredentials("c_1", "cs_1", dpop=KEYS[0])) as client:
        with pytest.raises(ApiError) as raised:
            await client.tasks.get("t")
    assert raised.value.code == "token_answer_invalid"


@pytest.mark.parametrize("data", [b"", b"x", pem(generate_private_key(SECP384R1())), pem(generate_rsa(65537, 2048))])
def test_a_key_of_another_kind_is_refused(data: bytes) -> None:
    with pytest.raises(ApiError) as raised:
        SigningKey.from_pem(data)
    assert raised.value.code == "key_unfit"


def test_a_key_is_not_shown() -> None:
    assert repr(KEYS[0]) == "SigningKey(kty='OKP')"
    assert repr(PrivateKeyJwt("c_1", KEYS[0])) == "PrivateKeyJwt('c_1')"


def test_a_key_id_goes_along_where_there_is_one() -> None:
    key = SigningKey.from_pem(pem(generate_private_key(SECP256R1())), key_id="2026")
    assert read(key.assertion("c_1", "https://host.example"), key)[0]["kid"] == "2026"
