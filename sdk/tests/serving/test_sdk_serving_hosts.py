"""How hosts are named, where credentials are kept, and how the connection key is given."""

from __future__ import annotations

import asyncio
import datetime as dt
import sqlite3
from pathlib import Path

import pytest

from assigntask_sdk.serving import Kept, ServingError, Store, origin_of
from assigntask_sdk.serving.hosts import same_origin
from assigntask_sdk.serving.running import connection_key, usual_store

NOW = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
KEPT = Kept("https://a.example", "i", "app", "1.0.0", "api", "token", "c_1", "cs_1", "whsec_1", None, None, 1.0)


@pytest.mark.parametrize(
    ("given", "origin"),
    [
        ("https://tasks.example", "https://tasks.example"),
        ("HTTPS://Tasks.Example:443/", "https://tasks.example"),
        ("https://tasks.example:8443", "https://tasks.example:8443"),
        ("https://[2001:db8::1]:9", "https://[2001:db8::1]:9"),
    ],
)
def test_an_origin_is_written_in_one_way(given: str, origin: str) -> None:
    assert origin_of(given) == origin
    assert origin_of(origin) == origin


@pytest.mark.parametrize(
    "url",
    [
        "tasks.example", "ftp://tasks.example", "https://", "https://a.example/path", "https://a.example?q",
        "https://a.example#f", "https://me@a.example", "https://:word@a.example", "https://a.example:0",
        "https://a.example:99999", "https://[::1", "https://exämple.example", "",
    ],
)  # fmt: skip
def test_anything_else_is_no_host(url: str) -> None:
    with pytest.raises(ServingError) as caught:
        origin_of(url, dev=True)
    assert caught.value.code == "host_wrong"


@pytest.mark.parametrize("url", ["http://localhost:8000", "http://127.0.0.1:8000", "http://[::1]:8000"])
def test_http_is_for_this_machine_and_needs_dev(url: str) -> None:
    with pytest.raises(ServingError, match="--dev") as caught:
        origin_of(url)
    assert caught.value.code == "host_not_https"
    assert origin_of(url, dev=True) == url
    with pytest.raises(ServingError, match="--dev"):
        origin_of("http://tasks.example", dev=True)


def test_an_address_is_within_its_origin_or_not() -> None:
    assert same_origin("https://a.example/api/v1", "https://a.example")
    assert same_origin("https://A.example:443/api/v1", "https://a.example")
    for other in ("https://b.example/api", "http://a.example/api", "https://a.example@b.example/", "x", "https://[::1"):
        assert not same_origin(other, "https://a.example")


async def test_a_store_survives_being_closed(tmp_path: Path) -> None:
    store = Store(tmp_path / "new" / "store.db")
    await store.open()
    await store.take(KEPT)
    assert await store.first_use("m", NOW, NOW + dt.timedelta(minutes=10))
    await store.close()
    again = Store(tmp_path / "new" / "store.db")
    await again.open()
    assert await again.find("i") == [KEPT]
    assert not await again.first_use("m", NOW, NOW)
    await again.close()


async def test_parallel_uses_of_one_message_have_one_winner(tmp_path: Path) -> None:
    stores = [Store(tmp_path / "store.db") for _ in range(2)]
    for store in stores:
        await store.open()
    until = NOW + dt.timedelta(minutes=10)
    won = await asyncio.gather(*(stores[n % 2].first_use("m", NOW, until) for n in range(8)))
    assert sum(won) == 1
    for store in stores:
        await store.close()


async def test_credentials_that_came_before_the_goodbye_was_said_are_not_removed(tmp_path: Path) -> None:
    from dataclasses import replace

    store = Store(tmp_path / "store.db")
    await store.open()
    await store.take(replace(KEPT, secret="whsec_2"))
    await store.part(KEPT)
    assert [each.parted for each in await store.find("i")] == [False]
    await store.close()


async def test_a_store_of_a_later_sdk_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    conn = sqlite3.connect(path)
    conn.execute("PRAGMA user_version = 99")
    conn.close()
    with pytest.raises(ServingError) as caught:
        await Store(path).open()
    assert caught.value.code == "store_newer"


async def test_a_file_that_is_no_store_is_named(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(b"something else entirely" * 100)
    with pytest.raises(ServingError, match="--store") as caught:
        await Store(path).open()
    assert caught.value.code == "store_unusable"


def test_the_usual_store_is_one_per_app(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert usual_store("due-guard") == tmp_path / "assigntask-sdk" / "due-guard.db"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert usual_store("due-guard") == tmp_path / ".local" / "state" / "assigntask-sdk" / "due-guard.db"


def test_the_connection_key_comes_from_file_or_environment(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("ck_file\n")
    assert connection_key(file, {"ASSIGNTASK_CONNECT_KEY": "ck_environment"}) == "ck_file"
    assert connection_key(None, {"ASSIGNTASK_CONNECT_KEY": "ck_environment"}) == "ck_environment"
    for file_, environ in ((None, {}), (tmp_path / "nowhere", {})):
        with pytest.raises(ServingError) as caught:
            connection_key(file_, environ)
        assert caught.value.code == "key_missing"
    for text in ("at_token", "ck_two words", "ck_é", "ck_a\r\nX: y"):
        with pytest.raises(ServingError) as caught:
            connection_key(None, {"ASSIGNTASK_CONNECT_KEY": text})
        assert caught.value.code == "key_wrong"
        assert text not in caught.value.message
