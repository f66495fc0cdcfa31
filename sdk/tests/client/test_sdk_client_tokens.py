"""Tokens: got once, renewed in time, never shown."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import logging
from typing import Any
from urllib.parse import parse_qs

import httpx2
import pytest

from assigntask_sdk.client import ApiError, ClientCredentials, Refreshing, Token
from assigntask_sdk.errors import TryLater

TASK = {"id": "t", "version": 1}
REFUSED = httpx2.Response(
    401,
    json={"code": "token_invalid", "detail": "Unknown, expired or revoked."},
    headers=[("www-authenticate", 'Bearer error="invalid_token"'), ("www-authenticate", 'DPoP error="invalid_token"')],
)


class TokenHost:
    """Gives at_1, at_2, … and takes only those that are not in `refused`."""

    def __init__(self, life: float = 3600, refresh: bool = False) -> None:
        self.life, self.refresh = life, refresh
        self.given = 0
        self.refused: set[str] = set()
        self.forms: list[dict[str, list[str]]] = []
        self.taken: list[str] = []
        self.seen: list[str] = []

    async def __call__(self, request: httpx2.Request) -> httpx2.Response:
        await asyncio.sleep(0)  # others get their turn
        if request.url.path == "/oauth/token":
            self.given += 1
            self.seen.append(f"token {self.given}")
            self.forms.append(parse_qs(request.content.decode()))
            body = {"access_token": f"at_{self.given}", "token_type": "Bearer", "expires_in": self.life}
            more = {"refresh_token": f"rt_{self.given}"} if self.refresh else {}
            return httpx2.Response(200, json={**body, **more, "scope": "tasks:read"})
        token = request.headers["authorization"].removeprefix("Bearer ")
        self.seen.append(token)
        return REFUSED if token in self.refused else httpx2.Response(200, json=TASK)


def refreshing(kept: list[Any], **more: Any) -> Refreshing:
    return Refreshing("c_1", "cs_1", refresh_token="rt_0", on_rotated=kept.append, **more)


async def test_the_secret_goes_to_the_token_endpoint_alone(host: Any) -> None:
    tokens = TokenHost()
    host.answers(tokens)
    async with host.client(ClientCredentials("c_1", "cs_1", scopes=["tasks:read", "people:name"])) as client:
        await client.tasks.get("t")
    asked, used = host.requests
    assert str(asked.url) == "https://host.example/oauth/token"
    assert base64.b64decode(asked.headers["authorization"].removeprefix("Basic ")) == b"c_1:cs_1"
    assert tokens.forms == [{"grant_type": ["client_credentials"], "scope": ["people:name tasks:read"]}]
    assert used.headers["authorization"] == "Bearer at_1"


async def test_many_calls_at_once_share_one_token(host: Any) -> None:
    tokens = TokenHost()
    host.answers(tokens)
    async with host.client(ClientCredentials("c_1", "cs_1")) as client:
        await asyncio.gather(*(client.tasks.get("t") for _ in range(10)))
        await client.as_person("p_1").tasks.get("t")
    assert tokens.given == 1


async def test_a_token_is_renewed_before_it_ends(host: Any) -> None:
    tokens = TokenHost(life=1e-6)
    host.answers(tokens)
    async with host.client(ClientCredentials("c_1", "cs_1")) as client:
        await client.tasks.get("t")
        await client.tasks.get("t")
    assert tokens.seen == ["token 1", "at_1", "token 2", "at_2"]


async def test_a_token_that_is_refused_is_renewed_once_for_all_that_wait(host: Any) -> None:
    tokens = TokenHost()
    host.answers(tokens)
    async with host.client(ClientCredentials("c_1", "cs_1")) as client:
        await client.tasks.get("t")
        tokens.refused.add("at_1")
        await asyncio.gather(*(client.tasks.get("t") for _ in range(5)))
    assert tokens.given == 2
    assert tokens.seen.count("at_2") == 5


async def test_a_host_that_refuses_every_token_is_not_asked_for_ever(host: Any) -> None:
    tokens = TokenHost()
    tokens.refused.update(f"at_{number}" for number in range(9))
    host.answers(tokens)
    async with host.client(ClientCredentials("c_1", "cs_1")) as client:
        with pytest.raises(ApiError) as raised:
            await client.tasks.get("t")
    assert (raised.value.code, raised.value.status) == ("token_invalid", 401)
    assert tokens.seen == ["token 1", "at_1", "token 2", "at_2"]


async def test_a_token_of_a_hook_call_is_not_renewed(host: Any) -> None:
    host.answers(REFUSED)
    async with host.client(Token("ct_secret")) as client:
        with pytest.raises(ApiError, match="Unknown, expired or revoked"):
            await client.tasks.get("t")
    assert len(host.requests) == 1


async def test_a_rotated_refresh_token_is_kept_before_its_access_token_is_used(host: Any) -> None:
    tokens = TokenHost(refresh=True)
    host.answers(tokens)

    async def keep(new: Any) -> None:
        await asyncio.sleep(0)
        tokens.seen.append(f"kept {new.refresh_token}")

    auth = Refreshing("c_1", "cs_1", refresh_token="rt_0", on_rotated=keep)
    async with host.client(auth) as client:
        await asyncio.gather(*(client.tasks.get("t") for _ in range(3)))
        tokens.refused.add("at_1")
        await client.tasks.get("t")
    assert tokens.seen[:5] == ["token 1", "kept rt_1", "at_1", "at_1", "at_1"]
    assert [form["refresh_token"] for form in tokens.forms] == [["rt_0"], ["rt_1"]]


async def test_tokens_that_could_not_be_kept_are_handed_over_again(host: Any) -> None:
    tokens = TokenHost(refresh=True)
    host.answers(tokens)
    kept: list[str] = []

    def keep(new: Any) -> None:
        kept.append(new.refresh_token)
        if len(kept) == 1:
            raise OSError("disk full")

    async with host.client(Refreshing("c_1", refresh_token="rt_0", on_rotated=keep)) as client:
        with pytest.raises(OSError, match="disk full"):
            await client.tasks.get("t")
        assert tokens.seen == ["token 1"]  # it was not used
        await client.tasks.get("t")
    assert (kept, tokens.given) == (["rt_1", "rt_1"], 1)


async def test_kept_tokens_spare_the_first_renewal(host: Any) -> None:
    tokens = TokenHost(refresh=True)
    host.answers(tokens)
    later = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    async with host.client(refreshing([], access_token="at_0", expires_at=later)) as client:
        await client.tasks.get("t")
    assert tokens.seen == ["at_0"]


async def test_a_refresh_whose_answer_is_lost_is_not_sent_twice(host: Any) -> None:
    host.answers(httpx2.ReadError("cut off"))
    async with host.client(refreshing([])) as client:
        with pytest.raises(TryLater):
            await client.tasks.get("t")
    assert len(host.requests) == 1


async def test_a_token_endpoint_that_is_busy_is_asked_again(host: Any, says: Any) -> None:
    host.answers(says(503, retry_after=1), TokenHost())
    async with host.client(ClientCredentials("c_1", "cs_1")) as client:
        await client.tasks.get("t")
    assert [request.url.path for request in host.requests][:2] == ["/oauth/token", "/oauth/token"]


@pytest.mark.parametrize("code", ["invalid_client", "invalid_grant", "invalid_scope", "unauthorized_client"])
async def test_a_refusal_of_the_token_endpoint_has_oauths_code(host: Any, says: Any, code: str) -> None:
    host.answers(says(400, {"error": code, "error_description": "it was used"}))
    async with host.client(refreshing([])) as client:
        with pytest.raises(ApiError, match="it was used") as raised:
            await client.tasks.get("t")
    assert raised.value.code == code


@pytest.mark.parametrize(
    "answer",
    [{}, {"access_token": 3}, {"access_token": "x", "expires_in": "1h"}, {"access_token": "x", "scope": 1}, []],
)
async def test_what_is_no_token_is_refused(host: Any, says: Any, answer: Any) -> None:
    host.answers(says(200, answer))
    async with host.client(ClientCredentials("c_1", "cs_1")) as client:
        with pytest.raises(ApiError) as raised:
            await client.tasks.get("t")
    assert raised.value.code == "token_answer_invalid"


async def test_no_token_and_no_secret_is_shown_or_logged(host: Any, caplog: pytest.LogCaptureFixture) -> None:
    tokens = TokenHost(refresh=True)
    host.answers(tokens)
    kept: list[Any] = []
    auth = refreshing(kept)
    with caplog.at_level(logging.DEBUG):
        async with host.client(auth) as client:
            await client.tasks.get("t")
            shown = [repr(each) for each in (auth, client, client._calls, kept, Token("at_9"), auth._proof)]
    for secret in ("at_", "rt_", "cs_"):
        assert secret not in caplog.text
        assert not any(secret in text for text in shown)
