"""The token endpoint's three grants: who may use which, what comes of it, and what is refused."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from assigntask.db import tables as t
from assigntask.oauth.clients import METHODS
from assigntask.oauth.core import GRANT_TYPES

GRANTED = "people:name tasks:read"


async def test_an_installation_gets_a_token_as_itself(local: Any) -> None:
    app = await local.install()
    answer = await local.token(app)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    said = answer.json()
    assert (said["token_type"], said["expires_in"], said["scope"]) == ("Bearer", 3600, GRANTED)
    assert "refresh_token" not in said
    bearer = await local.tokens.check(said["access_token"])
    assert (bearer.kind, bearer.actor.kind, bearer.scopes) == ("installation", "installation", None)
    assert bearer.installation_id == app.installation.id


async def test_a_scope_narrows_a_token_and_can_t_widen_it(desk: Any) -> None:
    app = await desk.install(without=["people:name"])
    narrowed = await desk.token(app, scope="tasks:read")
    assert narrowed.json()["scope"] == "tasks:read"
    assert (await desk.tokens.check(narrowed.json()["access_token"])).scopes == {"tasks:read"}
    for scope in ("people:name", "tasks:read people:name", "tasks:write", "no:such", "tasks:read  tasks:read", " "):
        refused = await desk.token(app, scope=scope)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_scope"), scope


async def test_a_person_s_token_has_what_they_allowed(local: Any) -> None:
    app = await local.install()
    said = await local.authorized(app, scopes=["tasks:read"])
    assert said["scope"] == "tasks:read"
    bearer = await local.tokens.check(said["access_token"])
    assert (bearer.kind, bearer.actor.kind, bearer.scopes) == ("person", "person", {"tasks:read"})
    assert (bearer.actor.person_id, bearer.actor.role) == (local.person().id, "member")


async def test_an_authorization_lets_the_app_act_with_its_token_and_in_no_other_way(desk: Any) -> None:
    """Who is enrolled can be acted for with the installation's own token, beyond what they ticked."""
    await desk.authorized(await desk.install(), scopes=["tasks:read"])
    assert await desk.rows(t.enrolment) == []


async def test_a_refresh_token_gives_the_next_and_may_narrow_the_access_token_alone(local: Any) -> None:
    app = await local.install()
    first = await local.authorized(app)
    narrow = (await local.refresh(app, first["refresh_token"], scope="tasks:read")).json()
    assert narrow["scope"] == "tasks:read"
    assert narrow["refresh_token"] != first["refresh_token"]
    whole = (await local.refresh(app, narrow["refresh_token"])).json()
    assert whole["scope"] == GRANTED
    await local.tokens.check(first["access_token"])  # a token already given lives its hour


async def test_a_refresh_that_asks_for_more_is_refused_and_uses_nothing_up(local: Any) -> None:
    app = await local.install()
    first = await local.authorized(app, scopes=["tasks:read"])
    wider = await local.refresh(app, first["refresh_token"], scope=GRANTED)
    assert (wider.status_code, wider.json()["error"]) == (400, "invalid_scope")
    assert (await local.refresh(app, first["refresh_token"])).status_code == 200


async def test_lifetimes_are_those_of_the_settings(local: Any) -> None:
    app = await local.install()
    token = await local.access(app)
    said, late = await local.authorized(app), await local.code(app)
    local.clock.advance(minutes=60, seconds=-1)
    await local.tokens.check(token)
    local.clock.advance(seconds=1)
    with pytest.raises(Exception, match="unknown, expired or revoked"):
        await local.tokens.check(token)
    assert (await local.redeem(app, late)).json()["error"] == "invalid_grant"
    local.clock.advance(days=30)
    assert (await local.refresh(app, said["refresh_token"])).json()["error"] == "invalid_grant"


