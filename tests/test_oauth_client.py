"""The authorization server and the API, used and attacked by an OAuth client that nobody here wrote: oauth4webapi.

The checks are in `npm/*.mjs`. They run in one process of Node for each database; each is a test of its own here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

pytestmark = [pytest.mark.timeout(120)]

FLOWS = (
    "discovery-8414",
    "every-endpoint-of-the-metadata-answers",
    "discovery-9728-from-the-challenge",
    "client-credentials-basic-app",
    "client-credentials-posting-app",
    "client-credentials-keyed-app",
    "a-token-is-narrowed-to-what-was-asked",
    "a-token-is-for-the-one-resource",
    "code-with-pkce-basic-app",
    "code-with-pkce-posting-app",
    "code-with-pkce-keyed-app",
    "code-with-pkce-public-app",
    "a-client-by-its-metadata-document",
    "what-is-unticked-is-not-granted",
    "saying-no-goes-back-with-iss",
    "an-answer-with-another-iss-or-none-is-not-taken",
    "a-program-on-the-person-s-machine-may-listen-at-any-port",
    "refresh-gives-the-next-token",
    "revoking-an-access-token",
    "revoking-a-refresh-token-ends-all-that-came-of-it",
    "introspection-of-one-s-own",
    "a-pushed-request-basic-app",
    "a-pushed-request-keyed-app",
)
ATTACKS = (
    "pkce-is-required",
    "a-wrong-verifier-or-none-is-refused",
    "a-code-s-replay-revokes-what-it-gave",
    "eight-redemptions-of-one-code-at-once",
    "a-refresh-token-s-reuse-revokes-the-family",
    "eight-refreshes-at-once",
    "nobody-is-sent-to-another-redirect-uri",
    "a-code-goes-with-its-redirect-uri",
    "a-code-is-its-own-client-s",
    "a-refresh-token-is-its-own-client-s",
    "two-client-authentications-at-once",
    "a-client-proves-who-it-is-in-its-own-way-only",
    "an-assertion-counts-once",
    "introspection-by-another-client",
    "revocation-by-another-client",
    "one-organisation-s-token-at-another-s-resources",
    "a-person-of-another-organisation-can-t-authorize",
    "codes-and-refresh-tokens-open-nothing-at-the-api",
    "no-other-grant-or-response-type",
    "a-request-object-is-not-taken",
)
POSSESSION = (
    "a-bound-token-opens-the-api-ES256",
    "a-bound-token-opens-the-api-Ed25519",
    "a-bound-token-opens-the-api-RS256",
    "a-bound-token-opens-the-api-PS256",
    "a-bound-token-is-no-bearer-token",
    "a-bound-token-needs-its-proof",
    "a-proof-of-another-key-is-refused",
    "a-proof-counts-once-at-the-api",
    "a-proof-counts-once-at-the-token-endpoint",
    "a-proof-is-for-its-method-address-token-and-moment",
    "a-public-client-s-refresh-token-is-bound",
    "a-pushed-request-s-proof-binds-the-code",
)
CHECKS = (*FLOWS, *ATTACKS, *POSSESSION)


@pytest.fixture(scope="module")
def told(served_host: Any, run_node: Any) -> Mapping[str, str | None]:
    """What went wrong, by check; None for nothing."""
    return {each["check"]: each["why"] for each in run_node("run.mjs", json.dumps(served_host.facts))}


@pytest.mark.parametrize("name", CHECKS)
def test_an_independent_client(told: Mapping[str, str | None], name: str) -> None:
    assert name in told, "it did not run"
    assert told[name] is None, told[name]


def test_every_check_is_a_test_of_its_own(told: Mapping[str, str | None]) -> None:
    assert set(told) == set(CHECKS)
