"""What a person is asked, and what comes of their answer: a table of cases."""

from __future__ import annotations

import pytest

from assigntask.errors import HostError
from assigntask.oauth.authorize_request import Refusal
from assigntask.oauth.offer import Offer, chosen, notice_digest, notice_text, offer
from assigntask_sdk.details import DETAILS, SCOPES
from assigntask_sdk.manifest import Manifest, parse

MANIFEST = parse(
    """
sdk = 1
id = "asking"
name = "Asking"
version = "1.0.0"
[vendor]
name = "Vendor"
contact = "help@vendor.example"
privacy = "https://vendor.example/privacy"
country = "NZ"
[scopes.required]
"tasks:read" = "to show what is due"
[scopes.optional]
"comments:read" = "to count comments"
"people:email" = "to write to people"
"tasks:write" = "to move what is late"
"""
)
ALL = frozenset({"tasks:read", "comments:read", "people:email", "tasks:write"})
MEMBER = ALL - {"people:email"}
NONE: frozenset[str] = frozenset()


def names(shown: Offer) -> tuple[set[str], set[str], set[str]]:
    new, already, beyond = ({ask.scope for ask in asks} for asks in (shown.new, shown.already, shown.beyond))
    return new, already, beyond


@pytest.mark.parametrize(
    ("granted", "rights", "allowed", "asked", "expected"),
    [
        (ALL, ALL, NONE, None, (ALL, NONE, NONE)),
        (ALL, MEMBER, NONE, None, (MEMBER, NONE, {"people:email"})),
        (ALL, ALL, NONE, {"comments:read"}, ({"comments:read"}, NONE, NONE)),
        (ALL, ALL, {"tasks:read"}, {"tasks:read", "tasks:write"}, ({"tasks:write"}, {"tasks:read"}, NONE)),
        (ALL, ALL, ALL, {"tasks:read"}, (NONE, {"tasks:read"}, NONE)),
        (ALL, ALL, {"comments:read"}, {"tasks:read"}, ({"tasks:read"}, NONE, NONE)),
        ({"tasks:read"}, ALL, NONE, None, ({"tasks:read"}, NONE, NONE)),
        (ALL, MEMBER, {"people:email"}, {"tasks:read", "people:email"}, ({"tasks:read"}, NONE, {"people:email"})),
    ],
)
def test_what_is_asked_is_within_the_grant_and_the_persons_rights(
    granted: frozenset[str],
    rights: frozenset[str],
    allowed: frozenset[str],
    asked: set[str] | None,
    expected: tuple[set[str], set[str], set[str]],
) -> None:
    wanted = None if asked is None else frozenset(asked)
    assert names(offer(MANIFEST, frozenset(granted), rights, frozenset(allowed), wanted)) == expected


@pytest.mark.parametrize(
    ("granted", "rights", "asked"),
    [
        ({"tasks:read"}, ALL, {"comments:read"}),  # the admin left it out
        ({"tasks:read"}, ALL, {"tasks:read", "people:name"}),  # the manifest never asked for it
        (ALL, MEMBER, {"people:email"}),  # not theirs, and nothing else is asked
        (ALL, NONE, None),
        (NONE, ALL, None),
    ],
)
def test_what_nobody_could_give_is_an_invalid_scope(
    granted: set[str], rights: frozenset[str], asked: set[str] | None
) -> None:
    with pytest.raises(Refusal) as caught:
        offer(MANIFEST, frozenset(granted), rights, NONE, None if asked is None else frozenset(asked))
    assert caught.value.error == "invalid_scope"


def test_each_scope_is_told_in_the_catalogues_words_with_the_vendors_reason() -> None:
    shown = offer(MANIFEST, ALL, ALL, NONE, None)
    asks = {ask.scope: ask for ask in shown.new}
    assert asks["comments:read"].words == SCOPES["comments:read"].words
    assert asks["comments:read"].reason == "to count comments"
    assert DETAILS["comment.text"].words in asks["comments:read"].details
    assert (asks["tasks:write"].power, asks["tasks:read"].power) == (True, False)
    assert [ask.scope for ask in shown.new if not ask.optional] == ["tasks:read"]
    assert [ask.scope for ask in shown.new] == [scope for scope in SCOPES if scope in ALL]


@pytest.mark.parametrize(
    ("asked", "allowed", "ticked", "granted"),
    [
        (ALL, NONE, {"comments:read"}, {"tasks:read", "comments:read"}),
        (ALL, NONE, set(), {"tasks:read"}),
        ({"comments:read", "tasks:write"}, NONE, {"tasks:write"}, {"tasks:write"}),
        ({"comments:read", "tasks:write"}, {"comments:read"}, set(), {"comments:read"}),
        ({"comments:read", "tasks:write"}, {"tasks:read"}, {"comments:read"}, {"comments:read"}),
    ],
)
def test_what_is_granted_is_what_was_ticked_and_what_can_not_be_unticked(
    asked: set[str], allowed: set[str], ticked: set[str], granted: set[str]
) -> None:
    shown = offer(MANIFEST, ALL, ALL, frozenset(allowed), frozenset(asked))
    assert chosen(shown, ticked) == granted


@pytest.mark.parametrize(
    ("asked", "ticked", "code"),
    [
        ({"comments:read"}, set(), "nothing_chosen"),
        ({"comments:read"}, {"tasks:write"}, "form_invalid"),
        ({"comments:read"}, {"comments:read", "people:email"}, "form_invalid"),
        ({"tasks:read"}, {"tasks:read"}, "form_invalid"),
    ],
)
def test_an_answer_that_is_not_of_the_page_is_refused(asked: set[str], ticked: set[str], code: str) -> None:
    shown = offer(MANIFEST, ALL, ALL, NONE, frozenset(asked))
    with pytest.raises(HostError) as caught:
        chosen(shown, ticked)
    assert caught.value.code == code


def test_the_notice_says_what_is_agreed_to_and_its_digest_follows_the_words() -> None:
    shown = offer(MANIFEST, ALL, ALL, NONE, None)
    text = notice_text(MANIFEST, shown, frozenset({"tasks:read", "comments:read"}))
    assert f"- {SCOPES['comments:read'].words} (comments:read), because: to count comments\n" in text
    assert f"- {DETAILS['comment.text'].words}\n" in text
    assert "Left out: people:email, tasks:write.\n" in text
    renamed = Manifest.model_validate({**MANIFEST.model_dump(), "name": "Renamed"})
    digests = {
        notice_digest(MANIFEST, shown, ALL),
        notice_digest(MANIFEST, shown, MEMBER),
        notice_digest(renamed, shown, ALL),
    }
    assert len(digests) == 3
    assert all(len(digest) == 71 for digest in digests)
