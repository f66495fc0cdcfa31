"""Pushed authorization requests (RFC 9126): who may push, what is kept, and that a request is taken once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2
import pytest
from joserfc import jws
from joserfc.jwk import ECKey
from starlette.applications import Starlette

from assigntask.db import tables as t
from assigntask.errors import HostError
from assigntask.oauth import par
from assigntask.oauth.authorizing import Authorizing, Consent, Sent
from assigntask.oauth.metadata_documents import MetadataDocuments
from assigntask.settings import Lifetimes

Desk = Any
Installed = Any

ISSUER = "https://tasks.example"
BACK = "https://vendor.example/back"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
ASKED = {
    "response_type": "code", "redirect_uri": BACK, "state": "s-1", "scope": "tasks:read",
    "code_challenge": CHALLENGE, "code_challenge_method": "S256",
}  # fmt: skip
METHODS = ("client_secret_basic", "client_secret_post", "private_key_jwt", "none")


class Pushing:
    """A desk with the endpoint for pushing, and the authorize endpoint behind the page."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        route = par.endpoint(desk.server, desk.db, desk.clock)
        transport = httpx2.ASGITransport(Starlette(routes=[route]))
        self.http = httpx2.AsyncClient(transport=transport, base_url=ISSUER)
        documents = MetadataDocuments(desk.fetch, desk.clock)
        self.authorizing = Authorizing(desk.db, desk.ledger, desk.clock, lambda: ISSUER, Lifetimes(), documents)

    async def push(self, installed: Installed, **changes: Any) -> httpx2.Response:
        headers = changes.pop("headers", None)
        answer: httpx2.Response = await self.desk.post(
            "/oauth/par", installed, http=self.http, headers=headers, **{**ASKED, **changes}
        )
        return answer

    async def pushed(self, installed: Installed, **changes: Any) -> str:
        answer = await self.push(installed, **changes)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["request_uri"])

    async def open(self, client_id: str, request_uri: str, name: str = "Ben", **more: str) -> Consent | Sent:
        query = urlencode({"client_id": client_id, "request_uri": request_uri, **more})
        found = await self.authorizing.open(query.encode(), self.desk.doer(name))
        assert found is not None
        return found


@pytest.fixture
async def pushing(desk: Desk) -> AsyncIterator[Pushing]:
    made = Pushing(desk)
    yield made
    await made.http.aclose()


@pytest.fixture
async def local_pushing(local: Desk) -> AsyncIterator[Pushing]:
    made = Pushing(local)
    yield made
    await made.http.aclose()


@pytest.mark.parametrize("method", METHODS)
async def test_a_client_pushes_with_its_own_way_of_proving_who_it_is(local_pushing: Pushing, method: str) -> None:
    installed = await local_pushing.desk.install(method)
    answer = await local_pushing.push(installed)
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    assert answer.json()["expires_in"] == 60
    assert answer.json()["request_uri"].startswith("urn:ietf:params:oauth:request_uri:pr_")
    found = await local_pushing.open(installed.id, answer.json()["request_uri"])
    assert isinstance(found, Consent)
    assert (found.pending.redirect.uri, found.pending.asked.state) == (BACK, "s-1")


async def test_a_request_is_taken_once_also_by_several_at_once(pushing: Pushing) -> None:
    installed = await pushing.desk.install()
    uri = await pushing.pushed(installed)
    tries = [pushing.open(installed.id, uri) for _ in range(8)]
    answers = await asyncio.gather(*tries, return_exceptions=True)
    assert [type(each) for each in answers].count(Consent) == 1
    assert {each.code for each in answers if isinstance(each, HostError)} == {"request_uri_invalid"}


async def test_a_request_is_the_clients_who_pushed_it(local_pushing: Pushing) -> None:
    one, other = await local_pushing.desk.install(), await local_pushing.desk.install()
    uri = await local_pushing.pushed(one)
    with pytest.raises(HostError) as caught:
        await local_pushing.open(other.id, uri)
    assert caught.value.code == "request_uri_invalid"
    assert isinstance(await local_pushing.open(one.id, uri), Consent)  # it was not used up by the other


@pytest.mark.parametrize(("seconds", "works"), [(59, True), (60, False)])
async def test_a_request_is_good_for_sixty_seconds(local_pushing: Pushing, seconds: int, works: bool) -> None:
    installed = await local_pushing.desk.install()
    uri = await local_pushing.pushed(installed)
    local_pushing.desk.clock.now += timedelta(seconds=seconds)
    if works:
        assert isinstance(await local_pushing.open(installed.id, uri), Consent)
        return
    with pytest.raises(HostError, match="60 seconds"):
        await local_pushing.open(installed.id, uri)