async def test_a_refresh_token_that_is_used_stays_alive(local: Any) -> None:
    app = await local.install()
    said = await local.authorized(app)
    for _ in range(3):
        local.clock.advance(days=29)
        answer = await local.refresh(app, said["refresh_token"])
        assert answer.status_code == 200
        said = answer.json()


@pytest.mark.parametrize("registered", METHODS)
async def test_client_authentication_by_grant(local: Any, registered: str) -> None:
    """A secret may be sent either way; otherwise a client authenticates as its manifest says. A public client never
    acts as the installation."""
    app = await local.install(registered)
    secrets = {"client_secret_basic", "client_secret_post"}
    for shown in METHODS:
        right = shown == registered or {shown, registered} <= secrets
        code, said = await local.code(app), await local.authorized(app)
        answers = {
            "client_credentials": await local.token(app, method=shown),
            "authorization_code": await local.redeem(app, code, method=shown),
            "refresh_token": await local.refresh(app, said["refresh_token"], method=shown),
        }
        assert set(answers) == set(GRANT_TYPES)
        for grant_type, answer in answers.items():
            where = f"{registered}, {shown}, {grant_type}: {answer.text}"
            if not right:
                assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client"), where
                assert answer.headers["www-authenticate"].startswith("Basic ")
            elif registered == "none" and grant_type == "client_credentials":
                assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client"), where
            else:
                assert answer.status_code == 200, where


async def test_a_code_is_its_own_client_s(local: Any) -> None:
    app, other = await local.install(), await local.install()
    code = await local.code(app)
    refused = await local.redeem(other, code)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    assert (await local.redeem(app, code)).status_code == 200


async def test_a_refresh_token_is_its_own_client_s(local: Any) -> None:
    app, other = await local.install(), await local.install()
    said = await local.authorized(app)
    refused = await local.refresh(other, said["refresh_token"])
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    assert (await local.refresh(app, said["refresh_token"])).status_code == 200


@pytest.mark.parametrize(
    ("given", "sent", "right"),
    [
        (True, "https://vendor.example/back", True),
        (True, "https://vendor.example/back/", False),
        (True, None, False),
        (False, None, True),
        (False, "https://vendor.example/back", True),
        (False, "https://thief.example/back", False),
    ],
)
async def test_the_redirect_uri_is_the_one_of_the_request(
    local: Any, given: bool, sent: str | None, right: bool
) -> None:
    app = await local.install()
    answer = await local.redeem(app, await local.code(app, given=given), redirect_uri=sent)
    assert answer.status_code == (200 if right else 400)
    assert right or answer.json()["error"] == "invalid_grant"


async def test_a_disabled_app_gets_nothing_until_it_is_enabled(local: Any) -> None:
    app = await local.install()
    code, said = await local.code(app), await local.authorized(app)
    await local.leaving.disable(local.doer(), app.client.app_id)
    for answer in (
        await local.token(app),
        await local.redeem(app, code),
        await local.refresh(app, said["refresh_token"]),
    ):
        assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")
    await local.leaving.enable(local.doer(), app.client.app_id)
    assert (await local.token(app)).status_code == 200
    assert (await local.refresh(app, said["refresh_token"])).status_code == 200


async def test_an_uninstalled_app_s_credentials_open_nothing_and_a_restored_one_has_new_ones(desk: Any) -> None:
    app = await desk.install()
    said = await desk.authorized(app)
    await desk.leaving.uninstall(desk.doer(), app.client.app_id)
    assert (await desk.token(app)).json()["error"] == "invalid_client"
    restored = await desk.leaving.restore(desk.doer(), app.client.app_id)
    await desk.leaving.enable(desk.doer(), app.client.app_id)
    assert (await desk.token(app)).json()["error"] == "invalid_client"
    again = await desk.installed(restored)
    assert again.id != app.id
    assert (await desk.token(again)).status_code == 200
    assert (await desk.refresh(again, said["refresh_token"])).json()["error"] == "invalid_grant"


