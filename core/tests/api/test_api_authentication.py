"""How a token is presented, alone and with a proof."""

from __future__ import annotations

import json
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey

from assigntask.oauth.dpop import token_hash

ADDRESS = "https://tracker.example/installation"


def proof(key: ECKey, world: Any, token: str, jti: str = "1", **changes: Any) -> str:
    claims = {"jti": jti, "htm": "GET", "htu": ADDRESS, "iat": int(world.clock.now.timestamp())}
    claims |= {"ath": token_hash(token), **changes}
    header = {"alg": "ES256", "typ": "dpop+jwt", "jwk": key.as_dict(private=False)}
    return jws.serialize_compact(header, json.dumps(claims).encode(), key)


async def send(world: Any, token: str, *proofs: str, scheme: str = "DPoP") -> Any:
    more = [("authorization", f"{scheme} {token}"), *(("dpop", each) for each in proofs)]
    return await world.call("GET", "/installation", more=more)


async def test_a_bound_token_is_taken_with_a_fresh_proof_of_its_key_alone(world: Any) -> None:
    key, other = ECKey.generate_key("P-256"), ECKey.generate_key("P-256")
    token = await world.token(thumbprint=key.thumbprint())
    assert (await send(world, token, proof(key, world, token))).status == 200
    refused = {
        "replayed": [proof(key, world, token)],
        "none": [],
        "two": [proof(key, world, token, "2"), proof(key, world, token, "3")],
        "another key": [proof(other, world, token, "4")],
        "another method": [proof(key, world, token, "5", htm="POST")],
        "another address": [proof(key, world, token, "6", htu="https://tracker.example/tasks")],
        "another token": [proof(key, world, token, "7", ath=token_hash("at_x"))],
        "old": [proof(key, world, token, "8", iat=int(world.clock.now.timestamp()) - 3600)],
        "nonsense": ["x.y.z"],
    }
    for why, proofs in refused.items():
        answer = await send(world, token, *proofs)
        assert (answer.status, answer.json["code"]) == (401, "invalid_dpop_proof"), (why, answer.body)
        assert any('DPoP algs="ES256' in value for _, value in answer.raw_headers)
        assert 'error="invalid_dpop_proof"' in answer.headers["www-authenticate"]


async def test_a_bound_token_is_no_bearer_token_and_the_other_way_round(world: Any) -> None:
    key = ECKey.generate_key("P-256")
    bound, free = await world.token(thumbprint=key.thumbprint()), await world.token()
    for token, scheme, proofs in (
        (bound, "Bearer", []),
        (bound, "Bearer", [proof(key, world, bound)]),
        (free, "DPoP", [proof(key, world, free)]),
    ):
        answer = await send(world, token, *proofs, scheme=scheme)
        assert (answer.status, answer.json["code"]) == (401, "token_invalid")
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize(
    ("values", "status", "code"),
    [
        (["Basic dTpw"], 401, "token_missing"),
        (["Bearer"], 400, "authorization_malformed"),
        (["Bearer a b"], 400, "authorization_malformed"),
        (["Bearer å"], 400, "authorization_malformed"),
        (["Bearer TOKEN", "Bearer TOKEN"], 400, "authorization_malformed"),
        (["bearer TOKEN"], 200, ""),
    ],
)
async def test_one_header_with_one_token_is_wanted(world: Any, values: list[str], status: int, code: str) -> None:
    token = await world.token()
    more = [("authorization", value.replace("TOKEN", token)) for value in values]
    answer = await world.call("GET", "/installation", more=more)
    assert answer.status == status
    assert status == 200 or answer.json["code"] == code


async def test_a_token_in_the_address_is_refused_and_not_said_again(world: Any) -> None:
    token = await world.token()
    answer = await world.call("GET", f"/installation?access_token={token}")
    assert (answer.status, answer.json["code"]) == (400, "authorization_malformed")
    assert token not in answer.body.decode()


async def test_a_token_in_the_body_is_an_unknown_field(world: Any) -> None:
    token = await world.token()
    answer = await world.call("POST", "/tasks", token, body={"access_token": token, "project": "x", "summary": "y"})
    assert answer.status == 422 and "access_token" in answer.json["fields"]
    assert token not in answer.body.decode()


async def test_settings_have_the_defaults_of_the_manifest(world: Any) -> None:
    assert (await world.call("GET", "/settings", await world.token())).json == {"settings": {"colour": "red"}}


async def test_what_a_token_opens_is_told(world: Any) -> None:
    token = await world.token(scopes=["tasks:read", "people:email"], person="ben")
    said = (await world.call("GET", "/installation", token)).json
    assert (said["app"], said["state"], said["granted"]) == ("whole-app", "active", ["tasks:read"])
