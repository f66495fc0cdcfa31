"""What the SDK's client signs, the host takes."""

from __future__ import annotations

import datetime as dt

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from joserfc.jwk import import_key

from assigntask.oauth import assertions, dpop
from assigntask_sdk.client.proofs import PrivateKeyJwt, SigningKey

ADDRESS = "https://host.example/api/v1/tasks/a%2Fb"
KEYS = [SigningKey.generate(), SigningKey(generate_private_key(SECP256R1()), key_id="2026")]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.algorithm)
def test_a_proof_of_possession_is_taken_once_for_its_request(key: SigningKey) -> None:
    now = dt.datetime.now(dt.UTC)
    first, second = (
        dpop.verify(key.proof("GET", ADDRESS, "at_1"), method="GET", url=ADDRESS, now=now, access_token="at_1")
        for _ in range(2)
    )
    assert first.thumbprint == second.thumbprint == import_key(dict(key.public)).thumbprint()
    assert first.jti != second.jti
    with pytest.raises(dpop.DPoPError):
        dpop.verify(key.proof("GET", ADDRESS, "at_1"), method="PUT", url=ADDRESS, now=now, access_token="at_1")
    with pytest.raises(dpop.DPoPError):
        dpop.verify(key.proof("GET", ADDRESS, "at_2"), method="GET", url=ADDRESS, now=now, access_token="at_1")


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.algorithm)
def test_a_client_assertion_is_taken_for_the_token_endpoint(key: SigningKey) -> None:
    now, endpoint = dt.datetime.now(dt.UTC), "https://host.example/oauth/token"
    _, form = PrivateKeyJwt("c_1", key)(endpoint)
    public = {**key.public, "kid": "2026"}
    taken = assertions.verify(
        form["client_assertion"], client_id="c_1", audiences=[endpoint], keys=[import_key(public)], now=now
    )
    assert taken.client_id == "c_1"
    assert now < taken.expires_at
    assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
