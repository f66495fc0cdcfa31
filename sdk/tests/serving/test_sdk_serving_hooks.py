"""A hook over HTTP: who may ask, what the app is given, and what comes back whatever it does."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from assigntask_sdk.webhooks import sign
from assigntask_sdk.wire import BODY_BYTES, INSTALLATION, HookAnswer

SECRET = bytes(range(32))
OTHER = bytes(range(60, 92))


def refused(answer: Any, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


def answered(answer: Any) -> Any:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    return HookAnswer.model_validate_json(answer.content).answer


def error(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    return dict(HookAnswer.model_validate_json(answer.content).error or {})


async def test_the_app_answers(installed: Any) -> None:
    assert answered(await installed.ask()) is None
    veto = answered(await installed.ask("veto"))
    assert veto == {"reason": "p_ada may not, on 2026-03-05", "field": "due", "is_": "veto"}
    amend = answered(await installed.ask("amend"))
    assert amend == {"changes": {"due": {"day": "2030-03-05", "at": None}}, "is_": "amend"}


async def test_settings_and_granted_scopes_reach_the_app(installed: Any) -> None:
    assert answered(await installed.ask("settings"))["reason"] == "5 True False"


async def test_errors_of_the_contract_come_through(installed: Any) -> None:
    conflict = error(await installed.ask("conflict"))
    assert conflict == {"code": "conflict", "message": "somebody was first", "keys": ["a"]}
    assert error(await installed.ask("invalid"))["fields"] == {"due": "give a day"}
    assert error(await installed.ask("not shared"))["code"] == "not_shared"


@pytest.mark.parametrize(
    ("what", "kind"),
    [
        ("raise", "RuntimeError"),
        ("exit", "SystemExit"),
        ("cancel", "CancelledError"),
        ("own timeout", "TimeoutError"),
    ],
)
async def test_of_anything_else_only_the_kind_is_told(installed: Any, what: str, kind: str) -> None:
    assert error(await installed.ask(what)) == {"code": "hook_raised", "message": kind}
    assert answered(await installed.ask()) is None


async def test_an_error_that_is_no_json_is_told_as_raised(installed: Any) -> None:
    assert error(await installed.ask("odd error"))["code"] == "hook_raised"


async def test_a_wrong_answer_is_told_without_its_value(installed: Any) -> None:
    wrong = error(await installed.ask("wrong answer"))
    assert wrong["code"] == "hook_wrong_answer"
    assert "17" not in wrong["message"]


async def test_an_answer_over_the_limit_is_told(installed: Any) -> None:
    assert error(await installed.ask(hook="report"))["code"] == "hook_answer_too_large"


async def test_it_ends_at_the_hosts_deadline_whatever_this_clock_says(installed: Any, clock: Any) -> None:
    """Only the span counts: the two machines' clocks need not agree to the second."""
    ahead = clock.now + dt.timedelta(hours=3)
    deadline = ahead + dt.timedelta(seconds=0.05)
    late = await installed.ask("hang", now=ahead.isoformat(), deadline=deadline.isoformat())
    assert error(late)["code"] == "hook_timeout"


async def test_the_signature_is_checked_before_the_body_is_read(installed: Any, host: Any) -> None:
    headers = {**sign("a", host.clock.now, b"not JSON", [OTHER]), INSTALLATION: "inst_1"}
    refused(await installed.post("/hooks/task_saving", headers, b"not JSON"), 401, "webhook_signature_wrong")
    headers = {**sign("a", host.clock.now, b"not JSON", [SECRET]), INSTALLATION: "inst_1"}
    refused(await installed.post("/hooks/task_saving", headers, b"not JSON"), 400, "body_wrong")


async def test_an_unsigned_or_old_call_is_refused(installed: Any, host: Any, clock: Any) -> None:
    body = json.dumps(host.hook_body()).encode()
    refused(await installed.post("/hooks/task_saving", {INSTALLATION: "inst_1"}, body), 401, "webhook_header_missing")
    headers = {**sign("a", clock.now, body, [SECRET]), INSTALLATION: "inst_1"}
    clock.later(minutes=5, seconds=1)
    refused(await installed.post("/hooks/task_saving", headers, body), 401, "webhook_expired")


