"""The page on which a person lets an app act in their name: what it shows, what it stores, where it sends."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import sqlalchemy as sa

from assigntask.db import tables as t
from assigntask.oauth.authorizing import Authorizing
from assigntask.oauth.metadata_documents import MetadataDocuments
from assigntask.people.facts import Doer
from assigntask.web import board, site
from assigntask_sdk.details import DETAILS, SCOPES

pytestmark = pytest.mark.timeout(60)

World = Any
Answer = Any

URL = "http://127.0.0.1:8000"
BACK = "https://bench.example/back?app=asking"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
METADATA = "https://bench.example/client"


class Browser:
    """Somebody's browser, with a cookie once they are signed in."""

    def __init__(self, world: World, client_id: str) -> None:
        self.world = world
        self.client_id = client_id
        self.cookie = ""

    async def sign_in(self, name: str, organisation: str = "Harbour") -> None:
        operator = Doer(self.world.ids[organisation], None, None, operator=True)
        link = await self.world.platform.signing_in.make_link(operator, self.world.ids[name])
        answer = await self.post("/sign-in", link=link)
        assert answer.status == 303, answer.text
        self.cookie = answer.headers["set-cookie"].partition(";")[0]

    async def get(self, path: str, **headers: str) -> Answer:
        return await self.world.call(path, cookie=self.cookie, **headers)

    async def post(self, path: str, **form: str) -> Answer:
        return await self.world.call(path, form=form, cookie=self.cookie, origin=URL)

    async def ask(self, **changes: str | None) -> Answer:
        given: dict[str, str | None] = {
            "client_id": self.client_id, "response_type": "code", "redirect_uri": BACK, "state": "s-1",
            "code_challenge": CHALLENGE, "code_challenge_method": "S256", **changes,
        }  # fmt: skip
        query = urlencode({name: value for name, value in given.items() if value is not None})
        return await self.get(f"/oauth/authorize?{query}")

    async def answer(self, page: Answer, *ticked: str, decision: str = "allow", **more: str) -> Answer:
        ticks = {f"scope:{scope}": "yes" for scope in ticked}
        sealed = page.html.rpartition('name="form" value="')[2].partition('"')[0]
        return await self.post("/oauth/authorize", form=sealed, decision=decision, **ticks, **more)


def boxes(page: Answer) -> dict[str, bool]:
    """Scope → whether it is ticked, of those that can be."""
    found = [fields for tag, fields in page.elements if tag == "input" and fields.get("type") == "checkbox"]
    return {str(fields["name"]).removeprefix("scope:"): "checked" in fields for fields in found}


def sent(answer: Answer) -> dict[str, str]:
    """What the app is told."""
    assert answer.status == 303, answer.text
    location = answer.headers["location"]
    assert location.startswith(BACK)
    found = dict(parse_qsl(urlsplit(location).query))
    assert found.pop("iss") == URL
    assert found.pop("app") == "asking"
    return found


async def rows(world: World, table: sa.Table) -> list[Any]:
    return await world.platform.db.read(lambda conn: conn.execute(sa.select(table)).all())


@pytest.fixture
async def browser(open_world: Any) -> AsyncIterator[Browser]:
    """Of Bo, a member, in an organisation where Ada installed the app."""
    async with open_world(url=URL) as world:
        await world.organisation("Harbour", admin="ada")
        await world.person("Bo Berg")
        await world.install("asking_app")
        client = (await world.platform.db.read(_clients))[0]
        made = Browser(world, client)
        await made.sign_in("Bo Berg")
        yield made


def _clients(conn: sa.Connection) -> list[str]:
    return list(conn.execute(sa.select(t.oauth_client.c.id)).scalars())


# --- what is shown ------------------------------------------------------------------------------------------------


async def test_the_page_says_who_asks_whom_for_what_in_the_catalogues_words(browser: Browser) -> None:
    page = await browser.ask()
    assert page.status == 200
    for words in (
        "Let Asking act in your name?",
        "Asking is an app by Test Bench (NL), installed in Harbour.",
        "Signed in as Bo Berg",
        SCOPES["comments:read"].words,
        "to count comments",
        DETAILS["comment.text"].words,
        SCOPES["tasks:write"].words,
        "in all projects of Harbour",
        "or it has not used this for 30 days",
        "you go back to the app, at https://bench.example",
    ):
        assert words in page.text
    assert ("a", {"href": "https://bench.example/privacy", "rel": "noopener noreferrer"}) in page.elements
    assert "Not yours to give" in page.text
    assert SCOPES["people:email"].words in page.text.partition("Not yours to give")[2]


