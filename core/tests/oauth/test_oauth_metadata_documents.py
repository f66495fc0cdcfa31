"""Clients that bring their own address: what their document may say, and how often it is asked for."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from typing import Any

import pytest

from assigntask.errors import HostError
from assigntask.oauth.metadata_documents import MAX_BYTES, Document, MetadataDocuments, read

URL = "https://vendor.example/client"
GOOD: dict[str, Any] = {"client_id": URL, "client_name": "Vendor", "redirect_uris": ["https://vendor.example/back"]}
START = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)


def test_a_public_client_needs_its_address_and_redirect_uris() -> None:
    assert read(URL, json.dumps(GOOD).encode()) == Document(URL, ("https://vendor.example/back",), "none", None)


def test_a_client_with_keys_says_where_they_are() -> None:
    body = {**GOOD, "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://vendor.example/keys"}
    assert read(URL, json.dumps(body).encode()).jwks_uri == "https://vendor.example/keys"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"client_id": None}, "not the address"),
        ({"client_id": URL + "/"}, "not the address"),
        ({"client_id": URL.upper()}, "not the address"),
        ({"client_secret": "s"}, "client secret"),
        ({"client_secret_expires_at": 0}, "client secret"),
        ({"token_endpoint_auth_method": "client_secret_basic"}, "token_endpoint_auth_method"),
        ({"token_endpoint_auth_method": ["none"]}, "token_endpoint_auth_method"),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "jwks_uri"),
        ({"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "http://127.0.0.1/keys"}, "jwks_uri"),
        ({"redirect_uris": None}, "redirect_uris"),
        ({"redirect_uris": []}, "redirect_uris"),
        ({"redirect_uris": "https://vendor.example/back"}, "redirect_uris"),
        ({"redirect_uris": ["https://vendor.example/back"] * 21}, "redirect_uris"),
        ({"redirect_uris": ["https://vendor.example/back", 7]}, "each of its redirect_uris"),
        ({"redirect_uris": ["http://vendor.example/back"]}, "each of its redirect_uris"),
        ({"redirect_uris": ["https://vendor.example/#x"]}, "each of its redirect_uris"),
        ({"redirect_uris": ["javascript:alert(1)"]}, "each of its redirect_uris"),
        ({"client_name": "x" * MAX_BYTES}, "5 KiB"),
    ],
)
def test_a_document_with_one_thing_wrong_is_refused_for_it(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(HostError, match=words) as caught:
        read(URL, json.dumps({**GOOD, **changes}).encode())
    assert caught.value.code == "client_metadata_invalid"


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'"x"', b"{", b"\xff", b"<html>", b"[" * 5000])
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(HostError, match="no JSON"):
        read(URL, body)


class Vendor:
    """Answers for `URL`, and counts how often it was asked."""

    def __init__(self) -> None:
        self.now = START
        self.asked = 0
        self.body = json.dumps(GOOD).encode()
        self.broken: Exception | None = None
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.documents = MetadataDocuments(self.fetch, lambda: self.now)

    async def fetch(self, url: str) -> bytes:
        self.asked += 1
        await self.may_answer.wait()
        if self.broken is not None:
            raise self.broken
        return self.body


async def test_a_document_is_kept_for_ten_minutes_and_no_longer() -> None:
    vendor = Vendor()
    first = await vendor.documents.get(URL)
    vendor.body = json.dumps({**GOOD, "redirect_uris": ["https://vendor.example/new"]}).encode()
    vendor.now = START + dt.timedelta(minutes=10, seconds=-1)
    assert await vendor.documents.get(URL) == first
    assert vendor.asked == 1
    vendor.now = START + dt.timedelta(minutes=10)
    assert (await vendor.documents.get(URL)).redirect_uris == ("https://vendor.example/new",)


async def test_many_who_need_it_at_once_ask_once_and_one_who_leaves_takes_it_from_nobody() -> None:
    vendor = Vendor()
    vendor.may_answer.clear()
    waiting = [asyncio.create_task(vendor.documents.get(URL)) for _ in range(5)]
    while vendor.asked == 0:
        await asyncio.sleep(0)
    waiting[0].cancel()
    vendor.may_answer.set()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert [each.client_id for each in answers[1:] if isinstance(each, Document)] == [URL] * 4
    assert vendor.asked == 1


@pytest.mark.parametrize("error", [OSError("secret address"), TimeoutError(), HostError("outgoing_failed", "secret")])
async def test_a_failure_is_not_kept_and_says_nothing_of_its_cause(error: Exception) -> None:
    vendor = Vendor()
    vendor.broken = error
    for _ in range(2):
        with pytest.raises(HostError) as caught:
            await vendor.documents.get(URL)
        assert caught.value.code == "client_metadata_unreachable"
        assert "secret" not in str(caught.value)
    vendor.broken = None
    assert (await vendor.documents.get(URL)).client_id == URL
    assert vendor.asked == 3
