"""Odd bytes in every parameter of every endpoint of a real server: refused where they can't be read, never a 5xx."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

pytestmark = [pytest.mark.timeout(120)]

FORM = {"content-type": "application/x-www-form-urlencoded"}
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

# As they stand in a form or an address. No two readers agree on what these are.
UNREADABLE = (
    "%00", "a%00b", "%ff", "%c3%28", "%ed%a0%80", "%f5%80%80%80", "%c0%af", "%0a", "%0d%0aset-cookie:a=b", "%1b[31m",
    "%7f", "%c2%85", "%zz", "%", "%4", "%u0041",
)  # fmt: skip
# Text that can be read, and that somebody sends who wants to see what happens.
ODD = (
    "%F0%9F%98%80", "%E2%80%AEgnp", "%22%27%3C%3E%5C", "%27%3B%20DROP%20TABLE%20person%3B--", "..%2F..%2Fetc%2Fpasswd",
    "%7B%7D", "%5B%5D", "null", "-1", "9" * 400, "x" * 9000, "+", "%20", "%25", "at_" + "A" * 43, "%EF%BF%BD", "a.b.c",
    "https%3A%2F%2F127.0.0.1%3A1%2Fclient.json", "https%3A%2F%2F%00", "javascript%3Aalert(1)",
)  # fmt: skip

TOKEN = {
    "authorization_code": ("code", "redirect_uri", "code_verifier", "client_id", "scope", "resource", "unknown"),
    "refresh_token": ("refresh_token", "scope", "resource", "grant_type"),
    "client_credentials": ("scope", "resource", "client_id", "client_secret", "client_assertion"),
}
USUAL: Mapping[str, str] = {
    "code": "ac_" + "A" * 43, "refresh_token": "rt_" + "A" * 43, "token": "at_" + "A" * 43, "code_verifier": VERIFIER,
    "response_type": "code", "code_challenge": CHALLENGE, "code_challenge_method": "S256", "state": "s",
    "scope": "tasks:read", "client_assertion_type": ASSERTION,
}  # fmt: skip
ASKED = (
    "client_id", "response_type", "redirect_uri", "state", "scope", "code_challenge", "code_challenge_method",
    "resource", "prompt", "dpop_jkt", "response_mode", "request_uri", "request", "nonce",
)  # fmt: skip
POSTED = (
    *(("/oauth/token", grant, name) for grant, names in TOKEN.items() for name in names),
    *(
        (f"/oauth/{end}", "", name)
        for end in ("revoke", "introspect")
        for name in ("token", "token_type_hint", "client_id")
    ),
    *(("/oauth/par", "", name) for name in (*ASKED, "client_secret", "client_assertion", "client_assertion_type")),
)


@pytest.fixture
def http(served_host: Any) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=served_host.address, trust_env=False, timeout=30) as opened:
        yield opened


@pytest.fixture
def named(served_host: Any) -> tuple[str, str]:
    """The id and the secret of a client."""
    client = served_host.facts["apps"]["North"]["basic-app"]
    return client["client_id"], client["client_secret"]


def form(host: Any, grant: str, name: str) -> dict[str, str]:
    """What is right for an endpoint, encoded, but for the parameter that is tried."""
    client = host.facts["apps"]["North"]["basic-app"]["client_id"]
    values = {**USUAL, "redirect_uri": host.facts["redirect"]}
    wanted = {"authorization_code": ("code", "redirect_uri", "code_verifier"), "refresh_token": ("refresh_token",)}
    if not grant:
        wanted[""] = ("token",) if name in ("token", "token_type_hint") else ("client_id", *ASKED[1:7])
    found = {each: quote(values.get(each, client), safe="") for each in wanted.get(grant, ())}
    return {**found, **({"grant_type": grant} if grant else {})}


def body_of(fields: Mapping[str, str]) -> bytes:
    return "&".join(f"{name}={value}" for name, value in fields.items()).encode("latin-1")


@pytest.mark.parametrize(("path", "grant", "name"), POSTED, ids=lambda given: given.removeprefix("/oauth/") or "-")
def test_odd_bytes_that_are_posted(
    served_host: Any, http: httpx2.Client, named: tuple[str, str], path: str, grant: str, name: str
) -> None:
    right = form(served_host, grant, name)
    for value in (*UNREADABLE, "\x00", "\xff", "a\nb", *ODD):
        answer = http.post(path, content=body_of({**right, name: value}), headers=FORM, auth=named)
        readable = value in ODD
        assert answer.status_code < 500, (value, answer.text)
        assert readable or 400 <= answer.status_code < 500, (value, answer.status_code)
        said = answer.json()
        assert not answer.is_error or set(said) == {"error", "error_description"}, value
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(("path", "grant", "name"), POSTED, ids=lambda given: given.removeprefix("/oauth/") or "-")
def test_a_parameter_that_is_posted_twice(
    served_host: Any, http: httpx2.Client, named: tuple[str, str], path: str, grant: str, name: str
) -> None:
    right = body_of({**form(served_host, grant, name), name: "a"})
    for again in (b"a", b"b", b""):
        body = right + f"&{name}=".encode() + again
        answer = http.post(path, content=body, headers=FORM, auth=named)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("name", ASKED)
def test_odd_bytes_in_an_authorization_request(served_host: Any, name: str) -> None:
    """Before somebody is sent back, it is read as strictly: what can't be read is shown as an error."""
    browser, right = served_host.visitor("Gil"), form(served_host, "", "client_id")
    for value in (*UNREADABLE, *ODD):
        query = body_of({**right, name: value}).decode()
        answer = browser.http.get(f"/oauth/authorize?{query}")
        assert answer.status_code < 500, (value, answer.status_code)
        if value in UNREADABLE:
            assert 400 <= answer.status_code < 500, (value, answer.status_code)
            assert "location" not in answer.headers
        else:
            sent = answer.headers.get("location", served_host.facts["redirect"])
            assert sent.startswith(served_host.facts["redirect"]), value
    twice = browser.http.get(f"/oauth/authorize?{body_of({**right, name: 'a'}).decode()}&{name}=b")
    assert (twice.status_code, "location" in twice.headers) == (400, False)


