"""What clients prove themselves with: assertions signed with their keys, and DPoP at the token endpoint."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from assigntask.oauth.secrets import new_secret

KEYS_URL = "https://vendor.example/keys.json"


@pytest.fixture
async def app(local: Any) -> Any:
    return await local.install("private_key_jwt")


async def answer_to(desk: Any, app: Any, **claims: Any) -> tuple[int, str]:
    header = claims.pop("header", None)
    form = {
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": desk.assertion(app, header=header, **claims),
    }
    answer = await desk.token(**form)
    return answer.status_code, answer.json().get("error", "")


REFUSED = (401, "invalid_client")


@pytest.mark.parametrize(
    ("alg", "key"),
    [
        ("ES256", lambda: ECKey.generate_key("P-256", {"kid": "k"})),
        ("EdDSA", lambda: OKPKey.generate_key("Ed25519", {"kid": "k"})),
        ("Ed25519", lambda: OKPKey.generate_key("Ed25519", {"kid": "k"})),
        ("RS256", lambda: RSAKey.generate_key(2048, {"kid": "k"})),
        ("PS256", lambda: RSAKey.generate_key(2048, {"kid": "k"})),
    ],
)
async def test_each_listed_algorithm_is_taken(local: Any, alg: str, key: Any) -> None:
    app = await local.install("private_key_jwt", key=key())
    assert (await answer_to(local, app, header={"alg": alg}))[0] == 200


async def test_an_assertion_counts_once_also_of_eight_at_the_same_moment(desk: Any) -> None:
    app = await desk.install("private_key_jwt")
    _, form = desk.shown(app)
    answers = await asyncio.gather(*(desk.token(**form) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 7
    assert (await desk.token(**form)).json()["error"] == "invalid_client"


async def test_an_assertion_used_at_one_endpoint_is_used_at_all(local: Any, app: Any) -> None:
    _, form = local.shown(app)
    assert (await local.post("/oauth/revoke", token="at_x", **form)).status_code == 200
    assert (await local.token(**form)).json()["error"] == "invalid_client"


async def test_every_claim_is_checked(local: Any, app: Any) -> None:
    now = int(local.clock().timestamp())
    wrong: list[dict[str, Any]] = [
        {"iss": "c_other"},
        {"iss": None},
        {"sub": None},
        {"aud": "https://other.example"},
        {"aud": None},
        {"aud": ["https://other.example"]},
        {"aud": {"a": "https://tasks.example"}},
        {"exp": None},
        {"exp": now - 31},
        {"exp": now + 331},
        {"exp": "later"},
        {"exp": True},
        {"exp": 1e400},
        {"exp": float("nan")},
        {"exp": 10**30},
        {"iat": now + 60},
        {"iat": "now"},
        {"nbf": now + 60},
        {"jti": None},
        {"jti": ""},
        {"jti": "x" * 129},
        {"jti": 7},
        {"jti": "a\x00b"},
    ]
    for claims in wrong:
        assert await answer_to(local, app, **claims) == REFUSED, claims
    for claims in (
        {"aud": "https://tasks.example/oauth/token"},
        {"aud": ["https://tasks.example"]},
        {"exp": now + 300},
    ):
        assert (await answer_to(local, app, **claims))[0] == 200, claims


async def test_every_header_is_checked(local: Any, app: Any) -> None:
    for header in ({"kid": "two"}, {"alg": "ES384"}, {"alg": "none"}, {"alg": 7}, {"crit": ["exp"], "exp": 1}):
        assert await answer_to(local, app, header=header) == REFUSED, header
    assert (await answer_to(local, app, header={"kid": None, "typ": "JWT"}))[0] == 200
    for text in ("", "a.b.c", "a.b", "e30.e30.", "x" * 9000, "eyJhbGciOiJub25lIn0.eyJzdWIiOiJjIn0."):
        form = {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}
        answer = await local.token(**form, client_assertion=text or None)
        assert 400 <= answer.status_code < 500
        assert answer.json()["error"] in ("invalid_client", "invalid_request")


async def test_another_key_s_signature_and_a_secret_s_are_refused(local: Any, app: Any) -> None:
    stranger = type(app)(app.client, app.secret, app.installation, ECKey.generate_key("P-256", {"kid": "one"}))
    assert await answer_to(local, stranger) == REFUSED
    symmetric = type(app)(app.client, app.secret, app.installation, OctKey.generate_key(256))
    assert await answer_to(local, symmetric, header={"alg": "HS256"}) == REFUSED


async def test_weak_keys_and_keys_for_other_uses_are_passed_over(local: Any) -> None:
    for jwk in (
        {**ECKey.generate_key("P-256").as_dict(private=False), "use": "enc"},
        ECKey.generate_key("P-384").as_dict(private=False),
        {"kty": "oct", "k": "c2VjcmV0"},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
        {"kty": "nonsense"},
        {},
    ):
        app = await local.install("private_key_jwt")
        local.web[KEYS_URL] = json.dumps({"keys": [jwk, 7]}).encode()
        local.clock.advance(minutes=10)
        assert await answer_to(local, app) == REFUSED


@pytest.mark.parametrize("body", [None, b"", b"[]", b'{"keys": 7}', b"\xff", b"{" * 5000])
async def test_keys_that_can_t_be_read_are_a_client_s_error(local: Any, app: Any, body: bytes | None) -> None:
    if body is None:
        del local.web[KEYS_URL]
    else:
        local.web[KEYS_URL] = body
    assert await answer_to(local, app) == REFUSED


async def test_keys_are_fetched_once_in_ten_minutes_and_sooner_for_a_new_key(local: Any) -> None:
    app = await local.install("private_key_jwt")
    for _ in range(5):
        assert (await answer_to(local, app))[0] == 200
    assert local.fetched == [KEYS_URL]
    new = ECKey.generate_key("P-256", {"kid": "new"})
    local.web[KEYS_URL] = json.dumps({"keys": [new.as_dict(private=False)]}).encode()
    rotated = type(app)(app.client, app.secret, app.installation, new)
    for _ in range(3):
        await answer_to(local, rotated)
    assert local.fetched == [KEYS_URL]  # anybody can name a key: not again within half a minute
    local.clock.advance(seconds=30)
    assert (await answer_to(local, rotated))[0] == 200
    local.clock.advance(minutes=10)
    assert (await answer_to(local, rotated))[0] == 200
    assert local.fetched == [KEYS_URL] * 3


async def test_keys_of_a_moment_ago_hold_while_the_client_s_server_is_down(local: Any, app: Any) -> None:
    assert (await answer_to(local, app))[0] == 200
    del local.web[KEYS_URL]
    local.clock.advance(minutes=10)
    assert (await answer_to(local, app))[0] == 200
    local.clock.advance(minutes=20)
    assert await answer_to(local, app) == REFUSED


# DPoP


def proof(desk: Any, key: Any, **changes: Any) -> dict[str, str]:
    claims = {
        "htm": "POST",
        "htu": "https://tasks.example/oauth/token",
        "iat": int(desk.clock().timestamp()),
        "jti": new_secret("cs_"),
        **changes,
    }
    header = {"alg": "ES256", "typ": "dpop+jwt", "jwk": key.as_dict(private=False)}
    return {"dpop": desk.signed(key, header, claims)}


async def test_a_proof_binds_the_access_token(local: Any) -> None:
    app, key = await local.install("client_secret_post"), ECKey.generate_key("P-256")
    answer = await local.token(app, headers=proof(local, key))
    assert answer.json()["token_type"] == "DPoP"
    assert (await local.tokens.check(answer.json()["access_token"])).dpop_thumbprint == key.thumbprint()


async def test_a_proof_counts_once_also_of_eight_at_the_same_moment(desk: Any) -> None:
    app, sent = await desk.install("client_secret_post"), proof(desk, ECKey.generate_key("P-256"))
    answers = await asyncio.gather(*(desk.token(app, headers=sent) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 7
    assert {answer.json().get("error") for answer in answers} == {None, "invalid_dpop_proof"}


async def test_a_wrong_proof_is_refused(local: Any) -> None:
    app, key = await local.install("client_secret_post"), ECKey.generate_key("P-256")
    for changes in ({"htm": "GET"}, {"htu": "https://other.example/oauth/token"}, {"iat": 1}):
        answer = await local.token(app, headers=proof(local, key, **changes))
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")
        assert '"' not in answer.json()["error_description"]


async def test_a_public_client_s_refresh_token_is_bound_to_its_key(local: Any) -> None:
    app, key = await local.install("none"), ECKey.generate_key("P-256")
    said = (await local.redeem(app, await local.code(app), headers=proof(local, key))).json()
    for headers in ({}, proof(local, ECKey.generate_key("P-256"))):
        refused = await local.refresh(app, said["refresh_token"], headers=headers)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    renewed = await local.refresh(app, said["refresh_token"], headers=proof(local, key))
    assert (renewed.status_code, renewed.json()["token_type"]) == (200, "DPoP")


async def test_a_client_with_a_secret_may_change_its_key(local: Any) -> None:
    app = await local.install("client_secret_post")
    first, second = ECKey.generate_key("P-256"), ECKey.generate_key("P-256")
    said = (await local.redeem(app, await local.code(app), headers=proof(local, first))).json()
    renewed = await local.refresh(app, said["refresh_token"], headers=proof(local, second))
    assert renewed.status_code == 200


async def test_a_code_bound_to_a_key_is_redeemed_with_that_key_only(local: Any) -> None:
    app, key = await local.install("client_secret_post"), ECKey.generate_key("P-256")
    code = await local.code(app, dpop_thumbprint=key.thumbprint())
    for headers in ({}, proof(local, ECKey.generate_key("P-256"))):
        refused = await local.redeem(app, code, headers=headers)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    assert (await local.redeem(app, code, headers=proof(local, key))).status_code == 200
