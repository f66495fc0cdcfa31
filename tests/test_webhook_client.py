"""What the SDK signs, the library of Standard Webhooks verifies, and the other way round."""

from __future__ import annotations

import datetime as dt
import json
import secrets
from typing import Any

import pytest

from assigntask_sdk import webhooks
from assigntask_sdk.webhooks import WebhookRefused

BODY = '{"task":"¡Olé! 東京 \U0001f600","n":1}'


@pytest.fixture(scope="module")
def told(run_node: Any) -> dict[str, Any]:
    """One message each: as it is, with a second secret's signature first, changed, too old; and what Node answers."""
    now, secret, older = dt.datetime.now(dt.UTC), secrets.token_bytes(32), secrets.token_bytes(32)
    east = now.astimezone(dt.timezone(dt.timedelta(hours=9)))
    sent = {
        "plain": (webhooks.sign("msg_1", now, BODY.encode(), [secret]), BODY),
        "elsewhere": (webhooks.sign("msg_2", east, BODY.encode(), [secret]), BODY),
        "rotating": (webhooks.sign("msg_3", now, BODY.encode(), [older, secret]), BODY),
        "changed": (webhooks.sign("msg_4", now, BODY.encode(), [secret]), BODY.replace("1", "2")),
        "strange": (webhooks.sign("msg_5", now, BODY.encode(), [older]), BODY),
        "old": (webhooks.sign("msg_6", now - dt.timedelta(minutes=6), BODY.encode(), [secret]), BODY),
    }
    text = webhooks.secret_text(secret)
    lines = [json.dumps({"secret": text, "headers": headers, "body": body}) for headers, body in sent.values()]
    answers = dict(zip(sent, run_node("webhooks.mjs", "\n".join(lines)), strict=True))
    return {"secret": secret, "older": older, "answers": answers}


@pytest.mark.parametrize("name", ["plain", "elsewhere", "rotating"])
def test_what_the_sdk_signs_is_verified(told: dict[str, Any], name: str) -> None:
    answer = told["answers"][name]
    assert (answer["verified"], answer["refused"]) == (json.loads(BODY), None)


@pytest.mark.parametrize("name", ["changed", "strange", "old"])
def test_what_is_not_right_is_refused_there_too(told: dict[str, Any], name: str) -> None:
    answer = told["answers"][name]
    assert answer["verified"] is None and answer["refused"]


def test_what_the_library_signs_the_sdk_verifies(told: dict[str, Any]) -> None:
    answer, now = told["answers"]["plain"], dt.datetime.now(dt.UTC)
    headers, body = answer["headers"], answer["body"].encode()
    assert webhooks.verify(headers, body, secrets=[told["older"], told["secret"]], now=now) == "msg_from-node"
    with pytest.raises(WebhookRefused, match="No signature fits"):
        webhooks.verify(headers, body, secrets=[told["older"]], now=now)
    with pytest.raises(WebhookRefused, match="No signature fits"):
        webhooks.verify(headers, body + b" ", secrets=[told["secret"]], now=now)
