"""Where a browser may be sent: what was registered, and nothing that only looks like it."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest

from assigntask.errors import HostError
from assigntask.oauth import redirects
from assigntask.oauth.redirects import Redirect, acceptable, answered, chosen, origin

REGISTERED = ("https://vendor.example/back", "https://vendor.example/other?x=1", "http://127.0.0.1/back",
              "http://[::1]:9000/back")  # fmt: skip


@pytest.mark.parametrize(
    "given",
    [
        *REGISTERED,
        "http://127.0.0.1:1/back",
        "http://127.0.0.1:65535/back",
        "http://[::1]/back",
        "http://[::1]:5000/back",
    ],
)
def test_what_is_registered_is_taken_and_this_machine_at_any_port(given: str) -> None:
    assert chosen(REGISTERED, given) == Redirect(given, given=True)


@pytest.mark.parametrize(
    "given",
    [
        "",
        "https://vendor.example/back/",
        "https://vendor.example/back?",
        "https://vendor.example/back#x",
        "https://vendor.example/back?x=1",
        "https://vendor.example/other",
        "https://Vendor.example/back",
        "https://vendor.example:443/back",
        "https://vendor.example/../back",
        "https://vendor.example/%62ack",
        "http://vendor.example/back",
        "https://vendor.example.evil.example/back",
        "https://vendor.example@evil.example/back",
        "https://evil.example\\@vendor.example/back",
        "http://localhost/back",
        "http://127.0.0.1:0/back",
        "http://127.0.0.1:65536/back",
        "http://127.0.0.1:080/back",
        "http://127.0.0.1:/back",
        "http://127.0.0.1/other",
        "http://127.0.0.1/back?x",
        "http://127.0.0.2/back",
        "http://127.1/back",
        "http://127.0.0.1:80@evil.example/back",
        "http://127.0.0.1.evil.example/back",
        "http://[::1]:9000/back/more",
        "https://127.0.0.1/back",
        "javascript:alert(1)",
        "*",
    ],
)
def test_anything_else_is_refused(given: str) -> None:
    with pytest.raises(HostError) as caught:
        chosen(REGISTERED, given)
    assert caught.value.code == "redirect_uri_invalid"
    assert "evil" not in str(caught.value)


def test_it_may_be_left_out_where_there_is_one_only() -> None:
    assert chosen(REGISTERED[:1], None) == Redirect(REGISTERED[0], given=False)
    for several in (REGISTERED, ()):
        with pytest.raises(HostError):
            chosen(several, None)


@pytest.mark.parametrize(
    ("uri", "fits"),
    [
        ("https://vendor.example/back", True),
        ("https://vendor.example:8443", True),
        ("http://127.0.0.1/", True),
        ("http://[::1]:1234/x?y", True),
        ("https://vendor.example:99999/", False),
        ("https://vendor.example/#", False),
        ("https://a@vendor.example/", False),
        ("https://-vendor.example/", False),
        ("https://vendor.example\\.evil.example/", False),
        ("http://localhost/", False),
        ("http://vendor.example/", False),
        ("com.vendor.app:/back", False),
        ("https://", False),
        ("https://vendor.example/" + "x" * 2000, False),
    ],
)
def test_only_https_and_this_machine_can_be_registered(uri: str, fits: bool) -> None:
    assert acceptable(uri) is fits


def test_an_answer_is_added_to_the_query_with_iss_and_nothing_gets_lost() -> None:
    state = "a b&iss=x#y"
    for uri in REGISTERED:
        sent = answered(uri, {"code": "c", "state": state, "error": None}, "https://tasks.example.org")
        fields = parse_qsl(urlsplit(sent).query, keep_blank_values=True)
        assert fields[-3:] == [("code", "c"), ("state", state), ("iss", "https://tasks.example.org")]
        assert sent.startswith(uri)
        assert urlsplit(sent).fragment == ""
    assert ("x", "1") in parse_qsl(urlsplit(answered(REGISTERED[1], {}, "i")).query)


def test_an_origin_has_the_port_and_nothing_behind_it() -> None:
    assert [origin(uri) for uri in REGISTERED] == [
        "https://vendor.example",
        "https://vendor.example",
        "http://127.0.0.1",
        "http://[::1]:9000",
    ]


def test_what_is_too_long_is_not_acceptable() -> None:
    assert not acceptable("https://vendor.example/" + "a" * redirects.LONGEST)