async def test_optional_scopes_have_boxes_and_required_ones_have_none(browser: Browser) -> None:
    assert boxes(await browser.ask()) == {"tasks:people": True, "comments:read": True, "tasks:write": True}
    assert boxes(await browser.ask(scope="tasks:read comments:read")) == {"comments:read": True}


async def test_the_form_may_lead_to_this_host_and_the_apps_redirect_and_nowhere_else(browser: Browser) -> None:
    policy = (await browser.ask()).headers["content-security-policy"]
    assert "form-action 'self' https://bench.example;" in policy
    assert policy.startswith("default-src 'none';")
    local = await browser.ask(redirect_uri="http://127.0.0.1:5555/back")
    assert "form-action 'self' http://127.0.0.1:5555;" in local.headers["content-security-policy"]


# --- what is stored -----------------------------------------------------------------------------------------------


async def test_what_was_ticked_is_what_is_granted(browser: Browser) -> None:
    page = await browser.ask()
    answer = sent(await browser.answer(page, "comments:read"))
    assert answer["state"] == "s-1"
    assert answer["code"].startswith("ac_")
    authorization = (await rows(browser.world, t.oauth_authorization))[0]
    assert authorization.scopes == ["comments:read", "tasks:read"]
    assert authorization.person_id == browser.world.ids["Bo Berg"]
    code = (await rows(browser.world, t.oauth_code))[0]
    assert (code.redirect_uri, code.redirect_uri_given, code.code_challenge) == (BACK, True, CHALLENGE)
    assert answer["code"] not in json.dumps([list(map(str, code)), list(map(str, authorization))])


async def test_the_ledger_says_what_was_allowed_with_ids_only(browser: Browser) -> None:
    await browser.answer(await browser.ask(), "comments:read")
    entry = next(
        each for each in await browser.world.platform.ledger.given(browser.world.ids["Harbour"])
        if each.kind == "authorization"
    )  # fmt: skip
    assert entry.actor == f"person {browser.world.ids['Bo Berg']}"
    assert entry.facts["scopes"] == ["comments:read", "tasks:read"]
    assert entry.facts["client"] == browser.client_id
    assert entry.facts["notice"] == (await rows(browser.world, t.oauth_authorization))[0].notice_digest
    assert "Bo" not in json.dumps(entry.to_json())


async def test_who_does_not_allow_it_is_sent_back_and_nothing_is_stored(browser: Browser) -> None:
    answer = sent(await browser.answer(await browser.ask(), decision="deny"))
    assert (answer["error"], answer["state"]) == ("access_denied", "s-1")
    assert await rows(browser.world, t.oauth_authorization) == []


async def test_at_least_one_thing_has_to_be_left_ticked(browser: Browser) -> None:
    page = await browser.ask(scope="comments:read tasks:write")
    again = await browser.answer(page)
    assert again.status == 400
    assert "Nothing is ticked." in again.text
    assert boxes(again) == {"comments:read": False, "tasks:write": False}
    assert sent(await browser.answer(again, "tasks:write"))["code"]
    assert (await rows(browser.world, t.oauth_authorization))[0].scopes == ["tasks:write"]


async def test_a_later_request_shows_only_what_is_new(browser: Browser) -> None:
    await browser.answer(await browser.ask(scope="tasks:read"))
    page = await browser.ask(scope="tasks:read comments:read")
    assert boxes(page) == {"comments:read": True}
    assert SCOPES["tasks:read"].words in page.text.partition("Already allowed")[2]
    await browser.answer(page, "comments:read")
    stored = await rows(browser.world, t.oauth_authorization)
    assert [each.scopes for each in stored] == [["tasks:read"], ["comments:read", "tasks:read"]]
    assert "It asks for nothing that you haven't allowed already." in (await browser.ask(scope="tasks:read")).text


async def test_what_another_client_or_person_was_allowed_is_not_allowed_already(browser: Browser) -> None:
    await browser.answer(await browser.ask(scope="tasks:read"))
    await browser.sign_in("ada")
    assert "Already allowed" not in (await browser.ask(scope="tasks:read")).text


# --- who may not --------------------------------------------------------------------------------------------------


async def test_nobody_is_asked_before_they_signed_in(browser: Browser) -> None:
    browser.cookie = ""
    answer = await browser.ask()
    assert answer.status == 401
    assert "assigntask people sign-in-link PERSON" in answer.text
    assert "Asking" not in answer.text


