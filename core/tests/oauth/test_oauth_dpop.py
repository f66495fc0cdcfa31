"""What a DPoP proof must show: one line of RFC 9449, section 4.3, after the other."""

from __future__ import annotations

import base64
import datetime as dt
import json
import warnings
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey

from assigntask.oauth.dpop import ALGORITHMS, DPoPError, Key, normalised, token_hash, verify

NOW = dt.datetime(2026, 5, 3, 12, 0, tzinfo=dt.UTC)
URL = "https://tasks.example.org/oauth/token"
TOKEN = "at_example"

KEYS: dict[str, Key] = {
    "ES256": ECKey.generate_key("P-256"),
    "EdDSA": OKPKey.generate_key("Ed25519"),
    "PS256": RSAKey.generate_key(2048),
}
KEYS |= {"RS256": KEYS["PS256"], "Ed25519": KEYS["EdDSA"]}


def small_key() -> RSAKey:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library says what is wrong with it
        return RSAKey.generate_key(1024)


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed(key: Key, header: dict[str, Any], body: str) -> str:
    """Any header at all: the library would refuse to make most of those that must be refused."""
    text = f"{encoded(json.dumps(header).encode())}.{encoded(body.encode())}"
    signature = jws.JWSRegistry.algorithms[header["alg"]].sign(text.encode(), key)
    return f"{text}.{encoded(signature)}"


def proof(algorithm: str = "ES256", *, key: Key | None = None, header: Any = None, **claims: Any) -> str:
    key = key or KEYS[algorithm]
    head = {"typ": "dpop+jwt", "alg": algorithm, "jwk": key.as_dict(private=False), **(header or {})}
    body = {"jti": "j-1", "htm": "POST", "htu": URL, "iat": int(NOW.timestamp()), **claims}
    return signed(key, head, json.dumps({name: value for name, value in body.items() if value is not None}))


def take(text: str, *, method: str = "POST", url: str = URL, token: str | None = None) -> Any:
    return verify(text, method=method, url=url, now=NOW, access_token=token)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_proof_of_each_algorithm_is_taken_and_names_its_key(algorithm: str) -> None:
    taken = take(proof(algorithm))
    assert taken.thumbprint == KEYS[algorithm].thumbprint() and len(taken.thumbprint) == 43
    assert (taken.jti, taken.issued_at) == ("j-1", NOW)
    assert taken.forgettable_at == NOW + dt.timedelta(minutes=5)


REFUSED = [
    (proof(header={"typ": "jwt"}), "typ"),
    (proof(header={"typ": None}), "typ"),
    (proof(header={"jwk": None}), "jwk"),
    (proof(header={"jwk": {"kty": "EC", "crv": "P-256"}}), "not a key"),
    (proof(header={"jwk": KEYS["ES256"].as_dict(private=True)}), "public half"),
    (proof(header={"jwk": KEYS["EdDSA"].as_dict(private=False)}), "as its alg says"),
    (proof(header={"jwk": ECKey.generate_key("P-256").as_dict(private=False)}), "signature"),
    (proof("RS256", key=small_key()), "RSA of 2048 to 4096 bits"),
    (
        proof("RS256", header={"jwk": {**KEYS["RS256"].as_dict(private=False), "e": encoded(b"\1" * 255)}}),
        "its e short",
    ),
    (proof(header={"crit": ["b64"], "b64": True}), "extensions"),
    (proof(jti=None), "jti"),
    (proof(jti=""), "jti"),
    (proof(jti=7), "jti"),
    (proof(jti="x" * 129), "jti"),
    (proof(htm="GET"), "htm"),
    (proof(htm="post"), "htm"),
    (proof(htm=None), "htm"),
    (proof(htu=None), "htu"),
    (proof(htu="https://other.example/oauth/token"), "htu"),
    (proof(htu="http://tasks.example.org/oauth/token"), "htu"),
    (proof(htu="https://tasks.example.org/oauth/Token"), "htu"),
    (proof(htu="https://tasks.example.org:8443/oauth/token"), "htu"),
    (proof(htu="https://somebody@tasks.example.org/oauth/token"), "htu"),
    (proof(htu="https://tasks.example.org:x/oauth/token"), "htu"),
    (proof(iat=None), "iat"),
    (proof(iat=True), "iat"),
    (proof(iat="1"), "iat"),
    (proof(iat=10**30), "iat"),
    (proof(iat=int(NOW.timestamp()) - 301), "5 minutes"),
    (proof(iat=int(NOW.timestamp()) + 301), "5 minutes"),
    ("", "one JWT"),
    ("a.b", "one JWT"),
    ("a.b.c.d", "one JWT"),
    ("a.b.c", "header"),
    (f"{proof()},{proof()}", "one JWT"),
    (proof() + "A", "signature"),
    ("é.b.c", "ASCII"),
    (proof(more="x" * 9000), "8192"),
]


