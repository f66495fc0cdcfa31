"""Signing in with a link, staying signed in, and what the board shows to whom."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.requests import Request

from assigntask.db import tables as t
from assigntask.errors import HostError
from assigntask.people.facts import Doer
from assigntask.web import forms
from assigntask.web.entrance import at_this_machine

pytestmark = pytest.mark.timeout(60)

World = Any
Answer = Any

PUBLIC = "https://tasks.example.org"
HOST = "tasks.example.org"
FORM = b"application/x-www-form-urlencoded"


async def link_for(world: World, name: str, organisation: str = "Harbour") -> str:
    operator = Doer(world.ids[organisation], None, None, operator=True)
    return str(await world.platform.signing_in.make_link(operator, world.ids[name]))


async def redeem(world: World, link: str, **headers: str) -> Answer:
    return await world.call("/sign-in", form={"link": link}, host=HOST, **{"origin": PUBLIC, **headers})


async def signed_in(world: World, name: str, organisation: str = "Harbour") -> str:
    """The cookie."""
    answer = await redeem(world, await link_for(world, name, organisation))
    assert (answer.status, answer.headers["location"]) == (303, "/")
    return str(answer.headers["set-cookie"].partition(";")[0])


def field(page: Answer, name: str) -> str:
    return next(str(at["value"]) for tag, at in page.elements if tag == "input" and at.get("name") == name)


@pytest.fixture
async def public(open_world: Any) -> AsyncIterator[World]:
    """A host with a public address; Harbour has Ada, an admin, and Bo, a member; Airfield has Zoe."""
    async with open_world(url=PUBLIC) as world:
        await world.organisation("Harbour", admin="ada")
        await world.person("Bo Berg")
        await world.organisation("Airfield", admin="zoe")
        world.site = world.platform.site((HOST, "127.0.0.1"))
        yield world


# --- the link -----------------------------------------------------------------------------------------------------


async def test_looking_at_a_link_does_not_use_it_up(public: World) -> None:
    link = await link_for(public, "Bo Berg")
    for _ in range(3):
        page = await public.page(f"/sign-in?link={link}", host=HOST)
        assert field(page, "link") == link
        assert "Bo" not in page.text
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["referrer-policy"] == "same-origin"
    assert (await redeem(public, link)).status == 303


async def test_a_link_works_once(public: World) -> None:
    link = await link_for(public, "Bo Berg")
    await redeem(public, link)
    again = await redeem(public, link)
    assert (again.status, "code: sign_in_link_invalid" in again.text) == (400, True)
    assert "set-cookie" not in again.headers


@pytest.mark.parametrize("link", ["", "sl_", "sl_" + "a" * 43, "se_" + "a" * 43, "sl_" + "é" * 43, "x" * 5000])
async def test_another_text_is_no_link(public: World, link: str) -> None:
    answer = await redeem(public, link)
    assert (answer.status, "code: sign_in_link_invalid" in answer.text) == (400, True)


async def test_another_site_can_not_sign_somebody_in(public: World) -> None:
    link = await link_for(public, "Bo Berg")
    for headers in (
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "none"},
    ):
        answer = await redeem(public, link, **headers)
        assert (answer.status, "cross_site" in answer.html) == (403, True)
    assert (await redeem(public, link, origin="", sec_fetch_site="same-origin")).status == 303


async def test_the_ledger_says_that_the_operator_made_a_link_for_whom(public: World) -> None:
    await link_for(public, "Bo Berg")
    entries = await public.platform.ledger.given(public.ids["Harbour"])
    made = [(each.actor, each.subjects) for each in entries if each.kind == "sign_in_link"]
    assert made == [("operator", (public.ids["Bo Berg"],))]


# --- the cookie ---------------------------------------------------------------------------------------------------


async def test_the_cookie_is_this_hosts_alone_and_only_its_digest_is_stored(public: World) -> None:
    answer = await redeem(public, await link_for(public, "Bo Berg"))
    name, _, rest = answer.headers["set-cookie"].partition("=")
    value, *attributes = rest.split("; ")
    assert name == "__Host-assigntask"
    assert {each.lower() for each in attributes} == {
        "httponly", "max-age=2592000", "path=/", "samesite=lax", "secure",
    }  # fmt: skip
    stored = await public.platform.db.read(lambda conn: conn.execute(sa.select(t.session.c.digest)).scalars().all())
    assert (len(stored), len(stored[0]), value in stored) == (1, 64, False)


async def test_on_this_machine_the_cookie_has_a_plain_name(world: World) -> None:
    link = await link_for(world, "ada")
    answer = await world.call("/sign-in", form={"link": link}, origin="http://127.0.0.1:8000")
    assert answer.headers["set-cookie"].startswith("assigntask=se_")
    assert "secure" not in answer.headers["set-cookie"].lower()


async def test_signing_in_anew_gives_a_new_session_and_ends_the_old_one(public: World) -> None:
    first = await signed_in(public, "Bo Berg")
    answer = await redeem(public, await link_for(public, "ada"), cookie=first)
    second = answer.headers["set-cookie"].partition(";")[0]
    assert second != first
    assert (await public.call(host=HOST, cookie=first)).status == 401
    assert "Signed in as Ada" in (await public.page(host=HOST, cookie=second)).text


async def test_signing_out_ends_the_session_and_needs_the_pages_own_form(public: World) -> None:
    cookie = await signed_in(public, "Bo Berg")
    page = await public.page(host=HOST, cookie=cookie)
    refused = await public.call("/sign-out", form={}, host=HOST, cookie=cookie, origin=PUBLIC)
    assert "code: form_invalid" in refused.text
    await public.page(host=HOST, cookie=cookie)
    form = {"form": field(page, "form")}
    out = await public.call("/sign-out", form=form, host=HOST, cookie=cookie, origin=PUBLIC)
    assert (out.status, out.headers["location"]) == (303, "/sign-in?out")
    assert 'assigntask=""' in out.headers["set-cookie"]
    assert (await public.call(host=HOST, cookie=cookie)).status == 401
    assert "You are signed out" in (await public.page("/sign-in?out", host=HOST)).text


# --- the board ----------------------------------------------------------------------------------------------------


async def test_the_board_is_seen_as_who_is_signed_in_and_in_their_organisation_only(public: World) -> None:
    cookie = await signed_in(public, "Bo Berg")
    page = await public.page(host=HOST, cookie=cookie)
    assert "Signed in as Bo Berg, member" in page.text
    assert "Airfield" not in page.text
    assert "form-action 'self';" in page.headers["content-security-policy"]
    other = await public.call(f"/?organisation={public.ids['Airfield']}", host=HOST, cookie=cookie)
    assert (other.status, "code: organisation_unknown" in other.text) == (404, True)


async def test_nobody_sees_the_board_of_a_public_host_without_signing_in(public: World) -> None:
    for host in (HOST, "127.0.0.1:8000"):
        answer = await public.call(host=host)
        assert (answer.status, "code: sign_in_needed" in answer.text) == (401, True)
        assert "assigntask people sign-in-link PERSON" in answer.text
        assert "Harbour" not in answer.text
    for cookie in ("__Host-assigntask=", "__Host-assigntask=se_" + "a" * 43, "assigntask=x"):
        assert (await public.call(host=HOST, cookie=cookie)).status == 401


async def test_a_session_ends_with_its_persons_rights(public: World) -> None:
    cookie = await signed_in(public, "Bo Berg")
    await public.platform.people.role(public.doer(), public.ids["Bo Berg"], "admin")
    assert "Signed in as Bo Berg, admin" in (await public.page(host=HOST, cookie=cookie)).text
    await public.platform.forgetting.forget(public.doer(), public.ids["Bo Berg"])
    assert (await public.call(host=HOST, cookie=cookie)).status == 401


async def test_on_this_machine_nobody_needs_to_sign_in_and_who_did_is_themself(world: World) -> None:
    assert "Seen as Ada, admin" in (await world.page()).text
    await world.person("Bo Berg")
    link = await link_for(world, "Bo Berg")
    answer = await world.call("/sign-in", form={"link": link}, origin="http://127.0.0.1:8000")
    cookie = answer.headers["set-cookie"].partition(";")[0]
    assert "Signed in as Bo Berg, member" in (await world.page(cookie=cookie)).text


@pytest.mark.parametrize(
    ("url", "host", "here"),
    [
        ("", "127.0.0.1:8000", True),
        ("", "localhost", True),
        ("", "[::1]:8000", True),
        ("http://127.0.0.1:8000", "127.0.0.1:8000", True),
        ("http://localhost:8000", "127.0.0.2", True),
        ("", "tasks.example.org", False),
        ("", "", False),
        ("https://tasks.example.org", "127.0.0.1", False),
        ("https://tasks.example.org", "tasks.example.org", False),
        ("http://127.0.0.1:8000", "127.0.0.1.evil.example", False),
    ],
)
def test_this_machine_is_one_by_the_hosts_address_and_the_requests(url: str, host: str, here: bool) -> None:
    assert at_this_machine(url, host) is here


@pytest.mark.parametrize("header", ["x-forwarded-for", "x-forwarded-host", "x-real-ip", "forwarded", "via"])
async def test_whoever_comes_through_a_proxy_does_not_count_as_sitting_at_this_machine(
    open_world: Any, header: str
) -> None:
    """A proxy may put this machine's own name in place of the one that people asked for."""
    async with open_world(url="http://127.0.0.1:8000") as world:
        await world.organisation("Harbour", admin="ada")
        assert (await world.call()).status == 200
        answer = await world.call(**{header: "203.0.113.9"})
        assert (answer.status, "code: sign_in_needed" in answer.text) == (401, True)
        assert "Harbour" not in answer.text


async def test_a_form_that_does_not_come_is_not_waited_for(public: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forms, "SECONDS", 0.01)
    coming = [{"type": "http.request", "body": b"link=", "more_body": True}]

    async def receive() -> Any:
        if not coming:
            await asyncio.Event().wait()
        return coming.pop()

    headers = [(b"host", HOST.encode()), (b"origin", PUBLIC.encode()), (b"content-type", FORM)]
    request = Request({"type": "http", "method": "POST", "path": "/sign-in", "headers": headers}, receive)
    with pytest.raises(HostError, match="Load the page again"):
        await asyncio.wait_for(forms.fields(request, PUBLIC), 5)