@pytest.mark.parametrize("what", ["left", "objected", "objected and withdrawn", "restricted"])
async def test_a_person_who_ended_it_gives_no_more_tokens(desk: Any, what: str) -> None:
    app = await desk.install()
    code, said = await desk.code(app), await desk.authorized(app)
    person, self_doer = desk.person(), desk.doer("Ben")
    if what == "left":
        await desk.actions.leave(desk.doer(), person.id)
    elif what == "restricted":
        await desk.objections.restrict(desk.doer(), person.id)
    else:
        await desk.objections.object(self_doer, app.client.app_id)
        if what == "objected and withdrawn":
            await desk.objections.withdraw(self_doer, app.client.app_id)
    for answer in (await desk.redeem(app, code), await desk.refresh(app, said["refresh_token"])):
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


async def test_a_client_that_names_itself_by_its_metadata_url_acts_for_people_only(desk: Any) -> None:
    url = "https://vendor.example/client.json"
    app = await desk.install(client_metadata=url)
    document = {"client_id": url, "redirect_uris": ["https://vendor.example/back"]}
    desk.web[url] = json.dumps(document).encode()
    named = await desk.named_by_url(app)
    code = await desk.code(app, client=named)
    answer = await desk.redeem(None, code, client_id=url)
    assert answer.status_code == 200, answer.text
    assert (await desk.tokens.check(answer.json()["access_token"])).client_id == url
    as_itself = await desk.token(client_id=url)
    assert (as_itself.status_code, as_itself.json()["error"]) == (400, "unauthorized_client")
    as_other_name = await desk.refresh(app, answer.json()["refresh_token"])
    assert as_other_name.json()["error"] == "invalid_grant"
    renewed = await desk.refresh(None, answer.json()["refresh_token"], client_id=url)
    assert renewed.status_code == 200


async def test_an_address_that_no_installed_app_names_is_never_fetched(local: Any) -> None:
    await local.install()
    answer = await local.token(client_id="https://thief.example/client.json")
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert local.fetched == []


async def test_one_metadata_url_in_two_organisations_is_told_apart_by_the_code(desk: Any) -> None:
    url = "https://vendor.example/client.json"
    app_id = desk.offer(client_metadata=url)
    here = await desk.install_offered(app_id)
    there = await desk.install_offered(app_id, organisation="Quay")
    document = {"client_id": url, "redirect_uris": ["https://vendor.example/back"]}
    desk.web[url] = json.dumps(document).encode()
    for app, organisation in ((here, "Harbour"), (there, "Quay")):
        person = desk.person(organisation=organisation)
        code = await desk.code(app, client=await desk.named_by_url(app), person=person)
        answer = await desk.redeem(None, code, client_id=url)
        bearer = await desk.tokens.check(answer.json()["access_token"])
        assert bearer.organisation_id == desk.organisations[organisation]


async def test_eight_redemptions_of_one_code_at_once_succeed_once_and_leave_nothing_alive(desk: Any) -> None:
    app = await desk.install()
    code = await desk.code(app)
    answers = await asyncio.gather(*(desk.redeem(app, code) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 7
    assert {answer.json()["error"] for answer in answers if answer.status_code == 400} == {"invalid_grant"}
    (won,) = [answer.json() for answer in answers if answer.status_code == 200]
    assert (await desk.refresh(app, won["refresh_token"])).json()["error"] == "invalid_grant"


async def test_eight_refreshes_at_once_succeed_once_and_the_family_is_revoked(desk: Any) -> None:
    """No grace: a parallel second use is a second use (RFC 9700, section 4.14.2)."""
    app = await desk.install()
    said = await desk.authorized(app)
    answers = await asyncio.gather(*(desk.refresh(app, said["refresh_token"]) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 7
    (won,) = [answer.json() for answer in answers if answer.status_code == 200]
    assert (await desk.refresh(app, won["refresh_token"])).json()["error"] == "invalid_grant"
    with pytest.raises(Exception, match="revoked"):
        await desk.tokens.check(won["access_token"])
