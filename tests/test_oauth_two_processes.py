"""Two processes on one database: what one of them ends, the other refuses at its very next request."""

from __future__ import annotations

import hashlib
import http.client
import secrets
import socket
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from assigntask_sdk.client.proofs import SigningKey

pytestmark = [pytest.mark.timeout(120)]

FILE_BYTES = 24 * 1024 * 1024  # more than lies in the buffers between two processes


@dataclass
class Process:
    """One of the two, as an app's vendor sees it."""

    host: Any
    http: httpx2.Client

    def post(self, app: str, path: str, **form: str) -> httpx2.Response:
        named = self.host.facts["apps"]["North"][app]
        return self.http.post(f"/oauth/{path}", data=form, auth=(named["client_id"], named["client_secret"]))

    def token(self, app: str, **form: str) -> Any:
        answer = self.post(app, "token", **{"grant_type": "client_credentials", **form})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def asked(self, app: str, scope: str = "tasks:read") -> tuple[dict[str, str], str]:
        """The parameters of an authorization request, and the verifier."""
        verifier = secrets.token_urlsafe(40)
        challenge = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        named = self.host.facts["apps"]["North"][app]["client_id"]
        query = {
            "client_id": named, "response_type": "code", "redirect_uri": self.host.facts["redirect"], "scope": scope,
            "code_challenge": challenge, "code_challenge_method": "S256",
        }  # fmt: skip
        return query, verifier

    def code(self, app: str, person: str, scope: str = "tasks:read") -> dict[str, str]:
        """What redeems what a person gave."""
        query, verifier = self.asked(app, scope)
        answer = self.host.visitor(person).authorize(query)
        redirect = {"redirect_uri": query["redirect_uri"], "code_verifier": verifier}
        return {"grant_type": "authorization_code", "code": answer["code"], **redirect}

    def opens(self, token: str, path: str = "/tasks", **headers: str) -> int:
        answer = self.http.get(f"/api/v1{path}", headers={"authorization": f"Bearer {token}", **headers})
        return answer.status_code


@pytest.fixture
def one(served_host: Any) -> Iterator[Process]:
    with httpx2.Client(base_url=served_host.address, trust_env=False, timeout=30) as http_:
        yield Process(served_host, http_)


@pytest.fixture
def other(one: Process, second_host: Any) -> Iterator[Process]:
    second_host.facts["apps"] = one.host.facts["apps"]
    with httpx2.Client(base_url=second_host.address, trust_env=False, timeout=30) as http_:
        yield Process(second_host, http_)


@pytest.mark.parametrize("here", [True, False])
def test_a_revoked_token_is_refused_by_the_other(one: Process, other: Process, here: bool) -> None:
    first, second = (one, other) if here else (other, one)
    token = first.token("basic-app")["access_token"]
    assert second.opens(token) == 200
    assert first.post("basic-app", "revoke", token=token).status_code == 200
    assert second.opens(token) == 401


@pytest.mark.parametrize("here", [True, False])
def test_a_disabled_app_is_refused_by_the_other_and_taken_again_once_enabled(
    one: Process, other: Process, here: bool
) -> None:
    first, second = (one, other) if here else (other, one)
    token = second.token("spare0-app")["access_token"]
    for _ in range(2):
        assert second.opens(token) == 200
        first.host.act("disable", "Ada", app="spare0-app")
        assert second.opens(token) == 401
        assert second.post("spare0-app", "token", grant_type="client_credentials").status_code == 400
        first.host.act("enable", "Ada", app="spare0-app")
    assert second.opens(token) == 200


def test_a_person_who_objects_is_gone_for_the_other(one: Process, other: Process) -> None:
    given = one.token("spare1-app", **one.code("spare1-app", "Eve"))
    installed = one.token("spare1-app")["access_token"]

    def people() -> int:
        answer = other.http.get("/api/v1/people", headers={"authorization": f"Bearer {installed}"})
        return len(answer.json()["items"])

    before = people()
    assert other.opens(given["access_token"]) == 200
    one.host.act("object", "Eve", app="spare1-app")
    assert other.opens(given["access_token"]) == 401
    assert people() == before - 1
    assert other.post("spare1-app", "token", grant_type="refresh_token", refresh_token=given["refresh_token"]).is_error
    one.host.act("withdraw", "Eve", app="spare1-app")
    assert other.opens(given["access_token"]) == 401  # what the objection ended stays ended
    assert people() == before


@pytest.mark.parametrize("person", ["Eve", "Fay"])
def test_a_person_who_restricts_all_apps_or_leaves_ends_their_tokens_at_the_other(
    one: Process, other: Process, person: str
) -> None:
    token = one.token("basic-app", **one.code("basic-app", person))["access_token"]
    assert other.opens(token) == 200
    one.host.act("restrict" if person == "Eve" else "leave", "Eve" if person == "Eve" else "Ada", person=person)
    assert other.opens(token) == 401


