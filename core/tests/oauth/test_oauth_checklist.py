"""What the core does not do by itself, point by point. What the authorize endpoint does of it has tests of its own."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assigntask.db import tables as t
from assigntask.oauth.core import Request
from assigntask.oauth.endpoints import endpoints
from assigntask.oauth.metadata import authorization_server, protected_resource
from assigntask.oauth.secrets import digest
from assigntask.settings import Settings

REDIRECT = "https://vendor.example/back"
VERIFIER = "a-verifier-of-forty-three-characters-or-more-0"
FORM = {"content-type": "application/x-www-form-urlencoded"}
RIGHT: Mapping[str, str] = {
    "grant_type": "authorization_code",
    "code": "ac_",
    "redirect_uri": REDIRECT,
    "code_verifier": VERIFIER,
    "client_id": "c_",
    "client_secret": "cs_",
    "scope": "tasks:read",
    "resource": "https://tasks.example/api/v1",
    "refresh_token": "rt_",
    "token": "at_",
    "token_type_hint": "access_token",
    "client_assertion": "a.b.c",
    "client_assertion_type": "x",
}


# PKCE S256 for every client


@pytest.mark.parametrize("method", ["client_secret_basic", "private_key_jwt", "none"])
async def test_pkce_s256_for_every_client(local: Any, method: str) -> None:
    """Missing, plain (the challenge itself), wrong, short: refused, and the code is not used up by it."""
    app = await local.install(method)
    code = await local.code(app)
    rows = await local.rows(t.oauth_code)
    plain = rows[0]["code_challenge"]
    for verifier in (None, plain, VERIFIER + "1", "short", "\u00e9" * 50):
        answer = await local.redeem(app, code, code_verifier=verifier)
        assert answer.status_code == 400, verifier
        assert answer.json()["error"] in ("invalid_grant", "invalid_request")
    assert (await local.redeem(app, code)).status_code == 200


# A code used once, its replay revokes what it gave


async def test_a_code_s_replay_revokes_what_it_gave(desk: Any) -> None:
    app = await desk.install()
    code = await desk.code(app)
    said = (await desk.redeem(app, code)).json()
    await desk.tokens.check(said["access_token"])
    replay = await desk.redeem(app, code)
    assert (replay.status_code, replay.json()["error"]) == (400, "invalid_grant")
    with pytest.raises(Exception, match="revoked"):
        await desk.tokens.check(said["access_token"])
    assert (await desk.refresh(app, said["refresh_token"])).json()["error"] == "invalid_grant"
    (row,) = await desk.rows(t.oauth_authorization)
    assert row["revoked_why"] == "code used twice"


# Refresh rotation atomic, reuse revokes the family


async def test_refresh_reuse_revokes_the_family(desk: Any) -> None:
    app = await desk.install()
    first = await desk.authorized(app)
    second = (await desk.refresh(app, first["refresh_token"])).json()
    reuse = await desk.refresh(app, first["refresh_token"])
    assert (reuse.status_code, reuse.json()["error"]) == (400, "invalid_grant")
    for said in (first, second):
        with pytest.raises(Exception, match="revoked"):
            await desk.tokens.check(said["access_token"])
    assert (await desk.refresh(app, second["refresh_token"])).json()["error"] == "invalid_grant"


async def test_one_family_s_end_is_not_another_s(local: Any) -> None:
    app = await local.install()
    ended, other = await local.authorized(app), await local.authorized(app)
    await local.refresh(app, ended["refresh_token"])
    await local.refresh(app, ended["refresh_token"])
    await local.tokens.check(other["access_token"])
    assert (await local.refresh(app, other["refresh_token"])).status_code == 200


# Odd bytes are 400, never 500


@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/revoke", "/oauth/introspect"])
async def test_odd_bytes_in_each_parameter_are_4xx(local: Any, path: str) -> None:
    odd = [
        "%00",
        "%ff",
        "%c3%28",
        "%ed%a0%80",
        "%0a",
        "%7f",
        "%zz",
        "%",
        "\x00",
        "\xff",
        "%F0%9F%98%80",
        "%22",
        "x" * 9000,
    ]
    for name in RIGHT:
        for value in odd:
            pairs = {key: quote(known, safe="") for key, known in RIGHT.items()} | {name: value}
            body = "&".join(f"{key}={given}" for key, given in pairs.items()).encode("latin-1")
            answer = await local.http.post(path, content=body, headers=FORM)
            assert 400 <= answer.status_code < 500, (name, value, answer.status_code)
            assert set(answer.json()) == {"error", "error_description"}


@pytest.mark.parametrize(
    "authorization",
    [
        "Basic",
        "Basic ",
        "Basic !!",
        "Basic YQ==",
        "Basic /w==",
        "Basic Oi8=",
        "Bearer x",
        "Basic YTpi\u00ff",
        "Basic YSUwMDpi",
    ],
)
async def test_an_odd_authorization_header_is_401(local: Any, authorization: str) -> None:
    headers = {"authorization": authorization.encode("latin-1")}
    answer = await local.token(headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=200), tail=st.sampled_from([b"", b"&grant_type=client_credentials"]))
def test_any_bytes_at_all_are_read_or_refused(body: bytes, tail: bytes) -> None:
    from assigntask.oauth.parameters import BadRequest, parameters

    try:
        found = parameters(body + tail)
    except BadRequest as error:
        assert (error.error, error.status) == ("invalid_request", 400)
        assert error.description.isascii() and error.description.isprintable()
    else:
        assert all(name and value for name, value in found.items())
        assert not any(ord(character) < 32 for name, value in found.items() for character in name + value)


async def test_a_huge_body_is_413_and_other_content_types_400(local: Any) -> None:
    huge = await local.http.post("/oauth/token", content=b"a=" + b"b" * 70_000, headers=FORM)
    assert huge.status_code == 413
    for kind in ("application/json", "text/plain", "multipart/form-data; boundary=x", None):
        headers = {"content-type": kind} if kind else {}
        other = await local.http.post("/oauth/token", content=b"grant_type=client_credentials", headers=headers)
        assert (other.status_code, other.json()["error"]) == (400, "invalid_request")


async def test_parameters_in_the_address_are_refused(local: Any) -> None:
    app = await local.install()
    headers, _ = local.shown(app)
    answer = await local.http.post(
        "/oauth/token?grant_type=client_credentials", content=b"", headers={**FORM, **headers}
    )
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


# One client authentication at a time


async def test_one_client_authentication_at_a_time(local: Any) -> None:
    app = await local.install()
    basic, _ = local.shown(app)
    _, post = local.shown(app, "client_secret_post")
    _, jwt = local.shown(app, "private_key_jwt")
    for headers, form in ((basic, post), (basic, jwt), ({}, {**post, **jwt})):
        answer = await local.token(headers=headers, **form)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request"), form
    same = await local.token(headers=basic, client_id=app.id)
    other = await local.token(headers=basic, client_id="c_other")
    assert (same.status_code, other.status_code) == (200, 400)


# Duplicate parameters refused


@pytest.mark.parametrize("name", sorted(RIGHT))
async def test_a_duplicated_parameter_is_refused(local: Any, name: str) -> None:
    body = f"grant_type=client_credentials&client_id=c&{name}=a&{name}=a".encode()
    answer = await local.http.post("/oauth/token", content=body, headers=FORM)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert "twice" in answer.json()["error_description"]


async def test_a_duplicated_header_is_refused(local: Any) -> None:
    app = await local.install()
    basic, _ = local.shown(app)
    headers = [("content-type", FORM["content-type"]), *basic.items(), *basic.items()]
    answer = await local.http.post("/oauth/token", content=b"grant_type=client_credentials", headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


# Issuer from configuration (a proxy ends TLS)


async def test_the_issuer_is_that_of_the_configuration_whatever_the_request_says(local: Any) -> None:
    answer = await local.http.get(
        "http://10.0.0.7:8000/.well-known/oauth-authorization-server",
        headers={"host": "thief.example", "x-forwarded-host": "thief.example", "x-forwarded-proto": "http"},
    )
    assert answer.json() == authorization_server("https://tasks.example")
    app = await local.install()
    headers, _ = local.shown(app)
    plain = await local.http.post(
        "http://10.0.0.7:8000/oauth/token",
        content=b"grant_type=client_credentials",
        headers={**FORM, **headers, "host": "thief.example"},
    )
    assert plain.status_code == 200


async def test_a_host_without_an_address_says_so_and_gives_nothing(local: Any) -> None:
    app = await local.install()
    local.settings = Settings("sqlite://", None, "sqlite://")
    _, _, http = local.host(local.db)
    asked = [await local.token(app, http=http), await http.get("/.well-known/oauth-authorization-server")]
    for answer in asked:
        assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
        assert "ASSIGNTASK_URL" in answer.json()["error_description"]
    await http.aclose()


@pytest.mark.parametrize("issuer", ["http://127.0.0.1:8000", "http://localhost:8000", "http://[::1]:8000"])
def test_an_issuer_on_this_machine_works_without_tls(issuer: str) -> None:
    assert Request(f"{issuer}/oauth/token", {}).uri == f"{issuer}/oauth/token"


# Every listed auth method registered; metadata of RFC 8414 and 9728


async def test_every_endpoint_and_method_of_the_metadata_is_there(local: Any) -> None:
    said = (await local.http.get("/.well-known/oauth-authorization-server")).json()
    routes = {route.path for route in endpoints(local.server)}
    for name in ("token_endpoint", "jwks_uri", "revocation_endpoint", "introspection_endpoint"):
        assert said[name].removeprefix(said["issuer"]) in routes
    for method in said["token_endpoint_auth_methods_supported"]:
        app = await local.install(method)
        answer = await local.redeem(app, await local.code(app))
        assert answer.status_code == 200, method
        assert (await local.post("/oauth/revoke", app, token="at_x")).status_code == 200
        if method in said["introspection_endpoint_auth_methods_supported"]:
            assert (await local.post("/oauth/introspect", app, token="at_x")).json() == {"active": False}
    assert said["code_challenge_methods_supported"] == ["S256"]
    assert said["response_types_supported"] == ["code"]
    assert said["authorization_response_iss_parameter_supported"] is True


async def test_the_protected_resource_says_who_gives_tokens_for_it(local: Any) -> None:
    for path in ("/.well-known/oauth-protected-resource/api/v1", "/.well-known/oauth-protected-resource"):
        assert (await local.http.get(path)).json() == protected_resource("https://tasks.example")
    said = protected_resource("https://tasks.example")
    assert said["resource"] == "https://tasks.example/api/v1"
    assert said["authorization_servers"] == ["https://tasks.example"]


# Unknown token_type_hint tolerated


@pytest.mark.parametrize("path", ["/oauth/revoke", "/oauth/introspect"])
async def test_an_unknown_token_type_hint_is_tolerated(local: Any, path: str) -> None:
    app = await local.install()
    answer = await local.post(path, app, token=await local.access(app), token_type_hint="pat")
    assert answer.status_code == 200


# Resource indicators


async def test_a_token_is_for_the_one_resource(local: Any) -> None:
    app = await local.install()
    assert (await local.token(app, resource="https://tasks.example/api/v1")).status_code == 200
    for other in ("https://tasks.example", "https://other.example/api/v1", "https://tasks.example/api/v1/"):
        answer = await local.token(app, resource=other)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_target")


async def test_an_unknown_grant_type_is_named_by_no_echo(local: Any) -> None:
    app = await local.install()
    for grant_type in ("password", "implicit", "\u00fcber"):
        answer = await local.token(app, grant_type=grant_type)
        assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")
        assert grant_type not in answer.text
    missing = await local.token(app, grant_type=None)
    assert missing.status_code == 400


# Nothing secret is stored or logged


async def test_secrets_and_tokens_are_stored_as_digests_only(desk: Any) -> None:
    app = await desk.install("client_secret_post")
    code = await desk.code(app)
    said = (await desk.redeem(app, code)).json()
    secret = [app.secret, code, said["access_token"], said["refresh_token"]]
    stored = str([await desk.rows(table) for table in t.metadata.sorted_tables if table.name.startswith("oauth_")])
    for text in secret:
        assert text not in stored
        assert text.partition("_")[2] not in stored
        assert digest(text) in stored


async def test_nothing_secret_is_logged_even_at_debug(
    local: Any, caplog: pytest.LogCaptureFixture, capsys: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    app = await local.install("client_secret_post")
    code = await local.code(app)
    said = (await local.redeem(app, code)).json()
    await local.redeem(app, code)
    await local.token(app, client_secret="wrong")
    out = capsys.readouterr()
    seen = " ".join([caplog.text, out.out, out.err])
    for text in (app.secret, code, said["access_token"], said["refresh_token"], VERIFIER):
        assert text not in seen
    assert logging.getLogger("authlib.oauth2").getEffectiveLevel() >= logging.INFO


def test_lifetimes_can_be_set() -> None:
    environ = {"ASSIGNTASK_CODE_SECONDS": "30", "ASSIGNTASK_ACCESS_SECONDS": "600", "ASSIGNTASK_REFRESH_DAYS": "7"}
    lifetimes = Settings.of(environ=environ).lifetimes
    assert [span.total_seconds() for span in (lifetimes.code, lifetimes.access, lifetimes.refresh)] == [30, 600, 604800]
