"""An authorization request, one parameter after the other."""

from __future__ import annotations

from typing import Any

import pytest

from assigntask.oauth.authorize_request import Asked, Refusal, asked, returnable_state

API = "https://tasks.example.org/api/v1"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
GOOD = {"response_type": "code", "code_challenge": CHALLENGE, "code_challenge_method": "S256"}


def test_the_least_that_is_a_request() -> None:
    assert asked(GOOD, API) == Asked(None, None, CHALLENGE, None, silent=False)


def test_a_whole_request_is_kept_and_survives_json() -> None:
    found = asked(
        {
            **GOOD,
            "state": "s",
            "scope": "tasks:read comments:read tasks:read",
            "prompt": "none",
            "resource": API,
            "dpop_jkt": CHALLENGE,
            "response_mode": "query",
            "nonce": "of another protocol",
        },
        API,
    )
    assert found == Asked("s", frozenset({"tasks:read", "comments:read"}), CHALLENGE, CHALLENGE, silent=True)
    assert Asked.of_json(found.to_json()) == found


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"response_type": None}, "invalid_request", "response_type"),
    ({"response_type": "token"}, "unsupported_response_type", "code"),
    ({"response_type": "code id_token"}, "unsupported_response_type", "code"),
    ({"response_mode": "fragment"}, "invalid_request", "response_mode"),
    ({"request": "eyJ"}, "request_not_supported", "9126"),
    ({"code_challenge": None}, "invalid_request", "PKCE"),
    ({"code_challenge_method": None}, "invalid_request", "S256"),
    ({"code_challenge_method": "plain"}, "invalid_request", "S256"),
    ({"code_challenge_method": "s256"}, "invalid_request", "S256"),
    ({"code_challenge": "x" * 42}, "invalid_request", "43"),
    ({"code_challenge": "x" * 44}, "invalid_request", "43"),
    ({"code_challenge": "=" * 43}, "invalid_request", "43"),
    ({"scope": "tasks:reed"}, "invalid_scope", "there is not"),
    ({"scope": "tasks:read  comments:read"}, "invalid_scope", "one space"),
    ({"scope": 'tasks:"read'}, "invalid_scope", "one space"),
    ({"scope": "tâches"}, "invalid_scope", "one space"),
    ({"resource": "https://elsewhere.example"}, "invalid_target", "resource"),
    ({"dpop_jkt": "short"}, "invalid_request", "dpop_jkt"),
    ({"prompt": "login"}, "invalid_request", "prompt"),
    ({"prompt": "none consent"}, "invalid_request", "prompt"),
    ({"state": "s" * 2001}, "invalid_request", "state"),
]


@pytest.mark.parametrize(("change", "error", "words"), REFUSED)
def test_a_request_with_one_thing_wrong_is_refused_for_it(change: dict[str, Any], error: str, words: str) -> None:
    given = {name: value for name, value in {**GOOD, **change}.items() if value is not None}
    with pytest.raises(Refusal) as caught:
        asked(given, API)
    assert caught.value.error == error
    assert words in caught.value.description
    assert all(" " <= character <= "~" and character not in '"\\' for character in caught.value.description)


def test_a_state_goes_back_unless_it_is_too_long_to_be_sent() -> None:
    assert returnable_state({"state": "s"}) == "s"
    assert returnable_state({}) is None
    assert returnable_state({"state": "s" * 2001}) is None
