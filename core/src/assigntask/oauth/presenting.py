"""Which client a request says it comes from, and what it shows for it: RFC 6749, section 2.3, and RFC 7523. Pure."""

from __future__ import annotations

import json
import re
from base64 import b64decode, urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes

from assigntask.oauth.clients import AuthMethod
from assigntask.oauth.parameters import BadRequest

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LONGEST_ID = 500
LONGEST_ASSERTION = 8192

_CREDENTIALS = ("client_secret", "client_assertion")
_ENCODED = re.compile(rb"(?:[!-$&-~]|%[0-9A-Fa-f]{2})*")


@dataclass(frozen=True, slots=True)
class Presented:
    """`proof` is the secret or the assertion; empty for a public client."""

    method: AuthMethod
    client_id: str
    proof: str = field(default="", repr=False)

    @property
    def is_secret(self) -> bool:
        return self.method in ("client_secret_basic", "client_secret_post")


def presented(parameters: Mapping[str, str], authorization: str | None) -> Presented:
    """One way and one only: two at once are refused, whatever they show.

    Raises BadRequest `invalid_request`, and `invalid_client` (401) for what shows nothing.
    """
    shown = [name for name in _CREDENTIALS if name in parameters]
    if len(shown) + (authorization is not None) > 1:
        raise BadRequest(
            "invalid_request", "The client authenticates in two ways at once. Send one: a header, or one parameter."
        )
    named = parameters.get("client_id")
    if authorization is not None:
        return _same(_basic(authorization), named)
    if shown == ["client_secret"]:
        if named is None:
            raise _unknown("A client secret needs the parameter client_id beside it.")
        return _bounded(Presented("client_secret_post", named, parameters["client_secret"]))
    if shown == ["client_assertion"]:
        return _same(_assertion(parameters), named)
    if "client_assertion_type" in parameters:
        raise BadRequest("invalid_request", "There is a client_assertion_type without a client_assertion.")
    if named is None:
        raise _unknown("The request does not say which client it comes from. Authenticate the client.")
    return _bounded(Presented("none", named))


def _basic(authorization: str) -> Presented:
    """RFC 6749, section 2.3.1: id and secret are form-encoded before they are put together."""
    scheme, _, rest = authorization.strip().partition(" ")
    if scheme.lower() != "basic":
        raise _unknown("The Authorization header of this endpoint is Basic, with the client's id and secret.")
    try:
        name, colon, secret = b64decode(rest.strip(), validate=True).partition(b":")
        if not colon:
            raise ValueError("no colon")
        return _bounded(Presented("client_secret_basic", _decoded(name), _decoded(secret)))
    except ValueError:
        raise _unknown("The Authorization header is not Basic with base64 of id, colon and secret.") from None


def _decoded(part: bytes) -> str:
    """Raises ValueError."""
    if _ENCODED.fullmatch(part) is None:
        raise ValueError("not form-encoded")
    if b"%" not in part and b"+" not in part:
        return part.decode("ascii")
    text = unquote_to_bytes(part.replace(b"+", b" ")).decode()
    if not text.isprintable():
        raise ValueError("not printable")
    return text


def _assertion(parameters: Mapping[str, str]) -> Presented:
    if parameters.get("client_assertion_type") != ASSERTION_TYPE:
        raise BadRequest("invalid_request", f"A client_assertion needs client_assertion_type {ASSERTION_TYPE}.")
    text = parameters["client_assertion"]
    # Which keys to check it with follows from whom it claims to be of; until then it proves nothing.
    subject = _claims(text).get("sub")
    if not isinstance(subject, str) or not subject:
        raise _unknown("The client assertion is not a JWT whose sub is the client's id.")
    return _bounded(Presented("private_key_jwt", subject, text))


def _claims(text: str) -> Mapping[str, Any]:
    parts = text.split(".")
    if len(text) > LONGEST_ASSERTION or len(parts) != 3:
        return {}
    try:
        claims = json.loads(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}


def _same(presented: Presented, named: str | None) -> Presented:
    if named is not None and named != presented.client_id:
        raise BadRequest("invalid_request", "The parameter client_id names another client than the one that is shown.")
    return presented


def _bounded(presented: Presented) -> Presented:
    if not presented.client_id or len(presented.client_id) > LONGEST_ID:
        raise _unknown("There is no such client.")
    return presented


def _unknown(description: str) -> BadRequest:
    return BadRequest("invalid_client", description, status=401)