def test_another_role_counts_at_the_other(one: Process, other: Process) -> None:
    code = one.code("basic-app", "Cem", scope="tasks:read people:email")
    token = one.token("basic-app", **code)["access_token"]
    answer = other.http.get("/api/v1/people?fields=email", headers={"authorization": f"Bearer {token}"})
    assert "cem@north.example" in [each.get("email") for each in answer.json()["items"]]
    one.host.act("role", "Ada", person="Cem", role="member")
    assert other.opens(token, "/people?fields=email") == 403
    assert other.opens(token) == 200
    one.host.act("role", "Ada", person="Cem", role="admin")
    assert other.opens(token, "/people?fields=email") == 200


def test_an_uninstalled_app_is_unknown_to_the_other(one: Process, other: Process) -> None:
    token = other.token("spare2-app")["access_token"]
    assert other.opens(token) == 200
    one.host.act("uninstall", "Ada", app="spare2-app")
    assert other.opens(token) == 401
    answer = other.post("spare2-app", "token", grant_type="client_credentials")
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_a_code_counts_once_in_both(one: Process, other: Process) -> None:
    code = one.code("basic-app", "Ada")
    with ThreadPoolExecutor(8) as pool:
        sent = [pool.submit(process.post, "basic-app", "token", **code) for process in (one, other) * 4]
        answers = [each.result() for each in sent]
    given = [answer.json()["access_token"] for answer in answers if answer.status_code == 200]
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 7
    assert (one.opens(given[0]), other.opens(given[0])) == (401, 401)


def test_a_refresh_token_s_reuse_at_the_other_ends_the_family(one: Process, other: Process) -> None:
    first = one.token("basic-app", **one.code("basic-app", "Ada"))
    form = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    second = one.token("basic-app", **form)
    assert one.opens(second["access_token"]) == 200
    assert other.post("basic-app", "token", **form).json()["error"] == "invalid_grant"
    assert one.opens(second["access_token"]) == 401


def test_a_proof_counts_once_in_both(one: Process, other: Process) -> None:
    key, issuer = SigningKey.generate(), one.host.facts["issuer"]
    named = one.host.facts["apps"]["North"]["basic-app"]
    token = one.http.post(
        "/oauth/token", data={"grant_type": "client_credentials"}, auth=(named["client_id"], named["client_secret"]),
        headers={"dpop": key.proof("POST", f"{issuer}/oauth/token", None)},
    ).json()["access_token"]  # fmt: skip

    def opens(process: Process, proof: str) -> int:
        return process.opens(token, authorization=f"DPoP {token}", dpop=proof)

    proof, fresh = (key.proof("GET", f"{issuer}/api/v1/tasks", token) for _ in range(2))
    assert (opens(one, proof), opens(other, proof), opens(one, proof)) == (200, 401, 401)
    assert opens(other, fresh) == 200


def test_a_request_that_was_pushed_to_one_is_taken_by_the_other_once(one: Process, other: Process) -> None:
    query, _ = one.asked("basic-app")
    pushed = other.post("basic-app", "par", **{name: each for name, each in query.items() if name != "client_id"})
    assert pushed.status_code == 201, pushed.text
    named = {"client_id": query["client_id"], "request_uri": pushed.json()["request_uri"]}
    assert one.host.visitor("Ada").authorize(named)["code"]
    assert one.host.visitor("Ada").http.get("/oauth/authorize", params=named).status_code == 400


# A stream


def attached(process: Process, app: str) -> str:
    """The path of a large file."""
    token, task = process.token(app)["access_token"], process.host.facts["tasks"]["North"]
    answer = process.http.post(
        f"/api/v1/tasks/{task}/files?name=large.bin", content=secrets.token_bytes(FILE_BYTES),
        headers={"authorization": f"Bearer {token}", "content-type": "application/octet-stream"},
    )  # fmt: skip
    assert answer.status_code == 201, answer.text
    return f"/api/v1/attachments/{answer.json()['id']}/content"


@dataclass
class Stream:
    """A file on its way, to somebody who reads as slowly as they like."""

    connection: http.client.HTTPConnection
    answer: http.client.HTTPResponse

    @classmethod
    def begin(cls, address: str, path: str, token: str) -> Stream:
        parts = urlsplit(address)
        assert parts.hostname is not None
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
        connection.sock = socket.socket()
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        connection.sock.connect((parts.hostname, parts.port))
        connection.request("GET", path, headers={"authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        assert answer.status == 200
        assert len(answer.read(64 * 1024)) == 64 * 1024
        return cls(connection, answer)

    def rest(self) -> int | None:
        """How much still came, None where it broke off."""
        try:
            return len(self.answer.read())
        except (http.client.IncompleteRead, ConnectionError):
            return None
        finally:
            self.answer.close()
            self.connection.close()


@pytest.mark.parametrize("how", ["nothing", "token revoked", "app disabled"])
def test_a_stream_through_one_is_cut_by_the_other(one: Process, other: Process, how: str) -> None:
    path, token = attached(one, "spare3-app"), one.token("spare3-app")["access_token"]
    stream = Stream.begin(other.host.address, path, token)
    if how == "token revoked":
        assert one.post("spare3-app", "revoke", token=token).status_code == 200
    elif how == "app disabled":
        one.host.act("disable", "Ada", app="spare3-app")
    rest = stream.rest()
    if how == "app disabled":
        one.host.act("enable", "Ada", app="spare3-app")
    assert rest == (FILE_BYTES - 64 * 1024 if how == "nothing" else None)