@pytest.mark.parametrize(
    ("path", "name"),
    [("/oauth/authorize", "form"), ("/oauth/authorize", "decision"), ("/oauth/authorize", "scope:tasks:read"),
     ("/sign-in", "link"), ("/sign-out", "form")],
)  # fmt: skip
def test_odd_bytes_in_a_page_s_form(served_host: Any, path: str, name: str) -> None:
    browser = served_host.visitor("Gil")
    headers = {**FORM, "origin": served_host.address}
    for value in (*UNREADABLE, "\x00", "\xff", *ODD):
        body = body_of({"form": "a.b", "decision": "allow", "link": "sl_x", name: value})
        answer = browser.http.post(path, content=body, headers=headers)
        assert 400 <= answer.status_code < 500, (value, answer.status_code)


@pytest.mark.parametrize("name", ["authorization", "dpop", "content-type", "cookie", "host", "origin"])
def test_odd_bytes_in_a_header(http: httpx2.Client, named: tuple[str, str], name: str) -> None:
    values = (b"", b"\xff\xfe", b"x" * 9000, b"Basic \xff", b"Bearer", b'"', b"a, b", b"Basic Og==", b"DPoP a.b.c")
    for value in values:
        for path in ("/oauth/token", "/oauth/introspect", "/oauth/par"):
            headers = {k.encode(): v.encode() for k, v in FORM.items()} | {name.encode(): value}
            auth = httpx2.USE_CLIENT_DEFAULT if name == "authorization" else httpx2.BasicAuth(*named)
            answer = http.post(path, content=b"grant_type=client_credentials&token=x", headers=headers, auth=auth)
            assert answer.status_code < 500, (path, value)
            assert answer.status_code >= 400 or name not in ("authorization", "dpop", "content-type"), (path, value)
        answer = http.get("/api/v1/tasks", headers={name.encode(): value})
        assert 400 <= answer.status_code < 500, value