async def test_a_message_that_comes_twice_is_refused_whichever_of_its_signatures_it_has(
    installed: Any, host: Any, clock: Any
) -> None:
    ahead = clock.now + dt.timedelta(minutes=4)
    body = json.dumps(host.hook_body(id="same")).encode()
    headers = {**sign("same", ahead, body, [OTHER, SECRET]), INSTALLATION: "inst_1"}
    assert answered(await installed.post("/hooks/task_saving", headers, body)) is None
    refused(await installed.post("/hooks/task_saving", headers, body), 409, "webhook_replayed")
    alone = {**headers, "webhook-signature": headers["webhook-signature"].split()[1] + " v1,AAAA"}
    refused(await installed.post("/hooks/task_saving", alone, body), 409, "webhook_replayed")
    clock.later(minutes=9)  # it was signed ahead of time, so it still is within the tolerance
    refused(await installed.post("/hooks/task_saving", headers, body), 409, "webhook_replayed")


async def test_another_attempt_with_the_same_id_is_answered(installed: Any) -> None:
    assert answered(await installed.ask(id="same")) is None
    assert answered(await installed.ask(id="same", attempt=2)) is None


async def test_an_unknown_installation_has_no_credentials_here(caller: Any) -> None:
    refused(await caller.ask(), 404, "installation_unknown")


async def test_the_header_names_the_installation(installed: Any, host: Any) -> None:
    given = host.hook_body()
    body = json.dumps(given).encode()
    refused(await installed.post("/hooks/task_saving", {}, body), 400, "installation_missing")


async def test_another_hook_or_installation_than_signed_is_refused(installed: Any, host: Any) -> None:
    """What was signed for one hook can't be sent to another."""
    refused(await installed.ask(path="/hooks/installed"), 400, "body_differs")
    given = host.hook_body(installation="inst_2")
    body = json.dumps(given).encode()
    headers = {**sign(given["id"], host.clock.now, body, [SECRET]), INSTALLATION: "inst_1"}
    refused(await installed.post("/hooks/task_saving", headers, body), 400, "body_differs")


async def test_a_hook_that_the_app_lacks_is_named_so(installed: Any) -> None:
    refused(await installed.ask(hook="task_badges"), 404, "hook_unknown")
    refused(await installed.ask(hook="nonsense"), 404, "hook_unknown")


async def test_an_ask_of_another_form_is_refused(installed: Any) -> None:
    refused(await installed.ask(ask={"task": 3}), 400, "ask_wrong")


async def test_after_a_goodbye_nothing_is_left_but_to_be_asked_to_erase(installed: Any) -> None:
    assert answered(await installed.ask(hook="uninstalling")) is None
    [kept] = await installed.service.calling.store.find("inst_1")
    assert (kept.parted, kept.client_secret) == (True, "")
    refused(await installed.ask(), 404, "installation_unknown")
    assert answered(await installed.ask(hook="person_forgotten")) is None
    assert answered(await installed.ask(hook="uninstalling")) is None
    await installed.install()
    assert answered(await installed.ask()) is None


async def test_a_goodbye_that_failed_can_come_again(installed: Any) -> None:
    assert error(await installed.ask(hook="uninstalling", settings={"fail": True}))["code"] == "hook_raised"
    assert answered(await installed.ask(hook="uninstalling")) is None


async def test_a_body_over_the_limit_is_not_read(installed: Any) -> None:
    refused(await installed.post("/hooks/task_saving", {}, b" " * (BODY_BYTES + 1)), 413, "body_too_large")

    async def pieces() -> Any:
        while True:
            yield b" " * 65_536

    refused(await installed.client.post("/install", content=pieces()), 413, "body_too_large")


async def test_manifest_and_health_are_for_everybody(caller: Any) -> None:
    manifest = await caller.client.get("/app.toml")
    assert manifest.content == caller.service.manifest_bytes
    assert manifest.headers["content-type"].startswith("application/toml")
    health = await caller.client.get("/health")
    assert health.json() == {"status": "ok", "app": "served-app", "version": "1.2.0"}


async def test_other_paths_and_methods_are_refused(caller: Any) -> None:
    refused(await caller.client.get("/nothing"), 404, "path_unknown")
    refused(await caller.client.get("/install"), 405, "method_not_allowed")
    refused(await caller.client.post("/hooks/a/b"), 404, "path_unknown")


async def test_the_log_says_where_it_failed_and_no_values(installed: Any) -> None:
    with capture_logs() as lines:
        await installed.ask("raise")
        await installed.ask("veto")
        await installed.ask(secret=OTHER)
    failed, fine, turned_away = lines
    assert failed["event"] == fine["event"] == "hook_called"
    assert (failed["outcome"], failed["raised"]) == ("hook_raised", "RuntimeError")
    assert failed["place"].startswith("served_app/hooks.py:")
    assert fine["outcome"] == "answered" and fine["milliseconds"] > 0
    assert (turned_away["event"], turned_away["code"]) == ("refused", "webhook_signature_wrong")
    written = str(lines)
    assert not any(value in written for value in ("a secret value", "p_ada", "ct_token", "whsec", "cs_secret"))
