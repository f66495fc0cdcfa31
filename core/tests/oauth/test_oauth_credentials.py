"""Credentials of installations: shown once, replaced with an overlap, signed with nothing that is stored."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from joserfc.jwk import OKPKey

from assigntask.db import tables as t
from assigntask.errors import HostError, NotAllowed
from assigntask.ledger.keys import Purpose
from assigntask.oauth.bearer import InvalidToken
from assigntask.oauth.metadata import key_set


async def works(desk: Any, app: Any, secret: str) -> bool:
    answer = await desk.token(client_id=app.id, client_secret=secret)
    return bool(answer.status_code == 200)


async def test_after_a_rotation_old_and_new_work_for_the_overlap(desk: Any) -> None:
    app = await desk.install()
    assert await works(desk, app, app.secret)
    issued = await desk.credentials.rotate(desk.doer(), app.client.app_id)
    assert issued.previous_until == desk.clock() + desk.settings.lifetimes.overlap
    assert await works(desk, app, issued.client_secret)
    assert await works(desk, app, app.secret)
    desk.clock.advance(hours=24)
    assert await works(desk, app, issued.client_secret)
    assert not await works(desk, app, app.secret)


async def test_a_rotation_is_recorded_without_the_secret(desk: Any) -> None:
    app = await desk.install()
    issued = await desk.credentials.rotate(desk.doer(), app.client.app_id)
    entries = await desk.ledger.given(app.client.organisation_id, app_id=app.client.app_id)
    (entry,) = [entry for entry in entries if entry.kind == "rotate"]
    assert entry.facts == {"client": app.id, "generation": 2}
    assert issued.client_secret not in str(issued)
    assert issued.client_secret not in str(await desk.rows(t.oauth_secret))


async def test_only_an_admin_rotates_or_sees_credentials(local: Any) -> None:
    app = await local.install()
    for doer in (local.doer("Ben"), local.doer("Ada", "Quay")):
        for ask in (local.credentials.rotate, local.credentials.show):
            with pytest.raises((NotAllowed, HostError)):
                await ask(doer, app.client.app_id)
    assert [row["generation"] for row in await local.rows(t.oauth_client)] == [1]


async def test_after_a_leak_old_secrets_and_all_access_tokens_end_at_once(desk: Any) -> None:
    app = await desk.install()
    person, own = await desk.authorized(app), await desk.access(app)
    await desk.tokens.check(own)
    issued = await desk.credentials.rotate(desk.doer(), app.client.app_id, at_once=True)
    assert issued.previous_until is None
    assert not await works(desk, app, app.secret)
    assert await works(desk, app, issued.client_secret)
    for token in (own, person["access_token"]):
        with pytest.raises(InvalidToken):
            await desk.tokens.check(token)
    client = await desk.credentials.client(app.installation)
    assert len(desk.credentials.signing_secrets(client)) == 1


async def test_what_is_shown_later_holds_no_secret(local: Any) -> None:
    app = await local.install()
    await local.credentials.rotate(local.doer(), app.client.app_id)
    shown = await local.credentials.show(local.doer(), app.client.app_id)
    assert (shown.client_id, shown.generation) == (app.id, 2)
    assert shown.opens_until == (None, local.clock() + local.settings.lifetimes.overlap)
    assert app.secret not in str(shown.to_json())


async def test_secrets_made_again_and_again_do_not_pile_up_and_leave_the_app_the_one_it_has(local: Any) -> None:
    """As when an app that is down is offered its new credentials again and again."""
    app = await local.install()
    made = []
    for _ in range(10):
        local.clock.advance(seconds=1)
        made.append((await local.credentials.issue(app.installation)).client_secret)
    assert len(await local.rows(t.oauth_secret)) == 5
    assert await works(local, app, made[-1])
    assert not await works(local, app, made[3])
    assert await works(local, app, app.secret)


async def test_an_installation_of_before_gets_a_client_when_it_is_needed(local: Any) -> None:
    app = await local.install()
    await local.db.write(lambda conn: [conn.execute(sa.delete(table)) for table in (t.oauth_secret, t.oauth_client)])
    issued = await local.credentials.issue(app.installation)
    assert issued.previous_until is None
    assert (await local.credentials.client(app.installation)).id == issued.client_id != app.id


async def test_an_uninstalled_app_has_no_credentials(local: Any) -> None:
    app = await local.install()
    await local.leaving.uninstall(local.doer(), app.client.app_id)
    for ask in (
        local.credentials.issue(app.installation),
        local.credentials.client(app.installation),
        local.credentials.rotate(local.doer(), app.client.app_id),
        local.credentials.show(local.doer(), app.client.app_id),
    ):
        with pytest.raises(HostError) as error:
            await ask
        assert error.value.code == "client_revoked"


async def test_calls_are_signed_with_two_generations_during_the_overlap(local: Any) -> None:
    app = await local.install()
    (first,) = local.credentials.signing_secrets(app.client)
    await local.credentials.rotate(local.doer(), app.client.app_id)
    rotated = await local.credentials.client(app.installation)
    new, old = local.credentials.signing_secrets(rotated)
    assert (old, len(new)) == (first, 32)
    assert new != old
    local.clock.advance(hours=24)
    assert local.credentials.signing_secrets(rotated) == (new,)


async def test_a_rotated_credentials_key_signs_beside_the_retired_one(local: Any) -> None:
    app = await local.install()
    (before,) = local.credentials.signing_secrets(app.client)
    local.keys.rotate(Purpose.CREDENTIALS)
    new, old = local.credentials.signing_secrets(app.client)
    assert (old, new != old) == (before, True)


async def test_two_clients_never_share_a_signing_secret(local: Any) -> None:
    apps = [await local.install() for _ in range(3)]
    assert len({local.credentials.signing_secrets(app.client) for app in apps}) == 3


async def test_delivery_is_noted_for_the_newest_generation_only(local: Any) -> None:
    app = await local.install()
    await local.credentials.rotate(local.doer(), app.client.app_id)
    await local.credentials.delivered(app.installation, 1)
    assert (await local.credentials.client(app.installation)).delivered_at is None
    await local.credentials.delivered(app.installation, 2)
    assert (await local.credentials.client(app.installation)).delivered_at == local.clock()


async def test_the_host_s_public_keys_are_published_and_verify_what_it_signs(local: Any) -> None:
    old = local.credentials.host_key()
    local.keys.rotate(Purpose.CREDENTIALS)
    said = (await local.http.get("/oauth/jwks")).json()
    assert said == key_set(local.credentials.host_keys())
    assert len(said["keys"]) == 2
    for key, jwk in zip((local.credentials.host_key(), old), said["keys"], strict=True):
        assert set(jwk) == {"kty", "crv", "x", "kid", "use", "alg"}
        published = OKPKey.import_key(jwk)
        assert published.thumbprint() == jwk["kid"]
        published.public_key.verify(key.sign(b"body"), b"body")