async def test_who_objected_is_told_so_and_can_not_allow_anything(browser: Browser) -> None:
    page = await browser.ask()
    world = browser.world
    bo = Doer(world.ids["Harbour"], world.ids["Bo Berg"], "member")
    await world.platform.objections.object(bo, "asking-app")
    refused = await browser.answer(page, "comments:read")
    assert (refused.status, "code: authorization_blocked" in refused.text) == (403, True)
    shown = await browser.ask()
    assert shown.status == 403
    assert "You said no to Asking" in shown.text
    assert "assigntask object asking-app --withdraw --as" in shown.text
    assert boxes(shown) == {}
    assert (await browser.answer(shown)).status == 403
    assert sent(await browser.answer(shown, decision="deny"))["error"] == "access_denied"
    await world.platform.objections.withdraw(bo, "asking-app")
    assert sent(await browser.answer(await browser.ask()))["code"]


async def test_who_restricted_all_apps_is_told_so(browser: Browser) -> None:
    world = browser.world
    bo = world.ids["Bo Berg"]
    await world.platform.objections.restrict(Doer(world.ids["Harbour"], bo, "member"), bo)
    shown = await browser.ask()
    assert (shown.status, "Apps are restricted for you" in shown.text) == (403, True)


async def test_what_was_allowed_before_an_objection_is_asked_again(browser: Browser) -> None:
    await browser.answer(await browser.ask(scope="tasks:read"))
    world = browser.world
    bo = Doer(world.ids["Harbour"], world.ids["Bo Berg"], "member")
    await world.platform.objections.object(bo, "asking-app")
    await world.platform.objections.withdraw(bo, "asking-app")
    assert "Already allowed" not in (await browser.ask(scope="tasks:read")).text


async def test_a_person_of_another_organisation_does_not_learn_that_the_client_is_there(browser: Browser) -> None:
    await browser.world.organisation("Airfield", admin="zoe")
    await browser.sign_in("zoe", "Airfield")
    known, unknown = await browser.ask(), await browser.ask(client_id="c_" + "a" * 26)
    assert (known.status, known.html) == (unknown.status, unknown.html) == (400, known.html)
    assert "code: client_unknown" in known.text


async def test_a_disabled_app_can_not_be_allowed_anything(browser: Browser) -> None:
    page = await browser.ask()
    await browser.world.platform.leaving.disable(browser.world.doer(), "asking-app")
    for answer in (await browser.ask(), await browser.answer(page)):
        assert (answer.status, "code: client_inactive" in answer.text) == (400, True)


# --- before the redirect URI is trusted, nobody is sent anywhere --------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"client_id": None}, "authorize_request_invalid"),
        ({"client_id": "c_nobody"}, "client_unknown"),
        ({"client_id": "https://elsewhere.example/client"}, "client_unknown"),
        ({"redirect_uri": "https://evil.example/"}, "redirect_uri_invalid"),
        ({"redirect_uri": BACK + "#x"}, "redirect_uri_invalid"),
        ({"redirect_uri": None}, "redirect_uri_invalid"),
        ({"request_uri": "urn:ietf:params:oauth:request_uri:pr_x"}, "request_uri_invalid"),
        ({"state": "a\x00b"}, "authorize_request_invalid"),
    ],
)
async def test_an_error_before_the_redirect_uri_is_trusted_is_shown(
    browser: Browser, changes: dict[str, str | None], code: str
) -> None:
    answer = await browser.ask(**changes)
    assert answer.status == 400
    assert f"code: {code}" in answer.text
    assert "location" not in answer.headers


@pytest.mark.parametrize("query", ["state=a&state=b", "state=%FF", "state=%00", "state=%zz", "=x", "a" * 70_000])
async def test_odd_bytes_and_repeated_parameters_are_shown_as_an_error(browser: Browser, query: str) -> None:
    answer = await browser.get(f"/oauth/authorize?client_id={browser.client_id}&{query}")
    assert (answer.status, "code: authorize_request_invalid" in answer.text) == (400, True)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"scope": "tasks:reed"}, "invalid_scope"),
        ({"scope": "people:name"}, "invalid_scope"),
        ({"scope": "people:email"}, "invalid_scope"),
        ({"resource": "https://elsewhere.example/"}, "invalid_target"),
        ({"prompt": "login"}, "invalid_request"),
        ({"prompt": "none"}, "consent_required"),
    ],
)
async def test_afterwards_the_app_is_told_with_state_and_iss(
    browser: Browser, changes: dict[str, str | None], error: str
) -> None:
    answer = sent(await browser.ask(**changes))
    assert (answer["error"], answer["state"]) == (error, "s-1")


