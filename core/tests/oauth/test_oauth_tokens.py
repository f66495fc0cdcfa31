"""Whether a token may be used now: what ends one, from the very next check, in every process."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from assigntask.db import Database, new_id
from assigntask.db import tables as t
from assigntask.events.fences import Fence
from assigntask.oauth import call_tokens, clients
from assigntask.oauth.bearer import InvalidToken
from assigntask.oauth.call_tokens import CallToken, mint, read
from assigntask.oauth.secrets import TEXT_LENGTH, new_secret

KEYS = (b"k" * 32, b"r" * 32)
LATER = dt.datetime(2026, 3, 2, 10, tzinfo=dt.UTC)


async def disable(desk: Any, app: Any, _: Any) -> None:
    await desk.leaving.disable(desk.doer(), app.client.app_id)


async def uninstall(desk: Any, app: Any, _: Any) -> None:
    await desk.leaving.uninstall(desk.doer(), app.client.app_id)


async def reinstall(desk: Any, app: Any, _: Any) -> None:
    await desk.leaving.uninstall(desk.doer(), app.client.app_id)
    await desk.leaving.restore(desk.doer(), app.client.app_id)
    await desk.leaving.enable(desk.doer(), app.client.app_id)


async def object_to_it(desk: Any, app: Any, _: Any) -> None:
    await desk.objections.object(desk.doer("Ben"), app.client.app_id)


async def object_and_withdraw(desk: Any, app: Any, _: Any) -> None:
    await desk.objections.object(desk.doer("Ben"), app.client.app_id)
    await desk.objections.withdraw(desk.doer("Ben"), app.client.app_id)


async def restrict(desk: Any, _app: Any, _: Any) -> None:
    await desk.objections.restrict(desk.doer(), desk.person().id)


async def leave(desk: Any, _app: Any, _: Any) -> None:
    await desk.actions.leave(desk.doer(), desk.person().id)


async def revoke_access(desk: Any, app: Any, said: Any) -> None:
    assert (await desk.post("/oauth/revoke", app, token=said["access_token"])).status_code == 200


async def revoke_refresh(desk: Any, app: Any, said: Any) -> None:
    assert (await desk.post("/oauth/revoke", app, token=said["refresh_token"])).status_code == 200


Act = Callable[[Any, Any, Any], Awaitable[None]]
ENDINGS: dict[Act, set[str]] = {
    disable: {"person", "installation"},
    uninstall: {"person", "installation"},
    reinstall: {"person", "installation"},
    object_to_it: {"person"},
    object_and_withdraw: {"person"},
    restrict: {"person"},
    leave: {"person"},
    revoke_access: {"person"},
    revoke_refresh: {"person"},
}


@pytest.mark.parametrize("act", ENDINGS, ids=lambda act: act.__name__)
async def test_a_token_ends_at_the_next_check_in_every_process(desk: Any, act: Act) -> None:
    app = await desk.install()
    said, own = await desk.authorized(app), await desk.access(app)
    async with Database.open(desk.db.url) as other:
        _, elsewhere, http = desk.host(other)
        for tokens in (desk.tokens, elsewhere):
            await tokens.check(said["access_token"])
            await tokens.check(own)
        await act(desk, app, said)
        for tokens in (elsewhere, desk.tokens):
            for kind, token in (("person", said["access_token"]), ("installation", own)):
                if kind in ENDINGS[act]:
                    with pytest.raises(InvalidToken):
                        await tokens.check(token)
                else:
                    assert (await tokens.check(token)).kind == kind
        await http.aclose()


async def test_enabling_brings_tokens_back(local: Any) -> None:
    app = await local.install()
    token = await local.access(app)
    await local.leaving.disable(local.doer(), app.client.app_id)
    with pytest.raises(InvalidToken):
        await local.tokens.check(token)
    await local.leaving.enable(local.doer(), app.client.app_id)
    assert (await local.tokens.check(token)).installation_id == app.installation.id


async def test_a_person_s_token_has_their_role_of_now(desk: Any) -> None:
    app = await desk.install()
    said = await desk.authorized(app)
    assert (await desk.tokens.check(said["access_token"])).actor.role == "member"
    await desk.actions.role(desk.doer(), desk.person().id, "admin")
    assert (await desk.tokens.check(said["access_token"])).actor.role == "admin"
    await desk.actions.role(desk.doer(), desk.person().id, "member")
    assert (await desk.tokens.check(said["access_token"])).actor.role == "member"


async def test_another_person_s_objection_ends_nothing(local: Any) -> None:
    app = await local.install()
    said = await local.authorized(app)
    await local.objections.object(local.doer("Ada"), app.client.app_id)
    assert (await local.tokens.check(said["access_token"])).actor.person_id == local.person().id


async def test_a_cached_token_still_expires(local: Any) -> None:
    app = await local.install()
    token = await local.access(app)
    await local.tokens.check(token)
    local.clock.advance(hours=1)
    with pytest.raises(InvalidToken) as error:
        await local.tokens.check(token)
    assert error.value.code == "token_invalid"


@pytest.mark.parametrize(
    "text", ["", "at_", "ct_", "x" * 46, "at_" + "\u00e9" * 43, "ct_" + "A" * 60, "rt_" + "a" * 43, "ct_\u00e9", "ct_A"]
)
async def test_what_is_no_token_is_refused_without_a_look_at_the_database(local: Any, text: str) -> None:
    await local.db.close()
    with pytest.raises(InvalidToken):
        await local.tokens.check(text)


async def test_a_token_that_nobody_gave_is_refused(local: Any) -> None:
    with pytest.raises(InvalidToken):
        await local.tokens.check(new_secret("at_"))


async def test_a_refresh_token_or_a_code_is_no_access_token(local: Any) -> None:
    app = await local.install()
    said, code = await local.authorized(app), await local.code(app)
    for text in (said["refresh_token"], code, app.secret):
        with pytest.raises(InvalidToken):
            await local.tokens.check(text)


async def test_a_token_of_one_organisation_says_so_in_another_s_presence(local: Any) -> None:
    app_id = local.offer()
    here, there = await local.install_offered(app_id), await local.install_offered(app_id, organisation="Quay")
    for app in (here, there):
        bearer = await local.tokens.check(await local.access(app))
        assert bearer.organisation_id == app.client.organisation_id
        assert bearer.installation_id == app.installation.id


# Tokens of hook calls


def call(**changes: Any) -> dict[str, Any]:
    said = {
        "organisation_id": new_id(),
        "installation_id": new_id(),
        "credential": new_id(),
        "actor_kind": "viewer",
        "person_id": new_id(),
        "goodbye": False,
        "expires_at": LATER,
    }
    return {**said, **changes}


def test_a_call_token_says_what_was_put_into_it_and_shows_none_of_it() -> None:
    said = call()
    text = mint(KEYS, **said)
    assert read(KEYS, text) == CallToken(**said)
    assert mint(KEYS, **said) != text
    for value in (said["organisation_id"], said["person_id"], "viewer"):
        assert value not in text


def test_a_call_token_of_a_notice_says_whose_turn_it_is() -> None:
    said = call(actor_kind="installation", person_id=None)
    until = dt.datetime(2026, 3, 2, 9, 2, 30, 123456, tzinfo=dt.UTC)
    fence = Fence(said["organisation_id"], new_id(), until)
    text = mint(KEYS, **said, fence=fence)
    assert read(KEYS, text).fence == fence
    assert fence.delivery_id not in text


def test_a_retired_key_still_opens_and_a_strange_one_does_not() -> None:
    text = mint(KEYS[1:], **call())
    assert read(KEYS, text)
    with pytest.raises(InvalidToken):
        read((os.urandom(32),), text)


def test_every_changed_character_of_a_call_token_is_refused() -> None:
    text = mint(KEYS, **call())
    for at in range(len(text)):
        for other in ("A", "b", "-", "=", "\u00e9", ""):
            changed = text[:at] + other + text[at + 1 :]
            if changed == text:
                continue
            with pytest.raises(InvalidToken):
                read(KEYS, changed)


def test_a_part_of_a_second_is_not_lost() -> None:
    text = mint(KEYS, **call(expires_at=LATER + dt.timedelta(microseconds=1)))
    assert read(KEYS, text).expires_at == LATER + dt.timedelta(seconds=1)


async def called(desk: Any, app: Any, **changes: Any) -> str:
    said = {
        "organisation_id": app.client.organisation_id,
        "installation_id": app.installation.id,
        "credential": app.installation.credential,
        "actor_kind": "installation",
        "person_id": None,
        "goodbye": False,
        "expires_at": desk.clock() + dt.timedelta(seconds=20),
    }
    return mint(desk.keys.derived(call_tokens.KEY_USE), **{**said, **changes})


async def test_a_call_s_token_has_the_call_s_actor_and_ends_with_it(local: Any) -> None:
    app = await local.install()
    own = await local.tokens.check(await called(local, app))
    assert (own.kind, own.actor.kind, own.scopes, own.goodbye) == ("call", "installation", None, False)
    token = await called(local, app, actor_kind="viewer", person_id=local.person().id)
    viewed = await local.tokens.check(token)
    assert (viewed.actor.kind, viewed.actor.person_id, viewed.actor.role) == ("viewer", local.person().id, "member")
    local.clock.advance(seconds=20)
    with pytest.raises(InvalidToken):
        await local.tokens.check(token)


async def test_a_call_s_token_ends_with_the_installation_but_a_goodbye_s_does_not(desk: Any) -> None:
    app = await desk.install()
    token, goodbye = await called(desk, app), await called(desk, app, goodbye=True)
    await desk.tokens.check(token)
    await desk.leaving.uninstall(desk.doer(), app.client.app_id)
    with pytest.raises(InvalidToken):
        await desk.tokens.check(token)
    assert (await desk.tokens.check(goodbye)).goodbye
    await desk.leaving.restore(desk.doer(), app.client.app_id)
    with pytest.raises(InvalidToken):
        await desk.tokens.check(goodbye)


async def test_a_call_s_token_of_somebody_who_left_is_refused(local: Any) -> None:
    app = await local.install()
    token = await called(local, app, actor_kind="viewer", person_id=local.person().id)
    await local.tokens.check(token)
    await local.actions.leave(local.doer(), local.person().id)
    with pytest.raises(InvalidToken):
        await local.tokens.check(token)


# Clients of installations


async def test_an_install_makes_the_client_in_its_own_transaction(local: Any) -> None:
    app = await local.install()
    (row,) = await local.rows(t.oauth_client)
    assert (row["installation_id"], row["credential"]) == (app.installation.id, app.installation.credential)
    assert app.id.startswith("c_") and len(app.id) == 28
    await local.leaving.uninstall(local.doer(), app.client.app_id)
    (row,) = await local.rows(t.oauth_client)
    assert row["revoked_at"] is not None
    assert await local.rows(t.oauth_secret) == []
    of = (local.db.read, clients.of_installation, app.client.organisation_id, app.installation.id)
    assert await of[0](*of[1:]) is None
    assert (await of[0](*of[1:], goodbye=True)).id == app.id


def test_secrets_have_256_bits_and_never_repeat() -> None:
    made = {new_secret("at_") for _ in range(1000)}
    assert len(made) == 1000
    assert {len(text) for text in made} == {TEXT_LENGTH}
