"""An authorization request, read strictly: RFC 6749, section 4.1.1, with PKCE always (RFC 7636). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from assigntask_sdk.details import SCOPES

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")  # of a SHA-256; RFC 7636, section 4.2
_THUMBPRINT = _CHALLENGE
_SCOPE = re.compile(r"[!#-\[\]-~]+")  # RFC 6749, section 3.3
_LONGEST_STATE = 2000

READ = frozenset(
    {
        "response_type", "response_mode", "state", "scope", "resource", "prompt", "request",
        "code_challenge", "code_challenge_method", "dpop_jkt",
    }
)  # fmt: skip
"""The parameters that count here."""


class Refusal(Exception):
    """An answer of RFC 6749, section 4.1.2.1, to be sent to a redirect URI that is trusted.

    `description` has the characters that the section allows: printable ASCII without quotes and backslashes.
    """

    def __init__(self, error: str, description: str) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = description


@dataclass(frozen=True, slots=True)
class Asked:
    """`scopes` None: whatever there is. `silent`: nothing may be shown (`prompt=none`)."""

    state: str | None
    scopes: frozenset[str] | None
    code_challenge: str
    dpop_thumbprint: str | None
    silent: bool

    def to_json(self) -> dict[str, Any]:
        scopes = None if self.scopes is None else sorted(self.scopes)
        return {
            "state": self.state,
            "scopes": scopes,
            "code_challenge": self.code_challenge,
            "dpop_thumbprint": self.dpop_thumbprint,
            "silent": self.silent,
        }

    @classmethod
    def of_json(cls, body: Mapping[str, Any]) -> Self:
        scopes = body["scopes"]
        return cls(
            body["state"],
            None if scopes is None else frozenset(scopes),
            body["code_challenge"],
            body["dpop_thumbprint"],
            body["silent"],
        )


def asked(parameters: Mapping[str, str], api: str) -> Asked:
    """`parameters` as `oauth.parameters` reads them; `api`: the only resource that there is (RFC 8707).

    Parameters that are not known are ignored, as RFC 6749 has it. Raises Refusal.
    """
    _response(parameters)
    resource = parameters.get("resource")
    if resource not in (None, api):
        raise Refusal("invalid_target", f"The only resource here is {api}")
    return Asked(
        state=parameters.get("state"),
        scopes=_scopes(parameters.get("scope")),
        code_challenge=_challenge(parameters),
        dpop_thumbprint=_thumbprint(parameters.get("dpop_jkt")),
        silent=_silent(parameters.get("prompt")),
    )


def returnable_state(parameters: Mapping[str, str]) -> str | None:
    """The state that goes back with a refusal as well; None for one that is too long to be sent."""
    state = parameters.get("state")
    return state if state is not None and len(state) <= _LONGEST_STATE else None


def _response(parameters: Mapping[str, str]) -> None:
    if "request" in parameters:
        raise Refusal("request_not_supported", "Push the request instead: see RFC 9126")
    kind = parameters.get("response_type")
    if kind is None:
        raise Refusal("invalid_request", "response_type is missing: it is code")
    if kind != "code":
        raise Refusal("unsupported_response_type", "The only response_type is code")
    if parameters.get("response_mode") not in (None, "query"):
        raise Refusal("invalid_request", "The only response_mode is query")
    if len(parameters.get("state", "")) > _LONGEST_STATE:
        raise Refusal("invalid_request", f"state has at most {_LONGEST_STATE} characters")


def _challenge(parameters: Mapping[str, str]) -> str:
    challenge, method = parameters.get("code_challenge"), parameters.get("code_challenge_method")
    if challenge is None:
        raise Refusal("invalid_request", "code_challenge is missing: PKCE is required of every client")
    if method != "S256":
        raise Refusal("invalid_request", "code_challenge_method is S256, and has to be named")
    if _CHALLENGE.fullmatch(challenge) is None:
        raise Refusal("invalid_request", "code_challenge is a SHA-256 in base64url: 43 characters")
    return challenge


def _scopes(text: str | None) -> frozenset[str] | None:
    if text is None:
        return None
    names = text.split(" ")
    if not all(_SCOPE.fullmatch(name) for name in names):
        raise Refusal("invalid_scope", "scope is a list of names with one space between them")
    if any(name not in SCOPES for name in names):
        raise Refusal("invalid_scope", "scope names a scope that there is not")
    return frozenset(names)


def _thumbprint(text: str | None) -> str | None:
    if text is not None and _THUMBPRINT.fullmatch(text) is None:
        raise Refusal("invalid_request", "dpop_jkt is the SHA-256 thumbprint of a key: 43 characters")
    return text


def _silent(prompt: str | None) -> bool:
    if prompt not in (None, "none", "consent"):
        raise Refusal("invalid_request", "prompt is none or consent")
    return prompt == "none"
