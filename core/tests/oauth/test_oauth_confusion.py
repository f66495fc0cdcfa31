"""One metadata URL, and so one client's name, in several organisations: each keeps to its own."""

from __future__ import annotations

import json
from typing import Any

import pytest
from joserfc.jwk import ECKey

from assigntask.db import tables as t

URL = "https://vendor.example/client.json"
KEYS_URL = "https://vendor.example/keys.json"
REDIRECT = "https://vendor.example/back"


async def installed_twice(desk: Any, **document: Any) -> tuple[Any, Any]:
    """The same app in Harbour and in Quay."""
    app_id = desk.offer(client_metadata=URL)
    here = await desk.install_offered(app_id)
    there = await desk.install_offered(app_id, organisation="Quay")
    desk.web[URL] = json.dumps({"client_id": URL, "redirect_uris": [REDIRECT], **document}).encode()
    return here, there


async def code_of(desk: Any, app: Any, organisation: str) -> str:
    client = await desk.named_by_url(app)
    return str(await desk.code(app, client=client, person=desk.person(organisation=organisation)))


@pytest.mark.parametrize("disabled", [False, True])
async def test_a_refresh_token_gives_nothing_through_the_installation_of_another_organisation(
    local: Any, disabled: bool
) -> None:
    """Each organisation's code is used up, so that it can only say which installation the request is to count for."""
    here, there = await installed_twice(local)
    code = await code_of(local, here, "Harbour")
    assert (await local.redeem(None, code, client_id=URL)).status_code == 200
    theirs = (await local.redeem(None, await code_of(local, there, "Quay"), client_id=URL)).json()["refresh_token"]
    if disabled:
        await local.leaving.disable(local.doer(organisation="Quay"), there.client.app_id)
    given = len(await local.rows(t.oauth_access_token))
    answer = await local.refresh(None, theirs, client_id=URL, code=code)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert len(await local.rows(t.oauth_access_token)) == given
    if not disabled:
        assert (await local.refresh(None, theirs, client_id=URL)).status_code == 200, "it was not used up"


async def test_an_assertion_counts_once_for_all_installations_of_the_client_that_it_names(local: Any) -> None:
    key = ECKey.generate_key("P-256", {"kid": "one"})
    local.web[KEYS_URL] = json.dumps({"keys": [key.as_dict(private=False)]}).encode()
    here, there = await installed_twice(local, token_endpoint_auth_method="private_key_jwt", jwks_uri=KEYS_URL)
    codes = [await code_of(local, here, "Harbour"), await code_of(local, there, "Quay")]
    now = int(local.clock().timestamp())
    claims = {"iss": URL, "sub": URL, "aud": "https://tasks.example", "iat": now, "exp": now + 60, "jti": "one"}
    assertion = local.signed(key, {"alg": "ES256", "kid": "one"}, claims)
    shown = {
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": assertion,
    }
    answers = [await local.redeem(None, code, **shown) for code in codes]
    assert [answer.status_code for answer in answers] == [200, 401]
    assert answers[1].json()["error"] == "invalid_client"