async def test_parameters_beside_a_pushed_request_count_for_nothing(local_pushing: Pushing) -> None:
    installed = await local_pushing.desk.install()
    uri = await local_pushing.pushed(installed)
    found = await local_pushing.open(
        installed.id, uri, state="other", scope="people:name", redirect_uri="https://e.example/"
    )
    assert isinstance(found, Consent)
    assert found.pending.asked.state == "s-1"
    assert found.pending.asked.scopes == {"tasks:read"}


async def test_only_a_digest_of_its_name_is_stored_and_no_credential(local_pushing: Pushing) -> None:
    installed = await local_pushing.desk.install("client_secret_post")
    uri = await local_pushing.pushed(installed)
    (row,) = await local_pushing.desk.rows(t.oauth_pushed_request)
    assert uri.rpartition("pr_")[2] not in repr(row)
    assert installed.secret not in repr(row)
    assert row["parameters"] == {**ASKED, "client_id": installed.id}


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"request_uri": "urn:x"}, "invalid_request"),
        ({"request": "eyJ"}, "request_not_supported"),
        ({"redirect_uri": "https://evil.example/"}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"scope": "tasks:reed"}, "invalid_scope"),
        ({"resource": "https://elsewhere.example"}, "invalid_target"),
    ],
)
async def test_what_could_not_be_authorized_can_not_be_pushed(
    local_pushing: Pushing, changes: dict[str, Any], error: str
) -> None:
    answer = await local_pushing.push(await local_pushing.desk.install(), **changes)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert await local_pushing.desk.rows(t.oauth_pushed_request) == []


async def test_nobody_else_pushes(local_pushing: Pushing) -> None:
    desk = local_pushing.desk
    installed = await desk.install()
    kind = {"content-type": "application/x-www-form-urlencoded"}
    unknown = await local_pushing.http.post("/oauth/par", content=urlencode(ASKED), headers=kind)
    assert (unknown.status_code, unknown.json()["error"]) == (401, "invalid_client")
    assert unknown.headers["www-authenticate"].startswith("Basic")
    as_public = await desk.post("/oauth/par", installed, method="none", http=local_pushing.http, **ASKED)
    assert (as_public.status_code, as_public.json()["error"]) == (401, "invalid_client")
    other = await desk.install()
    named = await local_pushing.push(installed, client_id=other.id)
    assert (named.status_code, named.json()["error"]) == (400, "invalid_request")
    await desk.leaving.disable(desk.doer(), installed.client.app_id)
    disabled = await local_pushing.push(installed)
    assert disabled.status_code in (400, 401)
    assert (await local_pushing.http.get("/oauth/par")).status_code == 405


def proof(key: ECKey, desk: Desk, **claims: Any) -> str:
    header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": key.as_dict(private=False)}
    body = {"htm": "POST", "htu": f"{ISSUER}/oauth/par", "iat": int(desk.clock().timestamp()), "jti": "j", **claims}
    return jws.serialize_compact(header, json.dumps(body), key, algorithms=["ES256"])


async def test_a_dpop_proof_binds_the_code_to_its_key(local_pushing: Pushing) -> None:
    desk, key = local_pushing.desk, ECKey.generate_key("P-256")
    installed = await desk.install()
    uri = await local_pushing.pushed(installed, headers={"dpop": proof(key, desk)})
    consent = await local_pushing.open(installed.id, uri)
    assert isinstance(consent, Consent)
    assert consent.pending.asked.dpop_thumbprint == key.thumbprint()
    sent = await local_pushing.authorizing.allow(desk.doer("Ben"), consent.pending, (), consent.offered)
    assert dict(parse_qsl(urlsplit(sent.url).query))["iss"] == ISSUER
    (authorization,) = await desk.rows(t.oauth_authorization)
    assert authorization["dpop_thumbprint"] == key.thumbprint()


async def test_a_dpop_proof_that_is_used_twice_or_of_another_key_is_refused(local_pushing: Pushing) -> None:
    desk, key = local_pushing.desk, ECKey.generate_key("P-256")
    installed = await desk.install()
    headers = {"dpop": proof(key, desk)}
    await local_pushing.pushed(installed, headers=headers)
    for answer in (
        await local_pushing.push(installed, headers=headers),
        await local_pushing.push(installed, headers={"dpop": proof(key, desk, jti="k")}, dpop_jkt="x" * 43),
        await local_pushing.push(installed, headers={"dpop": proof(key, desk, jti="l", htu=f"{ISSUER}/oauth/token")}),
    ):
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")


async def test_what_nobody_reads_is_not_kept(pushing: Pushing) -> None:
    """Whoever knows a public client's id may push, so that a request must not be a place to leave things at."""
    app = await pushing.desk.install("none")
    answer = await pushing.push(app, odd="x" * 10_000, scope=" ".join(["tasks:read"] * 1000), ui_locales="nl")
    assert answer.status_code == 201
    (row,) = await pushing.desk.rows(t.oauth_pushed_request)
    assert row["parameters"] == {**ASKED, "client_id": app.id}