async def test_without_a_page_an_app_gets_a_code_only_for_what_was_allowed_before(browser: Browser) -> None:
    await browser.answer(await browser.ask(scope="tasks:read comments:read"), "comments:read")
    assert sent(await browser.ask(prompt="none", scope="tasks:read"))["code"]
    assert sent(await browser.ask(prompt="none", scope="tasks:read tasks:write"))["error"] == "consent_required"
    browser.cookie = ""
    assert sent(await browser.ask(prompt="none", scope="tasks:read"))["error"] == "login_required"


# --- the form -----------------------------------------------------------------------------------------------------


async def test_a_form_of_another_session_or_changed_or_of_another_site_is_refused(browser: Browser) -> None:
    page = await browser.ask()
    sealed = page.html.rpartition('name="form" value="')[2].partition('"')[0]
    text, _, signature = sealed.partition(".")
    for odd in ("", "x", f"{text}.", f"{text}.{'0' * 64}", f"{text[:-4]}AAAA.{signature}", f"{text}.é"):
        answer = await browser.post("/oauth/authorize", form=odd, decision="allow")
        assert (answer.status, "code: form_invalid" in answer.text) == (400, True)
    form = {"form": sealed, "decision": "allow"}
    for origin in ({}, {"origin": "https://evil.example"}, {"origin": "null"}, {"sec_fetch_site": "same-site"}):
        answer = await browser.world.call("/oauth/authorize", form=form, cookie=browser.cookie, **origin)
        assert (answer.status, "cross_site" in answer.text) == (403, True)
    await browser.sign_in("Bo Berg")
    assert "code: form_invalid" in (await browser.answer(page)).text
    assert await rows(browser.world, t.oauth_code) == []


async def test_an_answer_counts_only_for_what_was_shown(browser: Browser) -> None:
    world = browser.world
    page = await browser.ask(scope="tasks:read people:email")
    assert boxes(page) == {}
    await world.platform.people.role(world.doer(), world.ids["Bo Berg"], "admin")  # now they could give more
    answer = await browser.answer(page)
    assert (answer.status, "code: authorization_changed" in answer.text) == (400, True)
    assert await rows(world, t.oauth_code) == []


@pytest.mark.parametrize("form", [{}, {"decision": "perhaps"}])
async def test_a_form_without_an_answer_is_refused(browser: Browser, form: dict[str, str]) -> None:
    answer = await browser.answer(await browser.ask(), **{"decision": "", **form})
    assert "code: form_invalid" in answer.text


# --- clients that bring their own address -------------------------------------------------------------------------


async def test_a_client_by_its_metadata_url_is_known_by_its_document(browser: Browser) -> None:
    document = {"client_id": METADATA, "redirect_uris": ["https://bench.example/back?app=asking"]}
    fetched: list[str] = []

    async def fetch(url: str) -> bytes:
        fetched.append(url)
        return json.dumps(document).encode()

    platform = browser.world.platform
    documents = MetadataDocuments(fetch, platform.clock)
    lifetimes = platform.settings.lifetimes
    authorizing = Authorizing(platform.db, platform.ledger, platform.clock, lambda: URL, lifetimes, documents)
    parts = (platform.db, platform.directory, platform.questions, platform.grants, platform.clock)
    browser.world.site = site.site(board.Services(*parts), replace(platform.entrance(), authorizing=authorizing))
    page = await browser.ask(client_id=METADATA)
    assert page.status == 200, page.text
    sent(await browser.answer(page))
    stored = (await rows(browser.world, t.oauth_authorization))[0]
    assert stored.client_id == METADATA
    assert fetched == [METADATA]
    assert "code: redirect_uri_invalid" in (await browser.ask(client_id=METADATA, redirect_uri=BACK + "x")).text


async def test_a_client_by_its_metadata_url_is_known_only_where_it_is_installed(browser: Browser) -> None:
    await browser.world.organisation("Airfield", admin="zoe")
    await browser.sign_in("zoe", "Airfield")
    assert "code: client_unknown" in (await browser.ask(client_id=METADATA)).text
    browser.cookie = ""
    assert (await browser.ask(client_id=METADATA, prompt="none")).status == 401