@pytest.mark.parametrize(("text", "words"), REFUSED)
def test_a_proof_that_lacks_one_thing_is_refused_for_it(text: str, words: str) -> None:
    with pytest.raises(DPoPError, match=words) as caught:
        take(text)
    assert caught.value.code == "invalid_dpop_proof"


@pytest.mark.parametrize("algorithm", ["none", "HS256", "ES384", "RS512"])
def test_an_algorithm_that_is_symmetric_or_not_listed_is_refused(algorithm: str) -> None:
    head, body, signature = proof().split(".")
    header = {**json.loads(base64.urlsafe_b64decode(head + "==")), "alg": algorithm}
    forged = encoded(json.dumps(header).encode())
    with pytest.raises(DPoPError, match="sign it with one of"):
        take(f"{forged}.{body}.{signature}")


def test_a_member_that_is_named_twice_is_refused() -> None:
    key = KEYS["ES256"]
    header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": key.as_dict(private=False)}
    body = f'{{"jti":"a","jti":"b","htm":"POST","htu":"{URL}","iat":{int(NOW.timestamp())}}}'
    with pytest.raises(DPoPError, match="twice"):
        take(signed(key, header, body))


@pytest.mark.parametrize("seconds", [-300, 300])
def test_a_clock_may_be_five_minutes_off_either_way(seconds: int) -> None:
    assert take(proof(iat=int(NOW.timestamp()) + seconds)).jti == "j-1"


@pytest.mark.parametrize("ath", [None, "", 7, "\ud800", token_hash("at_other"), TOKEN])
def test_with_a_token_the_proof_must_hold_its_hash(ath: Any) -> None:
    with pytest.raises(DPoPError, match="ath"):
        take(proof(ath=ath), token=TOKEN)


def test_a_proof_with_the_hash_of_its_token_is_taken() -> None:
    assert take(proof(ath=token_hash(TOKEN)), token=TOKEN).jti == "j-1"


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("HTTPS://Tasks.Example.ORG/oauth/token", URL),
        ("https://tasks.example.org:443/oauth/token", URL),
        (URL, f"{URL}?a=b#c"),
        (f"{URL}?a=b", URL),
        ("https://tasks.example.org/%6Fauth/token", URL),
        ("https://tasks.example.org", "https://tasks.example.org/"),
        ("http://127.0.0.1:80/a%2fb", "http://127.0.0.1/a%2Fb"),
        ("http://[::1]:8000/", "http://[::1]:8000"),
    ],
)
def test_addresses_are_compared_as_rfc_3986_normalises_them(written: str, asked: str) -> None:
    assert take(proof(htu=written), url=asked).jti == "j-1"
    assert normalised(written) == normalised(asked)


def test_an_encoded_slash_is_another_address() -> None:
    with pytest.raises(DPoPError, match="htu"):
        take(proof(htu="https://tasks.example.org/oauth%2Ftoken"))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=3)
)
_MEMBERS = st.sampled_from(["kty", "crv", "x", "y", "n", "e", "use", "key_ops", "alg", "kid"])


@given(
    jwk=st.dictionaries(_MEMBERS, _JSON),
    claims=st.dictionaries(st.sampled_from(["jti", "htm", "htu", "iat"]), _JSON),
    algorithm=st.sampled_from(ALGORITHMS),
    real=st.booleans(),
)
def test_whatever_is_sent_is_refused_and_breaks_nothing(
    jwk: dict[str, Any], claims: dict[str, Any], algorithm: str, real: bool
) -> None:
    base = KEYS[algorithm].as_dict(private=False) if real else {}
    header = {"typ": "dpop+jwt", "alg": algorithm, "jwk": {**base, **jwk}, "kid": jwk.get("kid", "k")}
    parts = [encoded(json.dumps(part).encode()) for part in (header, claims)]
    with pytest.raises(DPoPError):
        take(f"{parts[0]}.{parts[1]}.AAAA")
