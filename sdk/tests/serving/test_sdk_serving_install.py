"""Credentials are taken from a named host that signed them, once, and kept where others can't read them."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.responses import JSONResponse, RedirectResponse, Response

from assigntask_sdk.webhooks import secret_text, sign, sign_with_key

HOST = "https://tasks.example"
SECRET = bytes(range(32))
NEXT = bytes(range(50, 82))


def refused(answer: Any, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status


async def test_credentials_are_kept(caller: Any, store_path: Path) -> None:
    answer = await caller.install()
    assert (answer.status_code, answer.content) == (204, b"")
    [kept] = await caller.service.calling.store.find("inst_1")
    assert (kept.issuer, kept.app, kept.client_id, kept.client_secret) == (HOST, "served-app", "c_1", "cs_secret")
    assert kept.api == f"{HOST}/api/v1"
    assert kept.secret == secret_text(SECRET)
    assert "cs_secret" not in repr(kept) and "whsec" not in repr(kept)
    assert stat.S_IMODE(store_path.stat().st_mode) == 0o600
    assert stat.S_IMODE(store_path.parent.stat().st_mode) == 0o700
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in store_path.parent.iterdir())


async def test_the_same_install_again_changes_nothing(caller: Any, clock: Any) -> None:
    await caller.install()
    clock.later(seconds=1)
    assert (await caller.install()).status_code == 204
    [kept] = await caller.service.calling.store.find("inst_1")
    assert kept.previous_secret is None


async def test_a_replaced_secret_opens_until_the_overlap_is_over(installed: Any, clock: Any) -> None:
    until = clock.now.replace(hour=10).isoformat()
    assert (await installed.install(secret=secret_text(NEXT), previous_until=until)).status_code == 204
    assert (await installed.ask(secret=SECRET)).status_code == 200
    assert (await installed.ask(secret=NEXT)).status_code == 200
    clock.later(hours=1, seconds=1)
    refused(await installed.ask(secret=SECRET), 401, "webhook_signature_wrong")
    assert (await installed.ask(secret=NEXT)).status_code == 200


async def test_without_an_overlap_the_old_secret_ends_at_once(installed: Any) -> None:
    await installed.install(secret=secret_text(NEXT))
    refused(await installed.ask(secret=SECRET), 401, "webhook_signature_wrong")


async def test_two_hosts_never_share_credentials(installed: Any) -> None:
    """The same id from elsewhere neither replaces nor opens."""
    store = installed.service.calling.store
    [kept] = await store.find("inst_1")
    from dataclasses import replace

    await store.take(replace(kept, issuer="https://other.example", secret=secret_text(NEXT)))
    assert len(await store.find("inst_1")) == 2
    assert (await installed.ask(secret=SECRET)).status_code == 200
    assert (await installed.ask(secret=NEXT)).status_code == 200


@pytest.mark.parametrize(
    "issuer", ["https://evil.example", "https://tasks.example.evil.example", "http://tasks.example", "nonsense", ""]
)
async def test_a_host_that_was_not_named_is_refused_and_not_asked(caller: Any, host: Any, issuer: str) -> None:
    refused(await caller.install(issuer=issuer), 403, "host_not_named")
    assert host.reads == 0


@pytest.mark.parametrize("name", ["api", "token_endpoint"])
@pytest.mark.parametrize("url", ["https://evil.example/api", "https://tasks.example@evil.example/", "x"])
async def test_credentials_can_not_point_elsewhere(caller: Any, name: str, url: str) -> None:
    refused(await caller.install(**{name: url}), 403, "host_elsewhere")


async def test_a_signature_of_another_key_is_refused(caller: Any, host: Any) -> None:
    body = json.dumps(host.install_body()).encode()
    forged = sign_with_key("a", host.clock.now, body, Ed25519PrivateKey.generate().private_bytes_raw())
    refused(await caller.post("/install", forged, body), 401, "webhook_signature_wrong")
    shared = sign("b", host.clock.now, body, [host.key.public_key().public_bytes_raw()])
    refused(await caller.post("/install", shared, body), 401, "webhook_signature_wrong")
    assert await caller.service.calling.store.find("inst_1") == []


async def test_a_changed_body_and_an_unsigned_one_are_refused(caller: Any, host: Any) -> None:
    body = json.dumps(host.install_body()).encode()
    headers = sign_with_key("a", host.clock.now, body, host.key.private_bytes_raw())
    changed = body.replace(b"cs_secret", b"cs_others")
    refused(await caller.post("/install", headers, changed), 401, "webhook_signature_wrong")
    refused(await caller.post("/install", {}, body), 401, "webhook_header_missing")


async def test_a_message_is_acted_on_once(caller: Any, clock: Any) -> None:
    assert (await caller.install(id="same")).status_code == 204
    refused(await caller.install(id="same"), 409, "webhook_replayed")
    clock.later(minutes=6)
    assert (await caller.install(id="other")).status_code == 204


async def test_an_old_message_is_refused(caller: Any, host: Any, clock: Any) -> None:
    body = json.dumps(host.install_body()).encode()
    headers = sign_with_key("a", host.clock.now, body, host.key.private_bytes_raw())
    clock.later(minutes=6)
    refused(await caller.post("/install", headers, body), 401, "webhook_expired")


async def test_a_key_that_the_host_changed_is_read_again(caller: Any, host: Any, clock: Any) -> None:
    await caller.install()
    assert (await caller.install()).status_code == 204
    assert host.reads == 1
    host.key = Ed25519PrivateKey.generate()
    clock.later(seconds=11)
    assert (await caller.install()).status_code == 204
    assert host.reads == 2


async def test_wrong_signatures_do_not_make_it_ask_the_host_each_time(caller: Any, host: Any) -> None:
    await caller.install()
    host.key = Ed25519PrivateKey.generate()
    for _ in range(5):
        refused(await caller.install(), 401, "webhook_signature_wrong")
    assert host.reads == 1


@pytest.mark.parametrize(
    "answer",
    [
        lambda: Response(status_code=500),
        lambda: RedirectResponse("https://tasks.example/keys"),
        lambda: Response("not JSON"),
        lambda: JSONResponse([]),
        lambda: Response(b" " * 100_000),
    ],
)
async def test_a_host_without_readable_keys_is_asked_again_later(caller: Any, host: Any, answer: Any) -> None:
    host.answer = answer
    refused(await caller.install(), 503, "host_keys_unreachable")
    host.answer = None
    assert (await caller.install()).status_code == 204


async def test_keys_of_other_kinds_are_passed_over(caller: Any, host: Any) -> None:
    odd = [{"kty": "RSA", "n": "AQAB"}, {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}, {"kty": "OKP"}, 3]
    broken = {"kty": "OKP", "crv": "Ed25519", "x": "é"}
    host.answer = lambda: JSONResponse({"keys": [*odd, broken, host.jwk()]})
    assert (await caller.install()).status_code == 204


async def test_another_app_is_refused(caller: Any) -> None:
    refused(await caller.install(app="other-app"), 409, "app_differs")


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"\xff", b'{"issuer": 3}'])
async def test_a_body_of_another_form_is_refused(caller: Any, body: bytes) -> None:
    refused(await caller.post("/install", {}, body), 400, "body_wrong")


async def test_a_short_secret_is_refused(caller: Any) -> None:
    refused(await caller.install(secret="whsec_AAAA"), 400, "body_wrong")


async def test_fields_of_later_are_passed_over(caller: Any) -> None:
    assert (await caller.install(more={"later": True})).status_code == 204
