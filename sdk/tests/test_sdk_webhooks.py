"""Standard Webhooks: what we sign others verify, what others sign we verify, and nothing else passes."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Mapping

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from assigntask_sdk.webhooks import (
    ID,
    SIGNATURE,
    TIMESTAMP,
    TOLERANCE,
    WebhookRefused,
    secret_from_text,
    secret_text,
    sign,
    sign_with_key,
    verify,
)

NOW = dt.datetime(2026, 3, 2, 9, 0, 30, tzinfo=dt.UTC)
SECRET, OTHER = bytes(range(32)), bytes(range(100, 132))
BODY = '{"summary": "Fête"}'.encode()
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()


def refused(headers: Mapping[str, str], body: bytes = BODY, **options: object) -> str:
    given_options: dict[str, object] = {"secrets": [SECRET], "now": NOW, **options}
    with pytest.raises(WebhookRefused) as caught:
        verify(headers, body, **given_options)  # type: ignore[arg-type]
    return caught.value.code


def test_the_reference_library_verifies_what_we_sign() -> None:
    now = dt.datetime.now(dt.UTC)
    headers = sign("call_1", now, BODY, [OTHER, SECRET])
    assert Webhook(secret_text(SECRET)).verify(BODY, headers) == {"summary": "Fête"}
    with pytest.raises(WebhookVerificationError):
        Webhook(secret_text(bytes(32))).verify(BODY, headers)


def test_we_verify_what_the_reference_library_signs() -> None:
    signature = Webhook(secret_text(SECRET)).sign("msg_1", NOW, BODY.decode())
    headers = {"Webhook-Id": "msg_1", "Webhook-Timestamp": str(int(NOW.timestamp())), "Webhook-Signature": signature}
    assert verify(headers, BODY, secrets=[OTHER, SECRET], now=NOW) == "msg_1"
    assert refused(headers, BODY + b" ") == "webhook_signature_wrong"


def test_a_moment_of_another_zone_is_signed_as_the_same_moment() -> None:
    elsewhere = NOW.astimezone(dt.timezone(dt.timedelta(hours=13)))
    assert sign("a", elsewhere, BODY, [SECRET]) == sign("a", NOW, BODY, [SECRET])
    with pytest.raises(ValueError, match="time zone"):
        sign("a", NOW.replace(tzinfo=None), BODY, [SECRET])


def test_while_a_secret_is_replaced_either_one_opens() -> None:
    headers = sign("a", NOW, BODY, [SECRET, OTHER])
    assert verify(headers, BODY, secrets=[SECRET], now=NOW) == "a"
    assert verify(headers, BODY, secrets=[OTHER], now=NOW) == "a"
    assert refused(headers, secrets=[bytes(32)]) == "webhook_signature_wrong"


def test_a_key_signs_and_only_its_public_half_verifies() -> None:
    headers = sign_with_key("install-1", NOW, BODY, KEY.private_bytes_raw())
    assert headers[SIGNATURE].startswith("v1a,")
    assert verify(headers, BODY, public_keys=[bytes(31) + b"\x01", PUBLIC], now=NOW) == "install-1"
    other = Ed25519PrivateKey.from_private_bytes(OTHER).public_key().public_bytes_raw()
    assert refused(headers, secrets=(), public_keys=[other]) == "webhook_signature_wrong"


def test_one_scheme_never_stands_in_for_the_other() -> None:
    """A public key is public: whoever knows it must not be able to sign as if it were a shared secret."""
    forged = sign("a", NOW, BODY, [PUBLIC])
    assert refused(forged, secrets=(), public_keys=[PUBLIC]) == "webhook_signature_wrong"
    relabelled = {**forged, SIGNATURE: forged[SIGNATURE].replace("v1,", "v1a,")}
    assert refused(relabelled, secrets=[PUBLIC]) == "webhook_signature_wrong"


@pytest.mark.parametrize("seconds", [-301, 301, 86_400])
def test_an_old_or_early_message_is_refused(seconds: int) -> None:
    headers = sign("a", NOW, BODY, [SECRET])
    assert refused(headers, now=NOW + dt.timedelta(seconds=seconds)) == "webhook_expired"


def test_within_the_tolerance_it_is_taken() -> None:
    headers = sign("a", NOW.replace(microsecond=0), BODY, [SECRET])
    assert verify(headers, BODY, secrets=[SECRET], now=NOW + TOLERANCE - dt.timedelta(seconds=30)) == "a"


@pytest.mark.parametrize("name", [ID, TIMESTAMP, SIGNATURE])
def test_each_header_is_needed(name: str) -> None:
    headers = sign("a", NOW, BODY, [SECRET])
    del headers[name]
    assert refused(headers) == "webhook_header_missing"


@pytest.mark.parametrize(
    ("name", "value"),
    [(ID, ""), (ID, "a.1"), (ID, "a" * 129), (TIMESTAMP, "1e9"), (TIMESTAMP, "-1"), (TIMESTAMP, "9" * 13), (ID, "é")],
)
def test_a_header_of_another_form_is_refused(name: str, value: str) -> None:
    assert refused({**sign("a", NOW, BODY, [SECRET]), name: value}) == "webhook_header_wrong"


def test_a_full_stop_can_not_move_between_id_and_body() -> None:
    """Otherwise one signature would fit two messages."""
    seconds = int(NOW.timestamp())
    headers = sign("a", NOW, f"{seconds}.x".encode(), [SECRET])
    moved = {**headers, ID: f"a.{seconds}"}
    assert refused(moved, b"x") == "webhook_header_wrong"
    with pytest.raises(ValueError, match="id"):
        sign("a.b", NOW, BODY, [SECRET])


def test_unreadable_signatures_are_passed_over() -> None:
    headers = sign("a", NOW, BODY, [SECRET])
    crowded = {**headers, SIGNATURE: f"v1,!!! v9,AAAA nonsense {headers[SIGNATURE]}"}
    assert verify(crowded, BODY, secrets=[SECRET], now=NOW) == "a"
    buried = {**headers, SIGNATURE: "v1,AAAA " * 16 + headers[SIGNATURE]}
    assert refused(buried) == "webhook_signature_wrong"


def test_nothing_verifies_without_secrets() -> None:
    assert refused(sign("a", NOW, BODY, [b""]), secrets=()) == "webhook_signature_wrong"
    with pytest.raises(ValueError, match="one secret"):
        sign("a", NOW, BODY, [])


@given(st.text(), st.text(), st.text(), st.binary())
def test_no_header_makes_it_fail_otherwise(named: str, seconds: str, signature: str, body: bytes) -> None:
    with pytest.raises(WebhookRefused):
        verify({ID: named, TIMESTAMP: seconds, SIGNATURE: signature}, body, secrets=[SECRET], now=NOW)


def test_a_secret_survives_being_written_down() -> None:
    assert secret_from_text(secret_text(SECRET)) == SECRET
    assert secret_text(SECRET) == "whsec_" + base64.b64encode(SECRET).decode()


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_AAAA", "whsec_!!", base64.b64encode(SECRET).decode(), "whsec_é"])
def test_text_that_is_no_secret_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="24 to 64 bytes") as caught:
        secret_from_text(text)
    assert not text or text == "whsec_" or text not in str(caught.value)


def test_a_secret_has_enough_bytes() -> None:
    with pytest.raises(ValueError, match="24 to 64"):
        secret_text(bytes(16))