@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/revoke", "/oauth/introspect", "/oauth/par"])
def test_what_is_no_form_of_a_bearable_size(http: httpx2.Client, named: tuple[str, str], path: str) -> None:
    right = b"grant_type=client_credentials&token=x"
    many = b"&".join(b"a%d=b" % number for number in range(60))
    for body, headers, status in (
        (right + b"&a=" + b"b" * 70_000, FORM, 413),
        (right + b"&" + many, FORM, 400),
        (right, {"content-type": "application/json"}, 400),
        (b'{"grant_type":"client_credentials"}', {"content-type": "application/json"}, 400),
        (right, {"content-type": "application/x-www-form-urlencoded; charset=utf-16"}, 400),
        (right, {"content-type": "multipart/form-data; boundary=x"}, 400),
    ):
        answer = http.post(path, content=body, headers=headers, auth=named)
        assert (answer.status_code, answer.json()["error"]) == (status, "invalid_request")
    assert (
        http.post(f"{path}?grant_type=client_credentials", content=right, headers=FORM, auth=named).status_code == 400
    )
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        assert http.request(method, path).status_code == 405


@pytest.mark.parametrize("path", ["/oauth/authorize", "/oauth/jwks", "/api/v1/tasks", "/sign-in"])
def test_an_address_without_end(http: httpx2.Client, path: str) -> None:
    for size in (20_000, 60_000):
        answer = http.get(f"{path}?a={'b' * size}")
        assert answer.status_code < 500


@pytest.mark.parametrize("name", ["fields", "limit", "cursor", "project", "updated_since", "ids", "unknown"])
def test_odd_bytes_in_a_question_to_the_api(http: httpx2.Client, named: tuple[str, str], name: str) -> None:
    token = http.post("/oauth/token", data={"grant_type": "client_credentials"}, auth=named).json()["access_token"]
    headers = {"authorization": f"Bearer {token}"}
    for value in (*UNREADABLE, *ODD):
        answer = http.get(f"/api/v1/tasks?{name}={value}", headers=headers)
        assert answer.status_code < 500, (value, answer.text)
        readable = value in ODD or value == "%c2%85"  # a control character, which is in no id
        assert readable or 400 <= answer.status_code < 500, (value, answer.status_code)
        if name not in ("fields", "unknown", "limit"):
            continue
        place = http.get(f"/api/v1/tasks/{value}", headers=headers)
        assert place.status_code < 500, (value, place.text)


# The page, and other sites


def test_who_agrees_is_sent_on_without_the_form(served_host: Any) -> None:
    """303, so that no browser sends the form, with what seals it, to the app."""
    browser, asked = served_host.visitor("Gil"), form(served_host, "", "client_id")
    page = browser.http.get(f"/oauth/authorize?{body_of(asked).decode()}")
    sealed = re.findall(r'name="form" value="([^"]+)"', page.text[page.text.index('action="/oauth/authorize"') :])
    for decision in ("deny", "allow"):
        sent = browser.post("/oauth/authorize", {"form": sealed[0], "decision": decision})
        assert sent.status_code == 303
        assert sent.headers["location"].startswith(served_host.facts["redirect"] + "?")
        assert sent.headers["cache-control"] == "no-store"


def test_the_consent_page_can_not_be_framed_and_tells_nobody_where_from(served_host: Any) -> None:
    browser, asked = served_host.visitor("Gil"), form(served_host, "", "client_id")
    headers = browser.http.get(f"/oauth/authorize?{body_of(asked).decode()}").headers
    policy = headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy and headers["x-frame-options"] == "DENY"
    assert "default-src 'none'" in policy and "style-src 'self'" in policy and "script-src" not in policy
    assert headers["referrer-policy"] in ("same-origin", "no-referrer")
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize("mode", ["fragment", "form_post", "web_message", "query.jwt"])
def test_an_answer_comes_in_the_query_only(served_host: Any, mode: str) -> None:
    asked = {**form(served_host, "", "client_id"), "response_mode": mode}
    sent = served_host.visitor("Gil").http.get(f"/oauth/authorize?{body_of(asked).decode()}")
    assert sent.headers["location"].startswith(served_host.facts["redirect"] + "?error=invalid_request")


def test_no_endpoint_opens_itself_to_other_sites(http: httpx2.Client) -> None:
    headers = {"origin": "https://elsewhere.example", "access-control-request-method": "POST"}
    for path in ("authorize", "token", "revoke", "introspect", "par", "jwks"):
        for method in ("OPTIONS", "GET", "POST"):
            answer = http.request(method, f"/oauth/{path}", headers=headers)
            assert not [name for name in answer.headers if name.startswith("access-control-")], (method, path)
