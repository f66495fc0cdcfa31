"""What became of notices, read and asked for by the client, blocking too."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from assigntask_sdk.client import ApiError
from assigntask_sdk.errors import Invalid

MOMENT = "2026-03-02T12:00:00Z"
NOON = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
FIRST = {"id": "d1", "hook": "task_changed", "state": "delivered", "position": 1, "at": MOMENT, "attempts": 1}
SECOND = {**FIRST, "id": "d2", "position": 2, "state": "waiting", "next_at": MOMENT, "status": 503, "took": 12}
HEALTH = {
    "app": "due-guard", "state": "active", "words": "It works.", "disabled_why": None, "waiting": 1, "dead": 0,
    "oldest_waiting": MOMENT, "last_success": None, "failing_since": None,
    "breakers": [{"hook": "job", "state": "open", "failures": 5, "total": 9, "error": "x", "retry_at": MOMENT}],
}  # fmt: skip


def test_deliveries_are_listed_page_by_page(host: Any, says: Any, sync_client: Any) -> None:
    host.answers(says(200, {"items": [SECOND], "next": "c"}), says(200, {"items": [FIRST], "next": None}))
    since = dt.datetime(2026, 3, 2, 13, tzinfo=dt.timezone(dt.timedelta(hours=1)))
    found = list(sync_client.deliveries.list(state="waiting", since=since))
    assert [(each.id, each.next_at, each.status, each.took) for each in found] == [
        ("d2", NOON, 503, 12), ("d1", None, None, None),
    ]  # fmt: skip
    asked = [dict(request.url.params) for request in host.requests]
    assert asked[0] == {"limit": "200", "state": "waiting", "since": MOMENT}
    assert asked[1]["cursor"] == "c"


def test_a_replay_is_sent_once_and_tells_how_many(host: Any, says: Any, sync_client: Any) -> None:
    host.answers(says(200, {"replayed": 0}), says(200, {"replayed": 3}), says(200, {"replayed": 2}))
    assert sync_client.deliveries.replay("d1") is False
    assert host.last.url.path == "/api/v1/deliveries/d1/replay"
    assert host.last.headers["idempotency-key"]
    assert sync_client.deliveries.replay_since(NOON) == 3
    assert json.loads(host.last.content) == {"since": MOMENT, "dry_run": False}
    assert sync_client.deliveries.replay_since(NOON, states={"dead", "delivered"}, dry_run=True) == 2
    assert json.loads(host.last.content) == {"since": MOMENT, "dry_run": True, "states": ["dead", "delivered"]}


def test_a_moment_without_a_zone_is_sent_nowhere(host: Any, sync_client: Any) -> None:
    naive = dt.datetime(2026, 3, 2)  # noqa: DTZ001
    with pytest.raises(Invalid):
        sync_client.deliveries.list(since=naive)
    with pytest.raises(Invalid):
        sync_client.deliveries.replay_since(naive)
    assert host.requests == []


def test_how_an_installation_does_comes_in_figures_and_words(host: Any, says: Any, sync_client: Any) -> None:
    host.answers(says(200, HEALTH), says(200, {"state": "active"}))
    health = sync_client.health()
    assert (health.words, health.waiting, health.oldest_waiting) == ("It works.", 1, NOON)
    assert (health.breakers[0].hook, health.breakers[0].retry_at) == ("job", NOON)
    with pytest.raises(ApiError) as wrong:
        sync_client.health()
    assert wrong.value.code == "answer_invalid"
