"""Revocation, introspection, and the sweep of what has expired."""

from __future__ import annotations

from typing import Any

import pytest

from assigntask.db import tables as t
from assigntask.oauth.bearer import InvalidToken
from assigntask.oauth.sweeping import sweep


async def active(desk: Any, app: Any, token: str) -> dict[str, Any]:
    answer = await desk.post("/oauth/introspect", app, token=token)
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


async def test_a_client_revokes_its_own_tokens_only(desk: Any) -> None:
    app, other = await desk.install(), await desk.install()
    own, said = await desk.access(app), await desk.authorized(app)
    for token in (own, said["access_token"], said["refresh_token"], "at_unknown", app.secret):
        assert (await desk.post("/oauth/revoke", other, token=token)).status_code == 200
    await desk.tokens.check(own)
    await desk.tokens.check(said["access_token"])
    assert (await desk.post("/oauth/revoke", app, token=own)).status_code == 200
    with pytest.raises(InvalidToken):
        await desk.tokens.check(own)
    await desk.tokens.check(said["access_token"])


async def test_revoking_a_refresh_token_ends_the_family_and_an_access_token_itself_alone(local: Any) -> None:
    app = await local.install()
    first, second = await local.authorized(app), await local.authorized(app)
    await local.post("/oauth/revoke", app, token=first["access_token"])
    assert (await local.refresh(app, first["refresh_token"])).status_code == 200
    await local.post("/oauth/revoke", app, token=second["refresh_token"], token_type_hint="access_token")
    with pytest.raises(InvalidToken):
        await local.tokens.check(second["access_token"])
    assert (await local.refresh(app, second["refresh_token"])).json()["error"] == "invalid_grant"


async def test_a_public_client_may_revoke_and_may_not_introspect(local: Any) -> None:
    app = await local.install("none")
    said = await local.authorized(app)
    asked = await local.post("/oauth/introspect", app, token=said["access_token"])
    assert (asked.status_code, asked.json()["error"]) == (401, "invalid_client")
    assert (await local.post("/oauth/revoke", app, token=said["access_token"])).status_code == 200


async def test_without_a_token_or_a_client_both_endpoints_refuse(local: Any) -> None:
    app = await local.install()
    for path in ("/oauth/revoke", "/oauth/introspect"):
        missing = await local.post(path, app)
        assert (missing.status_code, missing.json()["error"]) == (400, "invalid_request")
        nobody = await local.post(path, token="at_x")
        assert (nobody.status_code, nobody.json()["error"]) == (401, "invalid_client")


async def test_a_client_hears_about_its_own_installation_s_tokens_only(local: Any) -> None:
    app, other = await local.install(), await local.install()
    own, said = await local.access(app, scope="tasks:read"), await local.authorized(app)
    now = int(local.clock().timestamp())
    assert await active(local, app, own) == {
        "active": True,
        "iss": "https://tasks.example",
        "client_id": app.id,
        "scope": "tasks:read",
        "token_type": "Bearer",
        "aud": "https://tasks.example/api/v1",
        "iat": now,
        "exp": now + 3600,
    }
    assert (await active(local, app, said["refresh_token"]))["scope"] == "people:name tasks:read"
    for token in (own, said["access_token"], said["refresh_token"], "at_x", app.secret, "ct_x"):
        assert await active(local, other, token) == {"active": False}


async def test_what_has_ended_is_not_active(local: Any) -> None:
    app = await local.install()
    own, said = await local.access(app), await local.authorized(app)
    renewed = (await local.refresh(app, said["refresh_token"])).json()
    assert await active(local, app, said["refresh_token"]) == {"active": False}  # used up
    await local.objections.object(local.doer("Ben"), app.client.app_id)
    for token in (said["access_token"], renewed["access_token"], renewed["refresh_token"]):
        assert await active(local, app, token) == {"active": False}
    assert (await active(local, app, own))["active"] is True
    local.clock.advance(hours=1)
    assert await active(local, app, own) == {"active": False}


async def test_a_disabled_app_may_still_revoke_and_finds_nothing_active(local: Any) -> None:
    app = await local.install()
    own = await local.access(app)
    await local.leaving.disable(local.doer(), app.client.app_id)
    assert await active(local, app, own) == {"active": False}
    assert (await local.post("/oauth/revoke", app, token=own)).status_code == 200
    await local.leaving.enable(local.doer(), app.client.app_id)
    with pytest.raises(InvalidToken):
        await local.tokens.check(own)


async def test_the_sweep_deletes_what_has_expired_a_bounded_number_at_a_time(desk: Any) -> None:
    app = await desk.install()
    for _ in range(3):
        await desk.access(app)
    said = await desk.authorized(app)
    await desk.code(app)
    assert await desk.db.write(sweep, desk.clock(), 100) == 0
    desk.clock.advance(hours=1)
    fresh = await desk.access(app)
    assert await desk.db.write(sweep, desk.clock(), 2) == 2
    assert await desk.db.write(sweep, desk.clock(), 100) == 2
    assert len(await desk.rows(t.oauth_code)) == 2  # a late second use is still known for what it is
    desk.clock.advance(days=1)
    assert (await desk.refresh(app, said["refresh_token"])).status_code == 200
    assert await desk.db.write(sweep, desk.clock(), 100) == 3
    assert await desk.rows(t.oauth_code) == []
    with pytest.raises(InvalidToken):
        await desk.tokens.check(fresh)
    assert len(await desk.rows(t.oauth_refresh_token)) == 2
    assert len(await desk.rows(t.oauth_authorization)) == 2
